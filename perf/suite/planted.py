"""``python -m perf.suite.planted``: slow down a copy of aembed on purpose, and see which layer notices.

The embedder of a throw-away copy computes for 5, 10 or 20 % longer, makes one more Python call, or starts one more
task. Each layer judges the copy by the untouched one: counts, two versions in turns, a stored baseline, and change
points of a history of real measurements. A copy that differs in nothing must raise no alarm.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import shutil
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

from rich.console import Console
from rich.table import Table

import aembed
from aembed import bench
from aembed.bench import Contest, ProcessSide, Report, reports_from_json, reports_to_json
from aembed.bench.compare import history
from perf.suite import counters, versions

PLACE = '        job = await self._finish(Job([text], "query"))\n'
"""In ``embed_query``, once."""
SHARES = {"5 % slower": 0.05, "10 % slower": 0.10, "20 % slower": 0.20}
CODE = {
    "nothing": "",
    "one call": "(lambda: None)()",
    "one task": "await __import__('asyncio').create_task(__import__('asyncio').sleep(0))",
}
LAYERS = ("counts", "in turns", "baseline", "history")
POINTS = 24
"""Processes measured of each version, for its baseline; and the points of its part of the history."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Seen:
    """Verdicts of the layers for one copy, and its slowdown by the A/B comparison."""

    what: str
    verdicts: dict[str, str]
    slower: str


@contextmanager
def copies(turns: float) -> Iterator[dict[str, Path]]:
    """Trees of packages, by their planted change. A query takes as long as so many ``turns`` of an empty loop."""
    with tempfile.TemporaryDirectory(prefix="aembed-planted-") as directory:
        trees = {}
        code = CODE | {name: f"for _ in bytes({round(share * turns)}): pass" for name, share in SHARES.items()}
        for name, planted in code.items():
            tree = Path(directory) / name.replace(" ", "-").replace("%", "percent")
            source = Path(aembed.__file__).parent
            shutil.copytree(source, tree / "aembed", ignore=shutil.ignore_patterns("__pycache__"))
            file = tree / "aembed" / "_embedder.py"
            text = file.read_text(encoding="utf-8")
            assert text.count(PLACE) == 1, f"{file.name} has changed: say anew where to plant"
            indented = f"            {planted}\n" if planted else ""
            file.write_text(text.replace("    " + PLACE, indented + "    " + PLACE), encoding="utf-8")
            trees[name] = tree
        yield trees


def turns_of(timed: Report) -> float:
    """Turns of an empty loop that take as long as the operation."""
    assert timed.micro is not None
    laps = []
    for _ in range(51):
        begun = time.thread_time()
        for _ in bytes(10_000):
            pass
        laps.append(time.thread_time() - begun)
    return timed.micro.cpu.value / sorted(laps)[len(laps) // 2] * 10_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Measured:
    """A query on the packages of one tree."""

    count: Report
    timed: Report
    """In many processes: as a baseline is."""
    days: list[Report]
    """Each in a separate process, like the points of a history."""


async def measured(tree: Path, points: int) -> Measured:
    command = (sys.executable, "-P", "-m", "perf.suite.planted", "--measure", str(points))
    project = str(Path(__file__).parent.parent.parent)
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join((str(tree), project))}
    pipe = asyncio.subprocess.PIPE
    process = await asyncio.create_subprocess_exec(*command, stdout=pipe, env=environment, cwd=tree)
    out, _ = await process.communicate()
    count, timed, *days = reports_from_json(out)
    return Measured(count=count, timed=timed, days=days)


async def measure(points: int) -> list[Report]:
    count = await bench.cost(versions.embed_query, operations=10)
    timed = [await bench.micro(versions.embed_query, processes=n, seconds=0.1) for n in (points, *[1] * points)]
    return [count, *timed]


async def look(what: str, base: Path, tree: Path, before: Measured, options: argparse.Namespace) -> Seen:
    after = await measured(tree, options.points)
    target = f"{versions.__file__}:embed_query"
    sides = [
        ProcessSide(label=label, target=target, tree=str(side)) for label, side in (("base", base), ("copy", tree))
    ]
    found = await bench.ab([Contest(name=what, before=sides[0], after=sides[1])], budget=options.budget)
    change = found.changes[0] if found.changes else None
    compared = bench.compare([before.timed], [after.timed])
    by_clock = [other.finding for other in compared.changes if other.metric == "time"]
    return Seen(
        what=what,
        verdicts={
            "counts": _counted(before.count, after.count),
            "in turns": change.finding if change else found.unjudged[0],
            "baseline": by_clock[0] if by_clock else "; ".join(compared.unjudged),
            "history": _over_time([*before.days, *after.days]),
        },
        slower=f"{change.change.value:+.1%}" if change and change.change else "-",
    )


def _counted(before: Report, after: Report) -> str:
    with tempfile.TemporaryDirectory() as directory:
        path = Path(directory) / "counters.json"
        counters.keep([before], path)
        (judged,) = counters.judged([after], path)
    return "same" if judged.verdict.state == "ok" else judged.verdict.reasons[0].partition(" per operation")[0]


def _over_time(days: Sequence[Report]) -> str:
    begun = datetime(2026, 1, 1, tzinfo=UTC)
    dated = [replace(day, started=(begun + timedelta(days=i)).isoformat()) for i, day in enumerate(days)]
    with tempfile.TemporaryDirectory() as directory:
        path = Path(directory) / "history.jsonl"
        history.append(path, dated)
        (trend,) = [trend for trend in history.trends(history.read(path).entries) if trend.metric == "time"]
    return "; ".join(f"{change.change:+.0%} at point {change.index}" for change in trend.changes) or "same"


def show(found: Sequence[Seen]) -> None:
    table = Table(title="embed_query on the mock, and what was planted in it")
    for column in ("planted", "slower by", *LAYERS):
        table.add_column(column)
    for seen in found:
        table.add_row(seen.what, seen.slower, *(seen.verdicts[layer] for layer in LAYERS))
    Console(width=140).print(table)


async def look_at_all(options: argparse.Namespace) -> list[Seen]:
    base = Path(aembed.__file__).parent.parent
    before = await measured(base, options.points)
    with copies(turns_of(before.timed)) as trees:
        chosen = {name: tree for name, tree in trees.items() if not options.only or name in options.only}
        return [await look(name, base, tree, before, options) for name, tree in chosen.items()]


def main() -> int:
    parser = argparse.ArgumentParser(prog="perf_planted", description=__doc__)
    parser.add_argument("--only", action="append", choices=(*CODE, *SHARES))
    parser.add_argument("--points", type=int, default=POINTS, help="processes, and points of the history, of each copy")
    parser.add_argument("--budget", type=float, default=40.0, help="seconds of each comparison in turns, about")
    parser.add_argument("--measure", type=int, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.measure:
        sys.stdout.buffer.write(reports_to_json(asyncio.run(measure(options.measure))))
        return 0
    show(asyncio.run(look_at_all(options)))
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
