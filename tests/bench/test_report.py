"""Every format shows every report: figures measured, figures missing, and names that try to be markup."""

from __future__ import annotations

import base64
import hashlib
import json
import re
from dataclasses import replace
from html.parser import HTMLParser
from io import StringIO
from typing import TYPE_CHECKING
from xml.etree import ElementTree as ET

import pytest
from rich.console import Console

from aembed.bench import units
from aembed.bench.compare.changes import Change, Comparison
from aembed.bench.compare.history import StoredReport, trends
from aembed.bench.compare.metrics import Metric
from aembed.bench.model.estimates import Estimate, Percentile
from aembed.bench.model.result import Mode, Report
from aembed.bench.report import (
    charts,
    github_annotations,
    headlines,
    html,
    junit,
    sections,
    shapes,
    show,
    step_summary,
    svg,
)
from tests.bench.samples import HOSTILE, invalid, samples

if TYPE_CHECKING:
    from matplotlib.axes import Axes

MODES: tuple[Mode, ...] = ("open", "closed", "burst", "sustained", "steps", "scaling", "micro", "memory", "cost")
VOID = {"meta", "path", "use", "rect", "br"}


def shown(*reports: Report, comparison: Comparison | None = None, width: int = 200) -> str:
    file = StringIO()
    show(Console(file=file, width=width), reports, comparison)
    return file.getvalue()


def compared() -> Comparison:
    slower = Change(
        name=HOSTILE,
        parameters={"n": 1},
        metric="time",
        unit="s",
        before=1e-3,
        after=1.2e-3,
        change=Estimate(value=0.2, low=0.18, high=0.22),
        finding="regressed",
        pairs=6,
        detectable=0.03,
    )
    open_one = Change(
        name="unclear",
        parameters={},
        metric="response p99",
        unit="s",
        before=None,
        after=2.0,
        change=None,
        finding="inconclusive",
        note="requests failed",
    )
    return Comparison(before="main", after="mine", changes=(slower, open_one), unjudged=(f"{HOSTILE}: too few",))


