"""Shared by the comparisons: shuffled rounds, a fresh process for each candidate, results as JSON, tables."""

from __future__ import annotations

import json
import os
import platform
import random
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from statistics import median
from typing import Any

RESULTS = Path("perf/results")


def interleaved(names: Sequence[str], rounds: int, seed: int) -> Iterator[tuple[int, str]]:
    """Every name once a round, each round in another order."""
    order = random.Random(seed)
    for number in range(rounds):
        for name in order.sample(names, len(names)):
            print(f"round {number + 1} of {rounds}: {name}", file=sys.stderr)
            yield number, name


def in_fresh_process(name: str, command: Sequence[str], **environment: str) -> Any:
    """The content of the command's last line, which is JSON."""
    done = subprocess.run(command, check=False, capture_output=True, text=True, env={**os.environ, **environment})
    if done.returncode:
        raise SystemExit(f"{name} failed:\n{done.stderr}")
    return json.loads(done.stdout.splitlines()[-1])


def keep(name: str, facts: Mapping[str, object], **results: object) -> Path:
    """Write ``perf/results/NAME.json``."""
    path = RESULTS / f"{name}.json"
    path.parent.mkdir(parents=True, exist_ok=True)
    machine = {"machine": platform.platform(), "python": platform.python_version(), "cores": os.cpu_count()}
    path.write_text(json.dumps({"facts": {**machine, **facts}, **results}, indent=1), encoding="utf-8")
    return path


def table(header: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    return "\n".join(f"| {' | '.join(row)} |" for row in (header, ["---"] * len(header), *rows))


def cell(values: Sequence[float]) -> str:
    """Median (lowest-highest): of five rounds, an interval that holds the true median 15 times in 16."""
    return f"{short(median(values))} ({short(min(values))}-{short(max(values))})"


def short(value: float) -> str:
    return f"{value:,.0f}" if value >= 1000 else f"{value:.3g}"
