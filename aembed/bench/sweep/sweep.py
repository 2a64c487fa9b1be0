"""Measure a grid: cells in random order, each in several blocks, and more blocks where the front is undecided."""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager, nullcontext
from dataclasses import dataclass, field, replace
from typing import Unpack

from aembed import InputError
from aembed.bench import units
from aembed.bench.environment import keeps_own_time
from aembed.bench.load.arrivals import poisson
from aembed.bench.load.drivers import ClosedLoop, Driver, OpenLoop
from aembed.bench.load.heap import heap_frozen
from aembed.bench.load.lag import Watchdog
from aembed.bench.load.measure import settings_for
from aembed.bench.load.run import RunResult, execute
from aembed.bench.load.summary import Tally, distribution, traffic, windows
from aembed.bench.load.validity import MAX_TAKEN_SHARE, disturbances, judge
from aembed.bench.model.result import Parameter, Report
from aembed.bench.opening import opened_with_requests
from aembed.bench.rows.columns import OK, Rows
from aembed.bench.run_context import RunContext
from aembed.bench.scenario import Target
from aembed.bench.settings import RunOptions, RunSettings, positive, progress_of_part
from aembed.bench.subject import Subject, SubjectCall, with_arguments
from aembed.bench.sweep.blocks import Block, closed_block, open_block
from aembed.bench.sweep.grid import Cell, Over, grid
from aembed.bench.sweep.rounds import FEWEST_BLOCKS, USUAL_BLOCKS, has_had_its_share, next_round
from aembed.bench.sweep.verdict import MeasuredCell, Question, found_in, verdict_on


@dataclass(slots=True)
class _Opened:
    """A subject that is set up, and the call of each of its users."""

    subject: Subject
    calls: Sequence[SubjectCall] = field(default_factory=list)


async def sweep(
    target: Target,
    *,
    over: Over,
    duration: float | None = None,
    block_s: float = 2.0,
    items: str | None = None,
    margin: float = 0.05,
    seed: int = 0,
    **options: Unpack[RunOptions],
) -> Report:
    """Throughput against latency for every combination of values, and the cells that no other surely beats.

    ``over`` has a list of values for parameters of the scenario, for "users" (a closed loop without pauses) or for
    "rate" (Poisson arrivals). Each cell gets four blocks of ``block_s`` seconds in random order; then those cells get
    more whose place is undecided, until none is or ``duration`` seconds are over (by default ten blocks per cell).
    A cell is beaten if another is worse in neither direction, and better in one, by more than ``margin`` and beyond
    their 95 % intervals. ``slo`` has one percentile, which the recommended cell surely meets, and perhaps a share of
    errors. Throughput is counted in texts where the subject counts them, in the values of the parameter ``items``, or
    in requests. In an open loop the latency beyond capacity grows with ``block_s``.
    """
    if options.get("abort"):
        raise InputError("a sweep has no abort: its cells are compared, not stopped")
    chosen, cells = grid(target, over)
    _, seconds = sweep_seconds(len(cells), block_s, duration)
    for option in ("processes", "rows", "hlog", "openmetrics", "keep"):
        if option in options:
            raise InputError(f"sweep has no option {option}: it measures blocks of many cells in one process")
    settings = settings_for("sweep", target, options)
    question = Question.of(settings, margin, items, cells)
    frame = await RunContext.around(cells[0].target, settings.name)
    measured = [MeasuredCell(cell) for cell in cells]
    with heap_frozen():
        async with _all_opened(cells, seed) as subjects:
            run = _Run(subjects, settings, block_s, seconds, margin=margin, seed=seed)
            await run.until_decided(measured, question)
    stopped = settings.stop is not None and settings.stop.is_set()
    fixed = {name: value for name, value in frame.parameters.items() if name not in chosen}
    found = found_in(measured, question, chosen, block_s)
    verdict, objectives = verdict_on(found)
    report = await replace(frame, parameters=fixed).report(
        "sweep", verdict=verdict, objectives=objectives, interrupted=stopped, sweep=found
    )
    return replace(report, notes=_notes(measured))


def sweep_seconds(cells: int, block_s: float, duration: float | None) -> tuple[float, float]:
    """The shortest and the longest time of a sweep, without the set-up of its subjects.

    InputError for a duration that is too short.
    """
    least = FEWEST_BLOCKS * cells * positive("block_s", block_s)
    most = USUAL_BLOCKS * cells * block_s if duration is None else positive("duration", duration)
    if most < least:
        raise InputError(
            f"a duration of {most:g} s is too short for {FEWEST_BLOCKS} blocks of {block_s:g} s for each of "
            f"{cells} cells; make it {least:g} s or longer"
        )
    return least, most


def _notes(measured: Sequence[MeasuredCell]) -> tuple[str, ...]:
    spoilt = [reason for each in measured for reason in each.spoilt]
    if not spoilt:
        return ()
    blocks = "a block was disturbed and does" if len(spoilt) == 1 else f"{len(spoilt)} blocks were disturbed and do"
    return (f"{blocks} not count: {spoilt[0]}",)


