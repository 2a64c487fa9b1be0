"""Reports on a terminal: verdicts, notes, and tables that keep together at eighty columns."""

from __future__ import annotations

import re
from dataclasses import replace

import pytest

from aembed.bench import units
from aembed.bench.model.result import Mode
from aembed.bench.report import (
    headlines,
    sections,
)
from tests.bench.samples import MODES, samples
from tests.bench.shown import shown


def test_interrupted_runs_say_so() -> None:
    from dataclasses import replace

    report = replace(samples()["closed"], interrupted=True)
    assert "interrupted" in headlines.verdict(report)
    assert "interrupted: these are the results until then" in shown(report)


@pytest.mark.parametrize("mode", MODES)
def test_at_80_columns_no_interval_is_parted_and_no_unit_alone(mode: Mode) -> None:
    report = samples()[mode]
    if report.lag is not None:  # as on a real loop, where lag takes as much room as the others
        report = replace(report, lag=report.response, service=report.response)
    text = shown(report, width=80)
    assert max(map(len, text.splitlines())) <= 80
    intervals = re.findall(
        r"\([^()]+ to [^()]+\)", " ".join(c for t in sections.tables(report) for r in t.rows for c in r)
    )
    assert all(interval in text for interval in intervals)
    assert not re.search(r"^ *(s|ms|µs|ns|/s|kB|MB|%)( |$)", text, re.MULTILINE)


def test_an_interval_is_next_to_its_value_if_there_is_room() -> None:
    report = samples()["micro"]
    assert report.micro is not None
    assert units.estimate(report.micro.wall, units.seconds) in shown(report, width=80)


def test_the_verdict_of_a_report_is_before_and_after_its_tables() -> None:
    lines = shown(samples()["sustained"]).strip().splitlines()
    assert lines[1] == "measured; INCONCLUSIVE"
    assert lines.count("measured; INCONCLUSIVE") == 1


def test_a_stall_is_shown_with_its_line_if_there_is_one() -> None:
    report = samples()["open"]
    (stall,) = report.stalls
    assert "handler.py:12 in reply" in shown(report)
    (row,) = next(
        table
        for table in sections.tables(replace(report, stalls=(replace(stall, line=None),)))
        if "Stalls" in table.title
    ).rows
    assert row == ("7.25 s", "310 ms", "your code blocked", "")
