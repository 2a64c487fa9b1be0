"""Every format shows every report: figures measured, figures missing, and names that try to be markup."""

from __future__ import annotations

import base64
import hashlib
import json
import re
from dataclasses import replace

import pytest

from aembed.bench import units
from aembed.bench.model.result import Mode
from aembed.bench.report import (
    github_annotations,
    headlines,
    html,
    junit,
    sections,
    step_summary,
)
from tests.bench.samples import MODES, invalid, samples
from tests.bench.shown import Page, compared, shown


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


def test_invalid_cannot_be_overlooked() -> None:
    report = invalid()
    assert headlines.headline(report).startswith("no number")
    assert all(table.heading.startswith("INVALID: ") for table in sections.tables(report))
    lines = shown(report).strip().splitlines()
    assert lines[1] == "INVALID"
    assert "INVALID: Requests" in lines, "in a pipe nothing is grey"
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


def test_comparison_shows_intervals_and_unjudged_figures() -> None:
    page, text = Page(html(comparison=compared())), shown(comparison=compared())
    for said in ("+20.0 % (+18.0 to +22.0 %)", "REGRESSED", "would see +3.0 %", units.BEYOND, "too few"):
        assert said in page.text
        assert said in re.sub(r"\s+", " ", text) or said in text
    assert "svg" in page.tags


@pytest.mark.parametrize(
    ("steady", "said"), [(True, "steady:"), (False, "it drifts:"), (None, "too uncertain to say whether it is within")]
)
def test_a_drift_is_described_in_words(steady: bool | None, said: str) -> None:
    report = samples()["sustained"]
    assert report.drift is not None
    changed = replace(report, drift=replace(report.drift, steady=steady))
    assert any(table.note.startswith(said) for table in sections.tables(changed))


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