@asynccontextmanager
async def _all_opened(cells: Sequence[Cell], seed: int) -> AsyncIterator[Mapping[tuple[Parameter, ...], _Opened]]:
    """One subject for all cells that differ in their load alone: set-up may take longer than a block."""
    most = {cell.subject: max(c.users or 0 for c in cells if c.subject == cell.subject) for cell in cells}
    async with AsyncExitStack() as stack:
        found: dict[tuple[Parameter, ...], _Opened] = {}
        for cell in cells:
            if cell.subject not in found:
                subject = await stack.enter_async_context(opened_with_requests(cell.target))
                found[cell.subject] = await _with_users(stack, subject, most[cell.subject], seed)
        yield found


async def _with_users(stack: AsyncExitStack, subject: Subject, users: int, seed: int) -> _Opened:
    drawn = subject.drawing(seed)
    if subject.session is None:
        return _Opened(drawn, [drawn.call] * users)
    if not users:
        raise InputError("the subject has a set-up for each user: sweep over users, not over a rate")
    calls = [await stack.enter_async_context(subject.session(number)) for number in range(users)]
    if subject.requests is not None:
        arguments = subject.requests(seed)
        calls = [with_arguments(call, arguments) for call in calls]
    return _Opened(drawn, calls)


class _Run:
    """Blocks one after the other, until the time is over."""

    def __init__(
        self,
        subjects: Mapping[tuple[Parameter, ...], _Opened],
        settings: RunSettings,
        block_s: float,
        seconds: float,
        *,
        margin: float,
        seed: int,
    ) -> None:
        self._subjects = subjects
        self._settings = settings
        self._block_s = block_s
        self._seconds = seconds
        self._margin = margin
        self._dice = random.Random(seed)  # noqa: S311 - an order is no secret
        self._loop = asyncio.get_running_loop()
        self._started = self._loop.time()
        self._watch = not keeps_own_time(self._loop)

    async def until_decided(self, measured: Sequence[MeasuredCell], question: Question) -> None:
        """Until every place is decided, the time is over, or Ctrl-C."""
        while round_ := next_round(measured, question, self._dice):
            for each in round_:
                over = self._loop.time() - self._started + self._block_s > self._seconds
                if over and has_had_its_share(each):
                    return
                await self._block(each)
                if self._settings.stop is not None and self._settings.stop.is_set():
                    return

    async def _block(self, measured: MeasuredCell) -> None:
        """Measure one block; one that was interrupted is forgotten."""
        cell, opened = measured.cell, self._subjects[measured.cell.subject]
        meter = opened.subject.meter
        if meter is not None:
            meter.start()
        progress = progress_of_part(
            self._settings.progress,
            units.values(cell.parameters),
            before=self._loop.time() - self._started,
            seconds=self._seconds,
        )
        settings = replace(self._settings, progress=progress)
        with Watchdog() if self._watch else nullcontext() as watchdog:
            result = await execute(self._driver(cell, opened, settings), self._block_s, settings)
        if result.interrupted:
            return
        problem = await self._disturbed(result, watchdog)
        if problem is not None:
            measured.spoilt.append(problem)
            return
        texts = None if meter is None else meter.work(result.seconds).texts
        measured.add(self._counted(result.rows, cell), Tally.of(result.rows).outcomes[OK], texts)

    def _driver(self, cell: Cell, opened: _Opened, settings: RunSettings) -> Driver:
        seed = self._dice.getrandbits(32)
        if cell.rate is not None:
            return OpenLoop(opened.subject, poisson(cell.rate).times(self._block_s, seed), settings)
        calls = dict(enumerate(opened.calls[: cell.users]))
        return ClosedLoop(opened.subject, calls, lambda _dice: 0.0, seconds=self._block_s, seed=seed, settings=settings)

    def _counted(self, rows: Rows, cell: Cell) -> Block:
        return open_block(rows, self._block_s) if cell.users is None else closed_block(rows, cell.users, self._block_s)

    async def _disturbed(self, result: RunResult, watchdog: Watchdog | None) -> str | None:
        """The reason why a block says nothing about its subject.

        The machine may take half of the margin: that much makes no difference that counts, and blocks differ by it.
        """
        rows, settings = result.rows, self._settings
        counts = traffic(
            Tally.of(rows),
            seconds=result.seconds,
            peak_in_flight=result.peak_in_flight,
            peak_backlog=result.peak_backlog,
            failures=result.failures,
        )
        found = await disturbances(
            result,
            lag=distribution(rows.lag),
            windows=windows(rows, seconds=result.seconds, width=self._block_s),
            stalls=watchdog.stalls(result.origin) if watchdog else (),
            loop=watchdog.use() if watchdog else None,
            settings=settings,
            taken=max(MAX_TAKEN_SHARE, self._margin / 2),
        )
        verdict, _ = judge(result, counts, found, settings)
        return verdict.reasons[0] if verdict.state == "invalid" else None
