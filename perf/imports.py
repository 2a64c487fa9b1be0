"""``python -m perf.imports``: does ``import aembed`` cost little more than importing numpy, pydantic and anyio?

Fresh processes take turns, so that a busy moment of the machine falls on both alike. The median of the ratios of
neighbours is compared with the limit; the exit code is 1 beyond it.
"""

from __future__ import annotations

import argparse
import json
import statistics
import subprocess
import sys
from itertools import pairwise

LIMIT = 1.3
CODE = "import time; s = time.perf_counter(); import {}; print(time.perf_counter() - s)"
ALONE = "numpy, pydantic, anyio"


def seconds(modules: str) -> float:
    command = [sys.executable, "-c", CODE.format(modules)]
    return float(subprocess.run(command, check=True, capture_output=True, text=True).stdout)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=21)
    rounds = parser.parse_args().rounds
    seconds("aembed"), seconds(ALONE)  # byte code and disk cache
    times = [(seconds(ALONE), seconds("aembed")) for _ in range(rounds)]
    flat = [time for both in times for time in both]
    ratios = [b / a if i % 2 == 0 else a / b for i, (a, b) in enumerate(pairwise(flat))]
    ratio = statistics.median(ratios)
    alone, with_aembed = (statistics.median(column) for column in zip(*times, strict=True))
    print(json.dumps({"dependencies_s": alone, "aembed_s": with_aembed, "ratio": round(ratio, 3), "limit": LIMIT}))
    return int(ratio > LIMIT)


if __name__ == "__main__":
    sys.exit(main())
