"""Endpoints side by side: the same schedule and the same requests for all, in blocks of seconds that alternate.

Runs one after the other compare hours of the day as much as endpoints. Here every side is open for the whole time, and
each round gives each of them one block, in orders that are balanced.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
from contextlib import AsyncExitStack, nullcontext
from dataclasses import dataclass, field, replace
from itertools import islice
from typing import Unpack

import numpy as np

from aembed import InputError
from aembed.bench.compare.rounds import FEWEST_ROUNDS, compared, detectable, finite, orders, ranks
from aembed.bench.environment import keeps_own_time, off_loop
from aembed.bench.load.arrivals import Arrivals
from aembed.bench.load.drivers import OpenLoop
from aembed.bench.load.heap import heap_frozen
from aembed.bench.load.lag import Watchdog
from aembed.bench.load.measure import settings_for
from aembed.bench.load.pacer import Pacer, clock_of, pacer_for
from aembed.bench.load.record import Record
from aembed.bench.load.reporting import report_of, run_rows
from aembed.bench.load.run import RunResult, execute
from aembed.bench.load.traces import Traces
from aembed.bench.model.result import Report, Verdict
from aembed.bench.model.under_load import Failure, Pacing
from aembed.bench.model.versus import Standing, Versus
from aembed.bench.opening import opened_with_requests
from aembed.bench.requests import Requests
from aembed.bench.rows.columns import NEVER, Ints, Rows, RunRows
from aembed.bench.rows.lengths import lengths_of
from aembed.bench.rows.output import writes_files
from aembed.bench.run_context import RunContext
from aembed.bench.scenario import Target
from aembed.bench.settings import RunOptions, RunSettings, positive, progress_of_part
from aembed.bench.stats.sample import rank_of
from aembed.bench.subject import Subject

PERCENTILES = {"p50": 0.5, "p90": 0.9, "p95": 0.95}


@dataclass(slots=True)
class VersusSide:
    """One of the subjects, open, and the blocks it had."""

    name: str
    subject: Subject
    requests: Requests | None
    blocks: list[RunResult] = field(default_factory=list)
    drawn: int = 0
    """Requests of the block that is not counted."""


@writes_files
async def versus(
    targets: Mapping[str, Target],
    *,
    arrivals: Arrivals,
    duration: float = 90.0,
    block_s: float = 3.0,
    by: str = "p50",
    seed: int = 0,
    **options: Unpack[RunOptions],
) -> tuple[Report, ...]:
    """The comparison, and after it the report of each side.

    ``duration`` is for each side, ``block_s`` the length of a block. At 20 requests per second the defaults are right
    about two equal sides and one 10 % slower in 97 % of runs (of lognormal times with a sigma of 0.4). One block of
    each is not counted: connections are opened in it. ``by`` is the percentile of the response time that decides:
    "p50", "p90" or "p95".
    """
    if len(targets) < 2:
        raise InputError(f"versus compares two subjects or more, got {len(targets)}")
    if by not in PERCENTILES:
        raise InputError(f"by={by!r} must be one of {', '.join(PERCENTILES)}")
    number = int(positive("duration", duration) / positive("block_s", block_s) + 1e-9)
    if number < FEWEST_ROUNDS:
        raise InputError(
            f"a duration of {duration:g} s is too short for {FEWEST_ROUNDS} blocks of {block_s:g} s per side; "
            f"make it {FEWEST_ROUNDS * block_s:g} s or longer"
        )
    first = next(iter(targets.values()))
    settings = settings_for("load", first, options)
    if settings.processes > 1:
        raise InputError("versus measures all sides in one process, in turns: leave processes out")
    frame = replace(await RunContext.around(first, settings.name or " versus ".join(targets)), parameters={})
    real = not keeps_own_time(asyncio.get_running_loop())
    with heap_frozen():
        async with AsyncExitStack() as stack:
            opened = {n: await stack.enter_async_context(opened_with_requests(t)) for n, t in targets.items()}
            sides = [
                VersusSide(name, subject.drawing(seed, why=settings.why), subject.requests)
                for name, subject in opened.items()
            ]
            begun = clock_of(asyncio.get_running_loop())()
            with Watchdog() if real else nullcontext() as watchdog:
                await _rounds(sides, lambda n: arrivals.times(block_s, seed + n), number, block_s, settings)
            seconds = block_s * len(sides[0].blocks)
            works = [side.subject.meter.work(seconds) if side.subject.meter else None for side in sides]
    interrupted = settings.stop is not None and settings.stop.is_set()
    rounds = len(sides[0].blocks)
    too_few = Verdict(state="inconclusive", reasons=(f"interrupted before {FEWEST_ROUNDS} rounds were measured",))
    if not rounds:
        return (await frame.report("versus", verdict=too_few, interrupted=True),)
    pacing = Pacing(arrivals=f"{arrivals} in blocks of {block_s:g} s", seed=seed, pacer=_pacer().name)
    reports = [
        await report_of(
            RunContext(side.name, {}, frame.before),
            _joined(side.blocks, block_s),
            settings,
            mode="open",
            pacing=pacing,
            watchdog=watchdog,
            work=work,
        )
        for side, work in zip(sides, works, strict=True)
    ]
    if settings.keep is not None:
        for side, report in zip(sides, reports, strict=True):
            settings.keep(await off_loop(_rows, side, report, block_s, seed))
    verdict = _verdict(reports)
    if rounds < FEWEST_ROUNDS:
        return (await frame.report("versus", verdict=too_few, interrupted=True), *reports)
    found = _compared(reports, sides, block_s, by, valid=verdict.state != "invalid")
    stalls = watchdog.stalls(begun) if watchdog else ()
    reports = [replace(report, stalls=()) for report in reports]  # their time is that of their blocks alone
    whole = await frame.report("versus", verdict=verdict, versus=found, stalls=stalls, interrupted=interrupted)
    return (whole, *reports)


def _rows(side: VersusSide, report: Report, block_s: float, seed: int) -> RunRows:
    """The rows of one side: its blocks in order."""
    arguments = None if side.requests is None else islice(side.requests(seed), side.drawn, None)
    lengths = [lengths_of(block.rows, arguments) for block in side.blocks]
    texts, characters = (
        None if any(column is None for column in columns) else np.concatenate([*columns])
        for columns in zip(*lengths, strict=True)
    )
    rows = run_rows(report, _joined(side.blocks, block_s), None)
    return replace(rows, texts=texts, characters=characters)


async def _rounds(
    sides: Sequence[VersusSide], schedule: Callable[[int], Ints], number: int, block_s: float, settings: RunSettings
) -> None:
    """A round that was not completed is forgotten."""
    turns = orders(len(sides))
    total, past = (number + 1) * len(sides) * block_s, 0.0
    for round_ in range(number + 1):
        times = schedule(round_)
        found: dict[int, RunResult] = {}
        for place in turns[round_ % len(turns)]:
            side = sides[place]
            progress = progress_of_part(settings.progress, side.name, before=past, seconds=total)
            chosen = replace(settings, progress=progress)
            found[place] = await execute(OpenLoop(side.subject, times.copy(), chosen), block_s, chosen)
            past += block_s
            if settings.stop is not None and settings.stop.is_set():
                return
        for place, side in enumerate(sides):
            if round_:
                side.blocks.append(found[place])
                continue
            side.drawn = int(found[place].rows.begun.sum())
            if side.subject.meter is not None:
                side.subject.meter.start()


def _joined(blocks: Sequence[RunResult], block_s: float) -> RunResult:
    """The blocks of a side as one run, one after another."""
    record = Record(sum(len(block.rows) for block in blocks))
    length = round(block_s * 1e9)
    for number, block in enumerate(blocks):
        _append(record, block.rows, number * length)
    return replace(
        blocks[0],
        record=record,
        seconds=block_s * len(blocks),
        peak_in_flight=max(block.peak_in_flight for block in blocks),
        peak_backlog=max(block.peak_backlog for block in blocks),
        ignored_cancellation=sum(block.ignored_cancellation for block in blocks),
        failures=tuple(_failures(blocks)),
        traces=Traces.joined([block.traces for block in blocks if block.traces is not None]),
    )


def _pacer() -> Pacer:
    pacer = pacer_for(asyncio.get_running_loop())
    pacer.stop()
    return pacer


def _append(record: Record, rows: Rows, offset: int) -> None:
    columns = (rows.intended.tolist(), rows.started.tolist(), rows.done.tolist(), rows.outcome.tolist())
    for intended, started, done, outcome in zip(*columns, strict=True):
        begun, ended = (time if time == NEVER else time + offset for time in (started, done))
        record.add(intended + offset, begun, ended, outcome)


def _failures(blocks: Sequence[RunResult]) -> list[Failure]:
    found: dict[str, Failure] = {}
    for block in blocks:
        for failure in block.failures:
            earlier = found.get(failure.kind)
            found[failure.kind] = failure if earlier is None else replace(earlier, count=earlier.count + failure.count)
    return list(found.values())


def _compared(
    reports: Sequence[Report], sides: Sequence[VersusSide], block_s: float, by: str, *, valid: bool
) -> Versus:
    q = PERCENTILES[by]
    rounds = finite(
        [[_percentile(block.rows, q) for block in blocks] for blocks in zip(*(s.blocks for s in sides), strict=True)]
    )
    names = [side.name for side in sides]
    pairs = compared(names, rounds)
    if not valid:
        pairs = tuple(replace(pair, order="not judged") for pair in pairs)
    places = ranks(names, pairs)
    standings = [_standing(report, places[report.name]) for report in reports]
    return Versus(
        by=by,
        rounds=len(rounds),
        block_s=block_s,
        standings=tuple(sorted(standings, key=lambda standing: (standing.rank, standing.p50 or float("inf")))),
        pairs=pairs,
        samples=rounds,
        detectable=detectable(rounds),
    )


def _percentile(rows: Rows, q: float) -> float:
    ordered = np.sort(rows.response)
    return float(ordered[rank_of(q, len(ordered)) - 1])


def _standing(report: Report, rank: int) -> Standing:
    assert report.response is not None
    assert report.traffic is not None
    traffic, work = report.traffic, report.work
    return Standing(
        name=report.name,
        rank=rank,
        p50=report.response.at(0.5).value,
        p95=report.response.at(0.95).value,
        good_rate=traffic.good_rate,
        errors=1 - traffic.ok / max(1, traffic.offered),
        texts_rate=None if work is None else work.texts_rate,
        cost_per_million=None if work is None else work.price,
    )


def _verdict(reports: Sequence[Report]) -> Verdict:
    """A comparison may be believed if each side may be."""
    invalid = [report for report in reports if report.verdict.state == "invalid"]
    if invalid:
        return replace(invalid[0].verdict, reasons=tuple(f"{r.name}: {r.verdict.reasons[0]}" for r in invalid))
    return Verdict()
