"""A run that is over, as a report: figures, verdict, objectives."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from typing import Any

from aembed.bench.load.attribution import Pauses
from aembed.bench.load.breakdown import breakdown
from aembed.bench.load.lag import Watchdog
from aembed.bench.load.objectives import judged, of_invalid_run, with_objectives
from aembed.bench.load.run import RunResult
from aembed.bench.load.summary import Tally, distribution, traffic, windows
from aembed.bench.load.validity import judge
from aembed.bench.load.windowed_histogram import ROUNDED
from aembed.bench.model.breakdown import Breakdown
from aembed.bench.model.result import Mode, Report, named
from aembed.bench.model.under_load import Closed, Pacing
from aembed.bench.model.work import Work
from aembed.bench.rows.columns import RunRows
from aembed.bench.rows.lengths import lengths_of
from aembed.bench.run_context import RunContext
from aembed.bench.settings import Settings


async def report_of(
    frame: RunContext,
    result: RunResult,
    settings: Settings,
    *,
    mode: Mode,
    pacing: Pacing,
    watchdog: Watchdog | None,
    work: Work | None = None,
    frozen: int | None = None,
) -> Report:
    """A run that is over, in figures, with its verdict and its objectives."""
    if watchdog is None:
        seen = _figures(result, settings, None)
    else:
        seen = await asyncio.to_thread(_figures, result, settings, watchdog)
    verdict, notes = await judge(
        result,
        traffic=seen["traffic"],
        lag=seen["lag"],
        windows=seen["windows"],
        stalls=seen["stalls"],
        loop=seen["loop"],
        settings=settings,
    )
    judgements = judged(result, seen["traffic"], seen["windows"], settings, open_loop=mode == "open")
    if verdict.state == "invalid":
        judgements = of_invalid_run(judgements, result, settings)
    return await frame.report(
        mode,
        verdict=with_objectives(verdict, judgements, seen["traffic"]),
        objectives=judgements,
        notes=(*_unsent(work), *notes, *((ROUNDED,) if result.fold else ())),
        interrupted=result.interrupted,
        frozen=frozen,
        work=work,
        pacing=pacing,
        **seen,
    )


def _unsent(work: Work | None) -> tuple[str, ...]:
    """Notes that the model did not do all of the work, which a reader needs before any figure."""
    if work is None:
        return ()
    found = []
    if work.unsent:
        found.append(
            f"{work.unsent:,} of {work.texts:,} texts were answered from a cache, not by the model "
            f"({work.cache_hits:,} stored, {work.shared:,} on their way already)"
        )
    if work.merged:
        found.append(f"{work.merged:,} calls were merged: {work.sent:,} requests were sent")
    return tuple(found)


def _figures(result: RunResult, settings: Settings, watchdog: Watchdog | None) -> dict[str, Any]:
    """Parts of the report that take a while: for a million requests, some seconds."""
    rows, seconds, origin, fold = result.rows, result.seconds, result.origin, result.fold
    rss = [((at - origin) / 1e9, size) for at, size in watchdog.rss] if watchdog else []
    return {
        "traffic": traffic(
            fold.tally if fold else Tally.of(rows),
            seconds=seconds,
            peak_in_flight=result.peak_in_flight,
            peak_backlog=result.peak_backlog,
            failures=result.failures,
        ),
        "response": fold.response.distribution() if fold else distribution(rows.response),
        "service": fold.service.distribution() if fold else distribution(rows.service),
        "lag": fold.lag.distribution() if fold else distribution(rows.lag),
        "windows": fold.windows(rss)
        if fold
        else windows(rows, seconds=seconds, width=settings.width(seconds), rss=rss),
        "stalls": watchdog.stalls(origin) if watchdog else (),
        "loop": watchdog.use() if watchdog else None,
        "breakdown": _breakdown(result, watchdog),
    }


def _breakdown(result: RunResult, watchdog: Watchdog | None) -> Breakdown | None:
    if result.traces is None:
        return None
    stalls, collections = watchdog.pauses() if watchdog else ((), ())
    return breakdown(result.traces, result.origin, Pauses(stalls), Pauses(collections))


def run_rows(report: Report, result: RunResult, arguments: Iterator[Any] | None) -> RunRows:
    """The rows of a run that is over, with the lengths of the ``arguments`` that it took."""
    texts, characters = lengths_of(result.rows, arguments)
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
