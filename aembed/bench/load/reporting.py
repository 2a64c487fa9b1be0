"""A run that is over, as a report: figures, verdict, objectives."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

from aembed.bench.environment import off_loop
from aembed.bench.load.attribution import Pauses
from aembed.bench.load.breakdown import breakdown
from aembed.bench.load.lag import Watchdog
from aembed.bench.load.objectives import judged, of_invalid_run, with_objectives
from aembed.bench.load.run import RunResult
from aembed.bench.load.summary import Tally, distribution, traffic, windows
from aembed.bench.load.validity import Disturbances, disturbances, judge, with_causes
from aembed.bench.load.windowed_histogram import ROUNDED
from aembed.bench.model.breakdown import Breakdown
from aembed.bench.model.estimates import Distribution
from aembed.bench.model.result import Mode, Report, named
from aembed.bench.model.under_load import Closed, LoopUse, Pacing, ProcessShare, RunWindow, Stall, Traffic
from aembed.bench.model.work import Work
from aembed.bench.rows.columns import Ints, RunRows
from aembed.bench.rows.lengths import lengths_of
from aembed.bench.run_context import RunContext
from aembed.bench.settings import RunSettings


@dataclass(frozen=True, slots=True, kw_only=True)
class Observed:
    """Stalls and use of the loop during a run, and the memory of the process."""

    stalls: tuple[Stall, ...] = ()
    loop: LoopUse | None = None
    rss: tuple[tuple[float, int], ...] = ()
    """Seconds since the start of the run, and bytes."""

    @classmethod
    def by(cls, watchdog: Watchdog | None, origin: int) -> Observed:
        """Observations of ``watchdog``, which are none on virtual time; for a long run this takes a while."""
        if watchdog is None:
            return cls()
        rss = tuple(((at - origin) / 1e9, size) for at, size in watchdog.rss)
        return cls(stalls=watchdog.stalls(origin), loop=watchdog.use(), rss=rss)


@dataclass(frozen=True, slots=True, kw_only=True)
class Figures:
    """Parts of the report that are computed from the rows."""

    traffic: Traffic
    response: Distribution
    service: Distribution
    lag: Distribution
    windows: tuple[RunWindow, ...]
    observed: Observed

    @classmethod
    def of(cls, result: RunResult, settings: RunSettings, observed: Observed) -> Figures:
        """Takes some seconds for a million requests."""
        rows, seconds, fold = result.rows, result.seconds, result.fold
        return cls(
            traffic=traffic(
                fold.tally if fold else Tally.of(rows),
                seconds=seconds,
                peak_in_flight=result.peak_in_flight,
                peak_backlog=result.peak_backlog,
                failures=result.failures,
            ),
            response=fold.response.distribution() if fold else distribution(rows.response),
            service=fold.service.distribution() if fold else distribution(rows.service),
            lag=fold.lag.distribution() if fold else distribution(rows.lag),
            windows=fold.windows(observed.rss)
            if fold
            else windows(rows, seconds=seconds, width=settings.width(seconds), rss=observed.rss),
            observed=observed,
        )

    async def disturbances(self, result: RunResult, settings: RunSettings) -> Disturbances:
        """Disturbances of the run by machine and generator."""
        return await disturbances(
            result,
            lag=self.lag,
            windows=self.windows,
            stalls=self.observed.stalls,
            loop=self.observed.loop,
            settings=settings,
        )


async def report_of(
    frame: RunContext,
    result: RunResult,
    settings: RunSettings,
    *,
    mode: Mode,
    pacing: Pacing,
    watchdog: Watchdog | None,
    work: Work | None = None,
    frozen: int | None = None,
) -> Report:
    """A run that is over, in figures, with its verdict and its objectives."""
    figures = await off_loop(lambda: Figures.of(result, settings, Observed.by(watchdog, result.origin)))
    found = await figures.disturbances(result, settings)
    report = await judged_report(
        frame, result, figures, found, settings, mode=mode, pacing=pacing, work=work, frozen=frozen
    )
    return replace(report, breakdown=await off_loop(breakdown_of, result, watchdog))


async def judged_report(
    frame: RunContext,
    result: RunResult,
    figures: Figures,
    found: Disturbances,
    settings: RunSettings,
    *,
    mode: Mode,
    pacing: Pacing,
    work: Work | None,
    frozen: int | None,
    processes: tuple[ProcessShare, ...] = (),
) -> Report:
    """The report with its verdict, from figures and disturbances that are known."""
    verdict, notes = judge(result, figures.traffic, found, settings)
    judgements = judged(result, figures.traffic, figures.windows, settings, open_loop=mode == "open")
    if verdict.state == "invalid":
        judgements = of_invalid_run(judgements, result, settings)
    return await frame.report(
        mode,
        verdict=with_causes(with_objectives(verdict, judgements, figures.traffic), work),
        objectives=judgements,
        notes=(*_unsent(work), *notes, *((ROUNDED,) if result.fold else ())),
        interrupted=result.interrupted,
        frozen=frozen,
        work=work,
        pacing=pacing,
        traffic=figures.traffic,
        response=figures.response,
        service=figures.service,
        lag=figures.lag,
        windows=figures.windows,
        stalls=figures.observed.stalls,
        loop=figures.observed.loop,
        processes=processes,
    )


def _unsent(work: Work | None) -> tuple[str, ...]:
    """Notes that the model did not do all of the work, which a reader needs before any figure."""
    if work is None:
        return ()
    found = []
    if work.unsent:
        shared = f" ({work.shared:,} of them shared a request in flight)" if work.shared else ""
        found.append(f"{work.unsent:,} of {work.texts:,} texts were answered from a cache, not by the model{shared}")
    if work.merged:
        found.append(f"{work.merged:,} calls were merged: {work.sent:,} requests were sent")
    return tuple(found)


def breakdown_of(result: RunResult, watchdog: Watchdog | None) -> Breakdown | None:
    """The time of requests, part by part, if notes were wanted."""
    if result.traces is None:
        return None
    stalls, collections = watchdog.pauses() if watchdog else ((), ())
    return breakdown(result.traces, result.origin, Pauses(stalls), Pauses(collections))


def run_rows(report: Report, result: RunResult, arguments: Iterator[Any] | None) -> RunRows:
    """The rows of a run that is over, with the lengths of the ``arguments`` that it took."""
    return rows_with_lengths(report, result, *lengths_of(result.rows, arguments))


def rows_with_lengths(report: Report, result: RunResult, texts: Ints | None, characters: Ints | None) -> RunRows:
    """The rows of a run whose lengths are known."""
    return RunRows(
        case=named(report.name, report.parameters),
        valid=report.verdict.state != "invalid",
        started=result.started,
        rows=result.rows,
        texts=texts,
        characters=characters,
    )


def closed_loop(result: RunResult, users: int, asked: int) -> Closed:
    """Realised think time, wait and rate of the users, and Little's law; each waits or thinks to the very end."""
    return Closed(
        users=users,
        think=result.thought / max(1, asked),
        response=result.waited / max(1, asked),
        rate=asked / result.seconds,
        little=(result.waited + result.thought) / result.seconds,
    )
