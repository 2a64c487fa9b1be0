"""The command, and the files it left."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

OLDER = b"an older file"
COMMAND = [sys.executable, "-c", "from aembed_command import main; main()"]
PROFILES = """
[profiles.small]
model = "mock"
dimensions = 4

[profiles.refused]
model = "mock"
provider_options = { error_rate = 1.0, error_kinds = ["authentication"] }

[profiles.unlucky]
model = "mock"
retry = { max_attempts = 1 }
provider_options = { error_rate = 0.2, max_batch_texts = 16 }

[profiles.endless]
model = "mock"
provider_options = { latency = 86400.0 }
timeout = 86400.0
"""


class Outcome(NamedTuple):
    code: int
    out: str
    err: str


Aembed = Callable[..., Outcome]


def left_over() -> list[str]:
    inputs = {".txt", ".toml", ".csv"}
    return sorted(path.name for path in Path.cwd().iterdir() if path.suffix not in inputs)


def rejected(outcome: Outcome, *words: str, code: int = 2) -> None:
    assert outcome.code == code, outcome
    assert outcome.out == ""
    assert outcome.err.startswith("aembed: ")
    *progress, _ = outcome.err.splitlines()
    assert set(progress) <= {"aembed: opening"}, outcome.err  # said on a slow day
    for word in words:
        assert word in outcome.err
    assert left_over() == []
