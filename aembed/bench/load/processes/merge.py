"""The parts of a run as one: its rows exactly, never an average of percentiles. Pure."""

from __future__ import annotations

from array import array
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import replace

import numpy as np

from aembed.bench.load.processes.children import Lost, ProcessResult
from aembed.bench.load.processes.messages import Done
from aembed.bench.load.record import Record
from aembed.bench.load.reporting import Observed
from aembed.bench.load.run import RunResult
from aembed.bench.load.share import Share
from aembed.bench.load.summary import most_in_flight
from aembed.bench.load.validity import Disturbances
from aembed.bench.model.under_load import Failure, LoopUse, ProcessShare
from aembed.bench.model.work import Work
from aembed.bench.rows.columns import NEVER, UNFINISHED, Ints, Rows
from aembed.bench.stats.sample import rank_of

NOTHING: Ints = np.empty(0, dtype=np.int64)


def merged_result(
    outcomes: Sequence[ProcessResult], schedules: Sequence[Ints], seconds: float
) -> tuple[RunResult, Ints]:
    """The run, and the columns of all its requests in the order of intention.

    The requests of a process without a result are unfinished: they were due, and their answers are unknown. No
    outcomes at all: the run was interrupted before its start.
    """
    parts = [outcome for outcome in outcomes if not isinstance(outcome, Lost)]
    length = max((done.seconds for done, _ in parts), default=seconds)
    columns = min((len(table) for _, table in parts), default=4)
    lost = [
        _unfinished(schedule[schedule < length * 1e9], columns)
        for outcome, schedule in zip(outcomes, schedules, strict=False)
        if isinstance(outcome, Lost)
    ]
    table = np.concatenate([_unfinished(NOTHING, columns), *(table[:columns] for _, table in parts), *lost], axis=1)
    table = table[:, np.argsort(table[0], kind="stable")]
    rows = rows_of(table)
    dones = [done for done, _ in parts]
    result = RunResult(
        record=_record_of(table),
        origin=0,
        started=min((done.started for done in dones), default=0.0),
        seconds=length,
        interrupted=not outcomes or any(done.interrupted for done in dones),
        ignored_cancellation=sum(done.ignored_cancellation for done in dones),
        peak_in_flight=most_in_flight(rows),
        peak_backlog=sum(done.peak_backlog for done in dones),
        failures=_failures(dones, lost=sum(table.shape[1] for table in lost)),
        thought=sum(done.thought for done in dones),
        waited=sum(done.waited for done in dones),
    )
    return result, table


def rows_of(table: Ints) -> Rows:
    """The first four columns as rows."""
    return Rows(intended=table[0], started=table[1], done=table[2], outcome=table[3])


def _unfinished(due: Ints, columns: int) -> Ints:
    table = np.full((columns, len(due)), NEVER, dtype=np.int64)
    table[0], table[3] = due, UNFINISHED
    return table


def _record_of(table: Ints) -> Record:
    """A record that holds these rows."""
    flat = array("q")
    flat.frombytes(np.ascontiguousarray(table[:4].T).tobytes())
    return Record.of(flat)


def _failures(dones: Iterable[Done], *, lost: int) -> tuple[Failure, ...]:
    found: dict[str, Failure] = {}
    for failure in (failure for done in dones for failure in done.failures):
        earlier = found.get(failure.kind)
        found[failure.kind] = failure if earlier is None else replace(earlier, count=earlier.count + failure.count)
    if lost:
        found["lost"] = Failure(kind="lost", count=lost, example="their process gave no result")
    return tuple(sorted(found.values(), key=lambda failure: -failure.count))


def merged_disturbances(outcomes: Sequence[ProcessResult]) -> Disturbances:
    """Each reason and note with its process. One process that was disturbed voids the run."""
    reasons: list[str] = []
    notes: list[str] = []
    possible: list[float] = []
    for number, outcome in enumerate(outcomes):
        share = Share(number, len(outcomes))
        if isinstance(outcome, Lost):
            reasons.append(f"{share}: {outcome.reason}")
            continue
        done = outcome[0]
        reasons += [f"{share}: {reason}" for reason in done.reasons]
        notes += [f"{share}: {note}" for note in done.notes]
        if done.possible_rate is not None:
            possible.append(done.possible_rate)
    rate = min(possible) * len(outcomes) if possible else None  # all have to offer as much as the slowest can
    return Disturbances(reasons=tuple(reasons), notes=tuple(notes), possible_rate=rate)


def merged_observed(dones: Sequence[Done]) -> Observed:
    """Stalls of all loops, their use together, and the memory of all processes."""
    return Observed(
        stalls=tuple(sorted((stall for done in dones for stall in done.stalls), key=lambda stall: stall.at)),
        loop=_loops([done.loop for done in dones if done.loop is not None]),
        rss=_memory([done.rss for done in dones]),
    )


def _loops(uses: Sequence[LoopUse]) -> LoopUse | None:
    if not uses:
        return None
    return LoopUse(
        seconds=max(use.seconds for use in uses),
        cpu=_sum(use.cpu for use in uses),
        queued=_sum(use.queued for use in uses),
        pings=sum(use.pings for use in uses),
        slowest_ping=max(use.slowest_ping for use in uses),
    )


def _sum(values: Iterable[float | None]) -> float | None:
    found = list(values)
    return None if None in found else sum(value for value in found if value is not None)


def _memory(series: Sequence[tuple[tuple[float, int], ...]]) -> tuple[tuple[float, int], ...]:
    """Bytes of all together, from when each has been seen: at every look, with the last of each of the others."""
    looks = sorted((at, number, size) for number, samples in enumerate(series) for at, size in samples)
    last: dict[int, int] = {}
    found = []
    for at, number, size in looks:
        last[number] = size
        if len(last) == len(series):
            found.append((at, sum(last.values())))
    return tuple(found)


def merged_work(works: Sequence[Work | None]) -> Work | None:
    """The work of all; of the repeated texts, those of the process that drew most: each draws those of all."""
    found = [work for work in works if work is not None]
    if not found or len(found) < len(works):
        return None
    most = max(found, key=lambda work: work.repeated or 0)
    totals = {
        name: sum(getattr(work, name) for work in found)
        for name in (
            *("texts", "texts_rate", "tokens", "tokens_rate", "bytes", "bytes_rate"),
            *("sent", "retries", "cache_hits", "shared", "merged"),
        )
    }
    costs = _sum(work.cost for work in found)
    errors = Counter[str]()
    for work in found:
        errors.update(work.errors)
    return replace(
        found[0],
        **totals,
        cost=costs,
        repeated=most.repeated,
        lengths=most.lengths,
        errors=dict(errors.most_common()),
    )


def shares_of(outcomes: Sequence[ProcessResult], schedules: Sequence[Ints]) -> tuple[ProcessShare, ...]:
    """A line for each process in the report."""
    return tuple(_share(outcome, schedule) for outcome, schedule in zip(outcomes, schedules, strict=False))


def _share(outcome: ProcessResult, schedule: Ints) -> ProcessShare:
    if isinstance(outcome, Lost):
        return ProcessShare(offered=len(schedule), lag_p99=None, cpu=None, valid=False)
    done, table = outcome
    lag = np.sort(rows_of(table).lag)
    p99 = float(lag[rank_of(0.99, len(lag)) - 1]) if len(lag) else None
    use = done.loop
    return ProcessShare(
        offered=done.rows,
        lag_p99=None if p99 is None or np.isinf(p99) else p99,
        cpu=None if use is None or use.cpu is None else use.cpu / use.seconds,
        valid=not done.reasons,
    )
