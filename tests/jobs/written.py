"""Files of rows."""

from __future__ import annotations

import json
from pathlib import Path


def write(name: str, *texts: str) -> str:
    Path(name).parent.mkdir(exist_ok=True, parents=True)
    if name.endswith(".jsonl"):
        Path(name).write_text("".join(json.dumps({"text": text, "from": name}) + "\n" for text in texts))
    else:
        Path(name).write_text("".join(f"{text}\n" for text in texts))
    return name
