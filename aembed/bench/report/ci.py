"""Reports for CI: JUnit XML, and what GitHub Actions reads from the log and from its summary file."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from xml.etree import ElementTree as ET

from aembed.bench import slo
from aembed.bench.compare.changes import Comparison
from aembed.bench.model.objectives import ObjectiveState
from aembed.bench.model.result import Report, State
from aembed.bench.report import compared, headlines, sections
from aembed.bench.report.tables import Table, printable

ENTITIES = {"&": "&amp;", "<": "&lt;", ">": "&gt;", **{letter: f"&#{ord(letter)};" for letter in "|[]`\\"}}

CheckResult = tuple[str, State, str]
"""A name, its outcome, and the reason."""
OBJECTIVES: dict[ObjectiveState, State] = {
    "kept": "ok",
    "broken": "over budget",
    "inconclusive": "inconclusive",
    "not judged": "invalid",
}
BAD: frozenset[State] = frozenset({"failed", "regressed", "over budget"})
"""Not only unknown."""


def junit(reports: Sequence[Report], comparison: Comparison | None = None) -> bytes:
    """A test case for each report, objective and change: bad is a failure, not measurable or undecided is an error."""
    suite = ET.Element("testsuite", name="aembed bench")
    tally = dict.fromkeys(("tests", "failures", "errors"), 0)
    seconds = {headlines.title(report): report.seconds for report in reports}
    for name, state, reason in _outcomes(reports, comparison):
        case = ET.SubElement(suite, "testcase", classname="aembed.bench", name=printable(name))
        if name in seconds:
            case.set("time", f"{seconds[name]:.3f}")
        tally["tests"] += 1
        if state in BAD:
            tally["failures"] += 1
            ET.SubElement(case, "failure", message=printable(reason), type=state)
        elif state != "ok":
            tally["errors"] += 1
            ET.SubElement(case, "error", message=printable(reason), type=state)
    for name, number in tally.items():
        suite.set(name, str(number))
    ET.indent(suite)
    return bytes(ET.tostring(suite, encoding="utf-8", xml_declaration=True))


def github_annotations(reports: Sequence[Report], comparison: Comparison | None = None) -> str:
    """A workflow command for each outcome that is not ok: ``::error`` for bad, ``::warning`` for not measurable."""
    lines = []
    for name, state, reason in _outcomes(reports, comparison):
        if state == "ok":
            continue
        level = "error" if state in BAD else "warning"
        lines.append(f"::{level} title={_property(f'{name}: {state}')}::{_data(reason)}\n")
    return "".join(lines)


def step_summary(reports: Sequence[Report], comparison: Comparison | None = None) -> str:
    """Markdown for ``GITHUB_STEP_SUMMARY``."""
    text = [_markdown(headlines.overview(reports))] if reports else []
    if comparison is not None:
        text += [_markdown(table) for table in compared.comparison(comparison)]
    for report in reports:
        text.append(f"<details><summary>{_cell(headlines.title(report))}</summary>\n")
        text += [_markdown(table) for table in sections.tables(report)]
        text.append("</details>\n")
    return "\n".join(text)


def _outcomes(reports: Sequence[Report], comparison: Comparison | None) -> Iterator[CheckResult]:
    for report in reports:
        state = report.verdict.state
        if report.interrupted and state == "ok":
            state = "inconclusive"
        yield headlines.title(report), state, "; ".join(headlines.reasons(report)) or "no reason given"
        for judgement in report.objectives:
            name = f"{headlines.title(report)}, {slo.limit_of(judgement.goal)}"
            yield name, OBJECTIVES[judgement.state], slo.sentence(judgement)
    for change in comparison.changes if comparison else ():
        name, figure, before, after, by, _ = compared.change_row(change)
        state = "ok"
        if change.finding == "regressed" or change.finding == "inconclusive":  # noqa: PLR1714 (narrows the type)
            state = change.finding
        yield f"{name}, {figure}", state, f"{before} before, {after} after: {by}"


def _markdown(table: Table) -> str:
    lines = [table.columns, tuple("---" for _ in table.columns), *table.rows]
    rows = "\n".join("| " + " | ".join(map(_cell, line)) + " |" for line in lines)
    note = f"\n{_cell(table.note)}\n" if table.note else ""
    return f"#### {_cell(table.heading)}\n\n{rows}\n{note}"


def _cell(text: str) -> str:
    """Text in a table of Markdown: no column, markup, link, image or code."""
    return "".join(ENTITIES.get(letter, letter) for letter in printable(text))


def _data(text: str) -> str:
    return printable(text).replace("%", "%25")


def _property(text: str) -> str:
    return _data(text).replace(":", "%3A").replace(",", "%2C")
