"""``python -m perf.imports``: does an embedder cost little more to import than the packages it needs?

Fresh processes take turns, so that a busy moment of the machine falls on all alike. The ratios are medians over the
rounds. pydantic and anyio defer most imports until a first model is declared or a first event made, so the bare three
are a shell; the exit code depends on the three as every program that uses them has them.
"""

from __future__ import annotations

import argparse
import json
import statistics
import subprocess
import sys

LIMIT = 1.3
CODE = "import time; s = time.perf_counter(); {}; print(time.perf_counter() - s)"
IMPORTS = {
    "bare": "import numpy, pydantic, anyio",
    "used": "import numpy, anyio, asyncio; from pydantic import BaseModel, Field, SecretStr",
    "aembed": "from aembed import EmbedderFactory",
}


def seconds(imports: str) -> float:
    command = [sys.executable, "-c", CODE.format(imports)]
    return float(subprocess.run(command, check=True, capture_output=True, text=True).stdout)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=15)
    rounds = parser.parse_args().rounds
    for imports in IMPORTS.values():
        seconds(imports)  # byte code and disk cache
    times = [{name: seconds(imports) for name, imports in IMPORTS.items()} for _ in range(rounds)]
    medians = {f"{name}_s": round(statistics.median(time[name] for time in times), 4) for name in IMPORTS}
    ratios = {name: statistics.median(time["aembed"] / time[name] for time in times) for name in ("bare", "used")}
    shown = {f"ratio_to_{name}": round(ratio, 2) for name, ratio in ratios.items()}
    print(json.dumps(medians | shown | {"limit": LIMIT}))
    return int(ratios["used"] > LIMIT)


if __name__ == "__main__":
    sys.exit(main())
