"""Lines that are added, lines that are torn, and levels that change."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from aembed.bench.compare import history
from aembed.bench.compare.history import Trend, append, read, trends
from aembed.bench.model.result import Report, Verdict
from aembed.bench.report.trends import table
from aembed.bench.stats.change_points import MIN_SEGMENT, ChangePoint
from tests.bench.reports import COST, HERE, micro, report, response


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "history" / "results.jsonl"


def day(number: int, seconds: float, canary: float = 0.01) -> Report:
    where = replace(HERE, revision=f"r{number}")
    return report(micro=micro(seconds), canary=canary, where=where, started=f"2026-01-01T{number:04}")


def months(values: list[float], canaries: list[float] | None = None) -> list[Report]:
    machine = canaries or [0.01] * len(values)
    return [day(i, float(seconds), canary) for i, (seconds, canary) in enumerate(zip(values, machine, strict=True))]


def trends_of(file: Path, reports: list[Report]) -> tuple[Trend, ...]:
    append(file, reports)
    return trends(read(file).entries)


def test_entries_are_read_in_order(file: Path) -> None:
    assert append(file, [day(1, 1.0)]) == 1
    assert append(file, [day(2, 2.0), day(3, 3.0)]) == 2
    found = read(file)
    assert [entry.revision for entry in found.entries] == ["r1", "r2", "r3"]
    assert found.skipped == ()
    assert len(file.read_text(encoding="utf-8").splitlines()) == 3


def test_invalid_reports_are_not_kept(file: Path) -> None:
    assert append(file, [report(micro=micro(1), verdict=Verdict(state="invalid"))]) == 0
    assert not file.exists()


@pytest.mark.parametrize("torn", [b'{"schema":1,"started', b'{"schema":1}', b"\xff\xfe", b'{"sch\xc3'])
def test_a_torn_last_line_costs_only_itself(file: Path, torn: bytes) -> None:
    append(file, [day(1, 1.0)])
    whole = file.read_bytes()
    file.write_bytes(whole + torn)
    assert (len(read(file).entries), read(file).skipped) == (1, (2,))
    append(file, [day(2, 2.0)])
    assert file.read_bytes().startswith(whole + torn)
    assert ([entry.revision for entry in read(file).entries], read(file).skipped) == (["r1", "r2"], (2,))


def test_lines_of_another_schema_are_skipped(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    append(file, [day(1, 1.0)])
    file.write_bytes(file.read_bytes().replace(b'"schema":1', b'"schema":99'))
    assert read(file) == history.History(entries=(), skipped=(1,))


def test_a_step_is_found_and_named(file: Path) -> None:
    dice = np.random.default_rng(1)
    values = [*dice.normal(1.0, 0.02, 30), *dice.normal(1.2, 0.02, 30)]
    time, cpu = trends_of(file, months(values))
    (change,) = time.changes
    assert change.index == pytest.approx(30, abs=1)
    assert change.change == pytest.approx(0.2, abs=0.02)
    assert time.finding(change) == "regressed"
    lines = table([time, cpu]).splitlines()
    assert lines[0] == "micro embed"
    assert lines[1].split() == ["figure", "revisions", "latest", "changes", "of", "level"]
    assert f"regressed {100 * change.change:+.1f} % at r{change.index} (2026-01-01)" in lines[2]


def test_a_slower_machine_is_no_slower_code(file: Path) -> None:
    dice = np.random.default_rng(1)
    speed = [0.01] * 30 + [0.013] * 30
    values = [100 * canary * float(dice.normal(1.0, 0.02)) for canary in speed]
    time, _ = trends_of(file, months(values, speed))
    assert time.changes == ()
    assert [point.value for point in time.points[:3]] == pytest.approx([v * 1.15 for v in values[:3]])


def test_times_that_wait_are_taken_as_they_are(file: Path) -> None:
    days = [report(response=response(0.1), canary=0.01 + i / 1000, started=f"2026-01-01T{i:04}") for i in range(20)]
    (trend,) = trends_of(file, days)
    assert {point.value for point in trend.points} == {0.1}


def test_counts_change_whenever_they_differ(file: Path) -> None:
    costs = [COST, COST, replace(COST, calls=40.0), replace(COST, calls=40.0, timers=2.0)]
    days = [report(cost=cost, started=f"2026-01-01T{i:04}") for i, cost in enumerate(costs)]
    found = {trend.metric: [(c.index, c.change) for c in trend.changes] for trend in trends_of(file, days)}
    assert found == {
        "tasks": [],
        "callbacks": [],
        "timers": [(3, 1.0)],
        "threads": [],
        "calls": [(2, pytest.approx(-1 / 41))],
    }
    assert "improved -2.4 % at abc123" in table(trends(read(file).entries))


def test_each_kind_of_machine_has_its_own_trend(file: Path) -> None:
    there = replace(day(2, 50.0), environment=replace(HERE, machine="there"))
    assert [len(trend.points) for trend in trends_of(file, [day(1, 1.0), there, day(3, 1.0)])] == [2, 2, 1, 1]


def test_percentiles_among_failed_requests_leave_a_gap(file: Path) -> None:
    days = [
        replace(report(response=response(p99), started=f"2026-01-01T{i}"), environment=replace(HERE, revision=f"r{i}"))
        for i, p99 in enumerate([0.1, None, 0.1])
    ]
    assert [len(trend.points) for trend in trends_of(file, days)] == [2]


def test_nothing_is_an_empty_table() -> None:
    assert table([]) == ""


def test_columns_of_the_table_are_aligned(file: Path) -> None:
    lines = table(trends_of(file, [day(1, 1.0), report(cost=COST)])).splitlines()
    assert [line for line in lines if "  " not in line] == ["micro embed", "", "cost embed"]
    starts = [lines[1].index(heading) for heading in ("figure", "revisions", "latest", "changes of level")]
    for line in lines:
        assert "  " not in line or all(line[start - 1] == " " and line[start] != " " for start in starts[1:])


def test_too_few_revisions_are_reported_and_without_a_change_there_is_a_dash(file: Path) -> None:
    (line, _) = table(trends_of(file, [day(1, 1.0), day(2, 1.0)])).splitlines()[2:]
    assert line.split("  ")[-1] == f"needs {2 * MIN_SEGMENT} revisions"
    assert "1.00 s" in line
    (line, _) = table(trends_of(file, [day(i, 1.0) for i in range(3, 2 * MIN_SEGMENT + 1)])).splitlines()[2:]
    assert line.endswith("-")


def test_a_revision_is_one_point_but_for_changes_that_are_not_committed(file: Path) -> None:
    days = [day(1, 1.0), day(1, 9.0), day(1, 2.0), day(2, 5.0)]
    dirty = [replace(each, environment=replace(each.environment, dirty=True)) for each in days[:2]]
    time, _ = trends_of(file, [*days, *dirty])
    assert [(point.name, point.value) for point in time.points] == [
        ("r1", 2.0),
        ("r1 with changes", 1.0),
        ("r1 with changes", 9.0),
        ("r2", 5.0),
    ]


def test_an_entry_is_on_the_disk_before_it_is_reported(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    synced: list[bytes] = []
    monkeypatch.setattr(os, "fsync", lambda _: synced.append(file.read_bytes()))
    append(file, [day(1, 1.0)])
    append(file, [day(2, 2.0), day(3, 3.0)])
    assert [len(content.splitlines()) for content in synced] == [1, 3]
    assert synced[-1] == file.read_bytes()


@pytest.mark.parametrize(("change", "found"), [(0.02, 0), (0.045, 1)])
def test_levels_that_differ_by_three_percent_are_news(file: Path, change: float, found: int) -> None:
    values = [1 + 0.001 * (i % 3) for i in range(20)]
    time, cpu = trends_of(file, months([*values, *((1 + change) * value for value in values)]))
    assert (len(time.changes), len(cpu.changes)) == (found, found)


def test_less_of_a_rate_is_a_regression_and_less_of_a_time_is_none(file: Path) -> None:
    change = ChangePoint(index=1, before=2.0, after=1.0, change=-0.5)
    time = trends_of(file, [day(1, 1.0)])[0]
    assert [replace(time, more_is_better=better).finding(change) for better in (True, False)] == [
        "regressed",
        "improved",
    ]
    more = replace(change, change=0.5)
    assert [replace(time, more_is_better=better).finding(more) for better in (True, False)] == ["improved", "regressed"]


def test_a_trend_is_of_one_benchmark_in_one_setting(file: Path) -> None:
    first = day(1, 1.0)
    others = [
        replace(first, name="other"),
        replace(first, parameters={"n": 2}),
        replace(first, environment=replace(HERE, python="CPython 3.12.1")),
        replace(first, environment=replace(HERE, loop="asyncio")),
        replace(first, mode="scaling"),
    ]
    assert [len(trend.points) for trend in trends_of(file, [first, *others])] == [1] * 12


def test_points_are_in_the_order_of_their_days(file: Path) -> None:
    time, _ = trends_of(file, [day(3, 3.0), day(1, 1.0), day(2, 2.0)])
    assert [(point.revision, point.value) for point in time.points] == [("r1", 1.0), ("r2", 2.0), ("r3", 3.0)]


def test_a_revision_is_shortened_but_not_its_changes(file: Path) -> None:
    costs = [replace(COST, calls=calls) for calls in (40.0, 50.0)]
    days = [report(cost=cost, started=f"2026-01-0{i}T00") for i, cost in enumerate(costs, 1)]
    long = replace(HERE, revision="0123456789ab", dirty=True)
    found = trends_of(file, [days[0], replace(days[1], environment=long)])
    assert "at 0123456 with changes (2026-01-02)" in table(found)


def test_the_table_word_for_word(file: Path) -> None:
    costs = [COST, replace(COST, calls=40.0), replace(COST, calls=50.0)]
    days = [report(cost=cost, started=f"2026-01-0{i}T00") for i, cost in enumerate(costs, 1)]
    lines = table([trend for trend in trends_of(file, days) if trend.metric in {"tasks", "calls"}]).splitlines()
    assert lines == [
        "cost embed",
        "figure  revisions  latest  changes of level",
        "tasks   3          1       -",
        "calls   3          50      regressed +25.0 % at abc123 (2026-01-03); improved -2.4 % at abc123 (2026-01-02)",
    ]


def test_numbers_of_lines_begin_with_one_and_blank_ones_count(file: Path) -> None:
    append(file, [day(1, 1.0)])
    file.write_bytes(b"\n" + file.read_bytes() + b"[" * 100_000 + b"\n" + b'{"schema":' + b"9" * 5000 + b"}\n")
    assert (len(read(file).entries), read(file).skipped) == (1, (1, 3, 4))
