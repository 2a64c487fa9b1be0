"""Reports for continuous integration: JUnit, annotations and summaries."""

from __future__ import annotations

from dataclasses import replace
from xml.etree import ElementTree as ET

from aembed.bench.report import (
    github_annotations,
    headlines,
    junit,
    step_summary,
)
from tests.bench.samples import invalid, samples
from tests.bench.shown import compared


def test_junit_counts_failures_and_errors() -> None:
    suite = ET.fromstring(junit([samples()["micro"], invalid()], compared()))  # noqa: S314 (our own)
    assert (suite.get("tests"), suite.get("failures"), suite.get("errors")) == ("4", "1", "2")
    assert [case.find("failure") is not None for case in suite] == [False, False, True, False]


def test_an_interrupted_report_is_not_ok_for_ci() -> None:
    report = replace(samples()["closed"], interrupted=True)
    assert b'failures="0" errors="1"' in junit([report])
    assert github_annotations([report]).startswith("::warning title=")


def test_ci_gets_the_reasons() -> None:
    report = samples()["open"]
    assert "::2,374 of 2,400 requests were good" in github_annotations([report])
    silent = replace(report, verdict=replace(report.verdict, reasons=()))
    assert github_annotations([silent]).endswith("::no reason given\n")


def test_a_summary_has_the_tables_of_each_report_below_its_title() -> None:
    reports = [samples()["micro"], samples()["cost"]]
    summary = step_summary(reports)
    overview, *parts = summary.split("<details>")
    assert [part.partition("</summary>")[0] for part in parts] == [
        f"<summary>{headlines.title(report)}" for report in reports
    ]
    assert "#### Results" in overview
    assert ["#### Time per operation" in part for part in parts] == [True, False]
    assert all(part.rstrip().endswith("</details>") for part in parts)
