"""Reports on a terminal: verdicts, notes, and tables that keep together at eighty columns."""

from __future__ import annotations

import re
from dataclasses import replace

import pytest

from aembed.bench import units
from aembed.bench.compare.changes import Change, Comparison
from aembed.bench.model.estimates import Estimate
from aembed.bench.model.result import Mode
from aembed.bench.model.work import Work
from aembed.bench.report import (
    console,
    headlines,
    sections,
    tables,
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


def test_figures_between_words_are_not_parted() -> None:
    """A comparison of one benchmark has no column of names, and only its finding is on several lines."""
    change = Change(
        name="get_user",
        parameters={"data": "1..1000"},
        metric="response p99",
        unit="s",
        before=0.0294,
        after=0.0294,
        change=Estimate(value=0.0, low=-0.23, high=0.298),
        finding="inconclusive",
        note="these runs are too short to show less than +29.8 %: measure longer",
    )
    found = Comparison(before="main.json", after="mine.json", changes=(change,), unjudged=())
    text = shown(comparison=found, width=80)
    assert max(map(len, text.splitlines())) <= 80
    assert "Comparison: get_user(data=1..1000)" in text
    assert all(part in text for part in ("response p99", "29.4 ms", "(-23.0 to +29.8 %)", "INCONCLUSIVE"))
    one, other = (replace(change, name=name, finding="same", note="") for name in ("get_user", "get_item"))
    several = shown(comparison=replace(found, changes=(one, other)), width=80)
    assert all(part in several for part in ("response p99", "29.4 ms", "(-23.0 to +29.8 %)", "same"))


def test_a_model_is_named_once() -> None:
    described = Work(
        model="openai:small, 3 dimensions",
        server="127.0.0.1:8000",
        source="lines.txt",
        texts=10,
        texts_rate=1.0,
        tokens=10,
        tokens_rate=1.0,
        tokens_from="provider",
        bytes=10,
        bytes_rate=1.0,
        sent=10,
        retries=0,
        cache_hits=0,
        shared=0,
        merged=0,
        repeated=0,
        lengths=None,
        price=None,
        cost=None,
    )
    made = replace(
        samples()["open"],
        name="embed_query",
        parameters={"model": "openai:small", "base_url": "http://127.0.0.1:8000/v1", "texts": "lines.txt"},
        work=described,
    )
    assert headlines.title(made) == (
        "open loop: embed_query(texts=lines.txt), openai:small, 3 dimensions, at 127.0.0.1:8000, no cache"
    )
    profile = replace(made, parameters={"model": "search"})
    assert headlines.title(profile).startswith("open loop: embed_query(model=search), openai:small, 3 dimensions")


def test_the_verdict_of_a_report_is_before_and_after_its_tables() -> None:
    report = samples()["sustained"]
    lines = shown(report).strip().splitlines()
    assert lines[:3] == [headlines.title(report), "measured; INCONCLUSIVE", headlines.headline(report)]
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


def test_a_table_fits_if_its_columns_and_the_gaps_between_them_do() -> None:
    made = tables.table("", ("ab", "c"), ("d", "efg"))
    assert (console._fits(made, 7), console._fits(made, 6)) == (True, False)


@pytest.mark.parametrize(("width", "spared"), [(22 + 5 + 2 + 3 + 2, True), (22 + 5 + 2 + 3 + 1, False)])
def test_words_have_22_characters_beside_the_widest_lines_of_the_figures(width: int, spared: bool) -> None:
    rows = [("name", "12345\n1", "1", "words"), ("other", "1", "123", "more words")]
    assert console._spares_words(rows, width) is spared


def test_an_interval_is_on_a_line_of_its_own_and_a_name_is_left_alone() -> None:
    assert console._on_two_lines([("a (b)", "1 (2) (3)", "4")]) == [("a (b)", "1\n(2) (3)", "4")]
