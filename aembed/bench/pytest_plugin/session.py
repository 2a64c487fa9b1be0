"""Files and the summary at the end of a run. Under xdist, results come from the workers with their tests' reports."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from pathlib import Path

import msgspec

from aembed.bench.pytest_plugin.export import write_times
from aembed.bench.pytest_plugin.judging import CountOutcome
from aembed.bench.pytest_plugin.records import CountRecord, Records, update


class CountedTest(msgspec.Struct, frozen=True):
    """One measurement of a test."""

    test: str
    key: str
    """Name of the test in its file of counts."""
    file: str
    setting: str
    record: CountRecord
    outcome: CountOutcome
    text: str
    seconds: tuple[float, ...]


def packed(results: Sequence[CountedTest]) -> object:
    """Plain data, as a report can carry it from a worker."""
    return msgspec.to_builtins(results)


def unpacked(data: Iterable[object]) -> list[CountedTest]:
    """Results in the order of their tests' names, however tests were ordered; the last one of a test that ran again."""
    results = {(result := msgspec.convert(one, CountedTest)).test: result for one in data}
    return [results[test] for test in sorted(results)]


def write_counts(results: Iterable[CountedTest]) -> None:
    """Put recorded counts into their files."""
    files: dict[str, Records] = {}
    for result in results:
        if result.outcome == "recorded":
            files.setdefault(result.file, {}).setdefault(result.key, {})[result.setting] = result.record
    for file, records in files.items():
        update(Path(file), records)


def export(results: Iterable[CountedTest], file: Path) -> None:
    """Write the times in the format of pytest-benchmark."""
    write_times(file, [(result.test, result.seconds, result.record.counts) for result in results if result.seconds])


def summary(results: Sequence[CountedTest]) -> list[str]:
    """Lines for the terminal: the number of each outcome, then notes for the user."""
    outcomes = Counter(result.outcome for result in results)
    counted = ", ".join(f"{count} {outcome}" for outcome, count in sorted(outcomes.items()))
    notes = [result.text for result in results if result.text and result.outcome in {"not judged", "recorded"}]
    files = sorted({result.file for result in results if result.outcome == "recorded"})
    return [f"measured {len(results)}: {counted}", *notes, *(f"recorded in {file}" for file in files)]