class Page(HTMLParser):
    """Checks that elements nest, and collects what a reader and a browser see."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.tags: list[str] = []
        self.links: list[str] = []
        self.text = ""
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.links += [value or "" for name, value in attrs if name in {"src", "href", "xlink:href", "srcset"}]
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.handle_starttag(tag, attrs)
        if tag not in VOID:
            self.open.pop()

    def handle_endtag(self, tag: str) -> None:
        if tag not in VOID:
            assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.text += data


def test_samples_cover_every_mode() -> None:
    assert set(samples()) == set(MODES)


@pytest.mark.parametrize("mode", MODES)
def test_terminal_and_page_and_summary_say_the_same(mode: Mode) -> None:
    report = samples()[mode]
    cells = [cell for table in sections.tables(report) for row in table.rows for cell in row if cell]
    assert cells
    page, text, summary = Page(html([report])), shown(report, width=400), step_summary([report])
    for cell in cells:
        assert cell in page.text
        assert cell.strip() in text
    assert headlines.headline(report) in page.text
    assert headlines.verdict(report) in text
    assert summary.count("| ") > len(cells) / 2


@pytest.mark.parametrize("mode", MODES)
def test_page_needs_nothing_from_elsewhere(mode: Mode) -> None:
    text = html([samples()[mode]])
    page = Page(text)
    assert page.open == []
    assert page.tags.count("script") == 2, "the data of the charts, and what draws them"
    (allowed,) = re.findall(r"script-src 'sha256-([^']+)'", text)
    (script,) = re.findall(r"<script>(.*?)</script>", text, re.DOTALL)
    assert base64.b64decode(allowed) == hashlib.sha256(script.encode()).digest()
    assert "default-src 'none'" in text
    assert all(link.startswith("#") for link in page.links)
    assert not re.search(r"url\((?!#)|@import", text)


@pytest.mark.parametrize("mode", [mode for mode in MODES if mode not in {"memory", "cost"}])
def test_charts_are_described_in_words_and_follow_the_colour_scheme(mode: Mode) -> None:
    drawn = charts.charts(samples()[mode])
    assert drawn
    for chart in drawn:
        assert chart.label.startswith(chart.title)
        assert chart.svg.count("<path") + chart.svg.count("<rect") > 3
        assert "var(--one)" in chart.svg or "var(--two)" in chart.svg
        assert "#01010" not in chart.svg


def test_burst_shows_spike_and_recovery() -> None:
    (rates,) = [chart for chart in charts.charts(samples()["burst"]) if chart.title == "Rates"]
    assert "spike" in rates.svg
    assert "recovered" in rates.svg


@pytest.mark.parametrize(
    ("recovery", "recovery_unknown", "said"),
    [
        (1.25, None, "after 1.25 s"),
        (0.0, None, "none needed, no degradation was seen"),
        (None, None, "not within the run"),
        (None, "too few", "INCONCLUSIVE"),
    ],
)
def test_recovery_is_a_number_only_where_it_is_one(
    recovery: float | None, recovery_unknown: str | None, said: str
) -> None:
    burst = samples()["burst"].burst
    assert burst is not None
    assert shapes.recovery(replace(burst, recovery=recovery, recovery_unknown=recovery_unknown)) == said


def test_invalid_cannot_be_overlooked() -> None:
    report = invalid()
    assert headlines.headline(report).startswith("no number")
    assert all(table.title.startswith("INVALID") for table in sections.tables(report))
    lines = shown(report).strip().splitlines()
    assert lines[1] == "INVALID"
    assert any("38,000/s" in line for line in lines)
    assert "INVALID" in Page(html([report])).text
    assert 'type="invalid"' in junit([report]).decode()
    assert github_annotations([report]).startswith("::warning title=")
    assert "INVALID" in step_summary([report])


def test_names_and_messages_are_never_markup() -> None:
    report, changes = samples()["open"], compared()
    text = html([report], comparison=changes)
    page = Page(text)
    assert page.tags.count("script") == 2
    assert 'alert("x")' in page.text
    (data,) = re.findall(r'<script type="application/json" id="plots">(.*?)</script>', text, re.DOTALL)
    assert "<" not in data
    assert [plot["chart"] for plot in json.loads(data)]
    assert "\x1b" not in shown(report, comparison=changes)
    assert "<script" not in step_summary([report], changes)
    lines = github_annotations([report], changes).splitlines()
    assert len(lines) == 3
    assert all(line.startswith(("::error title=", "::warning title=")) for line in lines)


def test_names_and_messages_control_nothing() -> None:
    """A hostile report, in every format that a service or a terminal reads."""
    report, changes = samples()["open"], compared()
    said = "::set-output name=a::b ##[add-path]/tmp [a](http://x) ![b](http://y) `c` \x9b2J \u202e"
    verdict = replace(report.verdict, reasons=(said,), state="invalid")
    report = replace(report, name=said, notes=(said,), verdict=verdict)
    texts = [
        shown(report, comparison=changes),
        Page(html([report], comparison=changes)).text,
        junit([report], changes).decode(),
        github_annotations([report], changes),
        step_summary([report], changes),
    ]
    for text in texts:
        assert not re.search(r"(?m)(?<!\S)::set-output|##\[", text)
        assert not {"\x9b", "\u202e"} & set(text)
    assert not re.search(r"\]\(|`", texts[-1])


def test_junit_counts_failures_and_errors() -> None:
    suite = ET.fromstring(junit([samples()["micro"], invalid()], compared()))  # noqa: S314 (our own)
    assert (suite.get("tests"), suite.get("failures"), suite.get("errors")) == ("4", "1", "2")
    assert [case.find("failure") is not None for case in suite] == [False, False, True, False]


def test_comparison_shows_intervals_and_unjudged_figures() -> None:
    page, text = Page(html(comparison=compared())), shown(comparison=compared())
    for said in ("+20.0 % (+18.0 to +22.0 %)", "REGRESSED", "would see +3.0 %", units.BEYOND, "too few"):
        assert said in page.text
        assert said in re.sub(r"\s+", " ", text) or said in text
    assert "svg" in page.tags


def test_trends_are_drawn_with_their_changes_of_level() -> None:
    values = [*(1.0 + 0.001 * (i % 3) for i in range(20)), *(1.2 + 0.001 * (i % 3) for i in range(20))]
    entries = [
        StoredReport(
            started=f"2026-01-{i // 24 + 1:02}T{i % 24:02}:00:00+00:00",
            revision=f"{i:07x}",
            dirty=False,
            machine="m",
            python="3.11.7",
            loop="uvloop",
            mode="micro",
            name="query",
            parameters={},
            canary=0.01,
            figures=(Metric(metric="time", unit="s", nature="computing", value=Estimate(value=value)),),
        )
        for i, value in enumerate(values)
    ]
    found = trends(entries)
    assert len(found[0].changes) == 1
    page = Page(html(trends=found))
    assert "query(): time" in page.text or "query: time" in page.text


def test_interrupted_runs_say_so() -> None:
    from dataclasses import replace

    report = replace(samples()["closed"], interrupted=True)
    assert "interrupted" in headlines.verdict(report)
    assert "interrupted: these are the results until then" in shown(report)


@pytest.mark.parametrize(
    ("value", "text"),
    [(0, "0 s"), (3.2e-9, "3.20 ns"), (0.000_045_6, "45.6 µs"), (0.012, "12.0 ms"), (1, "1.00 s"), (123.4, "123 s")],
)
def test_times_have_three_digits_and_a_unit(value: float, text: str) -> None:
    assert units.seconds(value) == text


@pytest.mark.parametrize(("value", "text"), [(9.0, "9.00 B"), (27_544, "27.5 kB"), (1.5e9, "1.50 GB")])
def test_sizes(value: float, text: str) -> None:
    assert units.size(value) == text


def test_missing_figures_are_named() -> None:
    assert units.estimate(None, units.seconds) == units.NOT_MEASURED
    assert units.estimate(Estimate(value=1.0), units.seconds) == "1.00 s (no interval)"
    assert units.percentile(Percentile(q=0.99, value=None)) == units.BEYOND
    assert units.percentile(Percentile(q=0.99, value=0.1, low=0.09)) == "100 ms (90.0 ms to beyond)"


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


@pytest.mark.parametrize("names", [1, 4, 6])
def test_the_legend_is_above_the_lines(names: int) -> None:
    drawn = []

    def draw(axes: Axes) -> None:
        drawn.append(axes)
        for number in range(names):
            axes.plot([0, 1], [number, number], label=f"line {number}")

    svg.draw_chart("Chart", "lines", draw)
    (axes,) = drawn
    legend = axes.get_legend()
    assert legend is not None
    assert legend.get_window_extent().y0 >= axes.get_window_extent().y1
    assert legend.get_window_extent().y1 <= axes.figure.bbox.y1
    assert legend.get_window_extent().x1 <= axes.figure.bbox.x1


@pytest.mark.parametrize(
    ("steady", "said"), [(True, "steady:"), (False, "it drifts:"), (None, "too uncertain to say:")]
)
def test_a_drift_is_described_in_words(steady: bool | None, said: str) -> None:
    report = samples()["sustained"]
    assert report.drift is not None
    changed = replace(report, drift=replace(report.drift, steady=steady))
    assert any(table.note.startswith(said) for table in sections.tables(changed))


def test_the_verdict_of_a_report_is_before_and_after_its_tables() -> None:
    lines = shown(samples()["sustained"]).strip().splitlines()
    assert lines[1] == "measured; INCONCLUSIVE"
    assert lines.count("measured; INCONCLUSIVE") == 1


def test_several_reports_have_an_overview_and_one_has_none() -> None:
    one, two = samples()["micro"], samples()["cost"]
    assert "Results" not in Page(html([one])).text
    assert "Results" not in shown(one)
    both = Page(html([one, two])).text
    assert both.index("Results") < both.index("Time per operation")
    assert shown(one, two).index("Results") > shown(one, two).index("Time per operation")


def test_a_failed_report_begins_with_the_failure() -> None:
    report = samples()["open"]
    assert report.verdict.state == "failed"
    assert [table.title for table in sections.tables(report)][:3] == [
        "Requests",
        "Failures",
        "Latency (95 % intervals)",
    ]
    assert headlines.headline(report) == report.verdict.reasons[0]
    assert junit([report]).count(b'type="failed"') == 1
    assert b'failures="1" errors="0"' in junit([report])
    assert github_annotations([report]).startswith("::error title=")


def test_an_interrupted_report_is_not_ok_for_ci() -> None:
    report = replace(samples()["closed"], interrupted=True)
    assert b'failures="0" errors="1"' in junit([report])
    assert github_annotations([report]).startswith("::warning title=")


def test_ci_gets_the_reasons() -> None:
    report = samples()["open"]
    assert "::2,374 of 2,400 requests were good" in github_annotations([report])
    silent = replace(report, verdict=replace(report.verdict, reasons=()))
    assert github_annotations([silent]).endswith("::no reason given\n")


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
