"""Counts against their record."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal, TypeAlias

from aembed.bench.pytest_plugin.counting import OperationCounts
from aembed.bench.pytest_plugin.records import CountRecord
from aembed.bench.pytest_plugin.setting import python_version, setting_name

CountOutcome: TypeAlias = Literal["kept", "changed", "missing", "not judged", "recorded"]
REMEDY = "run pytest --async-benchmark-update and commit"


@dataclass(frozen=True, slots=True)
class CountJudgement:
    """The outcome for one measurement; ``text`` explains every outcome but "kept"."""

    outcome: CountOutcome
    text: str = ""


def judge(
    test: str, file: str, records: Mapping[str, CountRecord], measured: OperationCounts, own: str
) -> CountJudgement:
    """Compare with the record of the same setting. Versions that differ can change counts: then nothing fails.

    ``own`` is the distribution under test, whose version says nothing about the setting.
    """
    setting = setting_name(measured.loop)
    record = records.get(setting)
    if record is None and not records:
        return CountJudgement("missing", f"{test} has no recorded counts in {file}. To record them, {REMEDY} the file.")
    if record is None:
        return CountJudgement("not judged", f"{test}: no counts for {setting}; {file} has {'; '.join(sorted(records))}")
    lines = changes(record, measured)
    if not lines:
        return CountJudgement("kept")
    if other := other_versions(record, measured, own):
        return CountJudgement("not judged", f"{test}: counts differ, and so do versions: {', '.join(other)}")
    return CountJudgement(
        "changed",
        f"{test}: counts per operation changed:\n  "
        + "\n  ".join(lines)
        + f"\n{file} has the recorded counts. If the change is intended, {REMEDY} the file.",
    )


def changes(record: CountRecord, measured: OperationCounts) -> list[str]:
    """A line for each counter whose recorded count no pass has: ``tasks: 2 -> 3 (+1)``."""
    lines = []
    for name, recorded in record.counts.items():
        found = measured.values(name)
        if recorded is None or recorded in found:
            continue
        if len(found) == 1:
            lines.append(f"{name}: {recorded:g} -> {found[0]:g} ({found[0] - recorded:+g})")
        else:
            lines.append(f"{name}: {recorded:g} -> {found[0]:g} to {found[-1]:g}")
    return lines


def other_versions(record: CountRecord, measured: OperationCounts, own: str) -> list[str]:
    """Versions that differ from the record's, as ``anyio 4.8 -> 4.9``.

    A package that only one side calls is a change of the code under test, and no reason to let it pass.
    """
    before = {**record.packages, "Python": record.python}
    after = {**measured.packages, "Python": python_version()}
    common = sorted(before.keys() & after.keys() - {own})
    return [f"{name} {before[name]} -> {after[name]}" for name in common if before[name] != after[name]]
