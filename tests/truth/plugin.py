"""The pytest plugin: equal code never fails, and a planted change always does."""

from __future__ import annotations

import random
import tempfile
from collections.abc import Sequence
from pathlib import Path

from tests.bench.plugin_project import MEASURED, made, pytest_in
from tests.truth.figures import Figure, truth

RUNS = 100
PLANTED_RUNS = 20
PLANTED = {"task": {"TASKS": "3"}, "callback": {"CALLBACKS": "1"}}


@truth("Plugin A/A and planted changes", attempts=1)
def equal_code_never_fails() -> Sequence[Figure]:
    """Fresh processes, with random orders and hashes, and perhaps two workers of xdist."""
    dice = random.Random(0)

    def ends(project: Path, **changed: str) -> str:
        workers = dice.choice(("-n0", "-n2"))
        seeds = {name: str(dice.randrange(10**6)) for name in ("ORDER", "PYTHONHASHSEED")}
        return pytest_in(project, "-q", workers, **seeds, **changed).stdout

    with tempfile.TemporaryDirectory() as directory:
        project = made(Path(directory))
        pytest_in(project, "--async-benchmark-update")
        everything = len(MEASURED)
        kept = sum(f"{everything} kept" in ends(project) for _ in range(RUNS))
        figures = [Figure(f"runs of equal code that fail, of {RUNS}", RUNS - kept, high=0)]
        for what, changed in PLANTED.items():
            found = sum(f"{everything - 1} failed" in ends(project, **changed) for _ in range(PLANTED_RUNS))
            figures.append(
                Figure(f"share of {PLANTED_RUNS} runs that find one {what} more", found / PLANTED_RUNS, low=1)
            )
    return figures
