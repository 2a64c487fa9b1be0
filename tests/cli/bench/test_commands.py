"""The commands of ``aembed bench`` as a user meets them, in assertions that hold on any machine."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from aembed.bench import reports_from_json
from tests.cli.bench.command import SHORT, aembed


def test_load_reports_everywhere(place: Path) -> None:
    done = aembed(
        *("load", "--model", "mock", "--query", "--rate", "50", "--duration", "300ms", "--github"),
        *("--json", "o.json", "--html", "o.html", "--junit", "o.xml"),
        cwd=place,
        GITHUB_STEP_SUMMARY=str(place / "summary.md"),
    )
    (report,) = reports_from_json((place / "o.json").read_bytes())
    assert done.returncode == report.verdict.exit_code
    assert report.mode == "open"
    assert report.traffic is not None
    assert report.traffic.offered == 15
    assert done.stdout.startswith("\nopen loop: embed_query(model=mock)")
    assert done.stderr == ""
    assert (place / "o.html").read_text(encoding="utf-8").lstrip().startswith("<!doctype html>")
    assert b"<testsuite" in (place / "o.xml").read_bytes()
    assert "embed_query" in (place / "summary.md").read_text(encoding="utf-8")


@pytest.mark.parametrize(
    ("arguments", "mode"),
    [
        (("users", "--users", "3", "--think", "1ms", "--duration", "200ms"), "closed"),
        (("burst", "--base", "20", "--spike", "100", "--spike-for", "100ms", "--duration", "1s"), "burst"),
        (("steps", "--start", "50", "--highest", "100", "--step-for", "200ms", "--slo", "p90=10s"), "steps"),
    ],
)
def test_other_loads(place: Path, arguments: tuple[str, ...], mode: str) -> None:
    done = aembed(*arguments, "--scenario", "subjects.py:turns", "--json", "o.json", "--loop", "asyncio", cwd=place)
    reports = reports_from_json((place / "o.json").read_bytes())
    assert {report.mode for report in reports} == {mode}
    assert [report.parameters for report in reports] == [{"turns": 1}, {"turns": 2}]
    assert done.returncode == max(report.verdict.exit_code for report in reports)
    assert all("asyncio" in report.environment.loop for report in reports)


def test_cost_is_counted_for_every_case(place: Path) -> None:
    done = aembed("cost", "--scenario", "subjects.py:turns", "--json", "o.json", cwd=place)
    assert done.returncode == 0
    costs = [report.cost for report in reports_from_json((place / "o.json").read_bytes())]
    assert [cost and (cost.exact, cost.tasks) for cost in costs] == [(True, 0.0), (True, 0.0)]


@pytest.mark.parametrize("command", [*SHORT, "micro", "memory", "cost"])
def test_a_subject_that_fails_fails_every_command(place: Path, command: str) -> None:
    """Case 125."""
    done = aembed(command, "--scenario", "subjects.py:fails", *SHORT.get(command, ()), "--json", "o.json", cwd=place)
    assert done.returncode == 1
    assert "\nmeasured; objective BROKEN\n" in done.stdout
    assert "LookupError" in done.stdout
    (report,) = reports_from_json((place / "o.json").read_bytes())
    assert report.verdict.state == "failed"
    if report.traffic is not None:
        offered = report.traffic.offered
        assert (report.traffic.failed, report.traffic.failures[0].kind) == (offered, "LookupError")
        assert f"0 of {offered} requests were good (0 %, at least 99 % must be): {offered} LookupError" in done.stdout


def test_the_share_that_must_be_good_can_be_set(place: Path) -> None:
    arguments = ("load", "--scenario", "subjects.py:fails", *SHORT["load"], "--min-good")
    assert "at least 50 % must be" in aembed(*arguments, "50%", cwd=place).stdout
    assert "BROKEN" not in aembed(*arguments, "0", cwd=place).stdout


def test_objectives_are_judged_everywhere(place: Path) -> None:
    (place / "slo.toml").write_text('errors = "50%"\n[load]\np95 = "10s"\n')
    done = aembed(
        *("load", "--scenario", "subjects.py:fails", "--rate", "100", "--duration", "300ms"),
        *("--slo", "slo.toml", "--json", "o.json", "--junit", "o.xml", "--github"),
        cwd=place,
    )
    (report,) = reports_from_json((place / "o.json").read_bytes())
    assert (done.returncode, report.verdict.state) == (1, "failed")
    assert {judgement.goal.metric: judgement.state for judgement in report.objectives}["errors"] == "broken"
    assert "errors at most 50.0 %" in done.stdout
    assert "::error title=open loop%3A fails%2C errors at most 50.0 %25%3A over budget::errors: 100 %25" in done.stdout
    assert b'name="open loop: fails, errors at most 50.0 %"' in (place / "o.xml").read_bytes()


def test_sides_take_turns(place: Path) -> None:
    done = aembed(
        *("versus", "subjects.py:quick", "-m", "mock", "--rate", "50", "--duration", "600ms", "--block", "100ms"),
        *("--json", "o.json", "--loop", "asyncio", "--why"),
        cwd=place,
    )
    whole, *sides = reports_from_json((place / "o.json").read_bytes())
    assert whole.versus is not None
    assert whole.versus.rounds == 6
    assert [side.name for side in sides] == ["mock", "subjects.py:quick"]
    assert done.returncode == max(report.verdict.exit_code for report in (whole, *sides))
    assert "Side by side" in done.stdout
    breakdowns = [side.breakdown for side in sides]
    assert [None if found is None else found.requests for found in breakdowns] == [30, 30]


def test_all_schedules_and_limits_can_be_given(place: Path) -> None:
    (place / "times").write_text("0\n0.1\n0.15\n")
    arguments = ("--max-in-flight", "3", "--drain", "2s", "--json", "o.json")
    done = aembed("load", "subjects.py:quick", "--arrivals", "trace:times", *arguments, cwd=place)
    (report,) = reports_from_json((place / "o.json").read_bytes())
    assert done.returncode == report.verdict.exit_code
    assert report.pacing is not None
    assert report.pacing.arrivals == "trace(3 requests in 0.15 s)"
    assert report.traffic is not None
    assert report.traffic.offered == 3


@pytest.mark.skipif(sys.platform != "linux", reason="processes end with their parent")
@pytest.mark.parametrize("command", ["burst", "sustained", "steps"])
def test_every_load_can_be_offered_by_several_processes(place: Path, command: str) -> None:
    done = aembed(command, "subjects.py:quick", *SHORT[command], "--processes", "2", "--json", "o.json", cwd=place)
    (report,) = reports_from_json((place / "o.json").read_bytes())
    assert done.returncode == report.verdict.exit_code
    assert len(report.processes) == 2
    assert report.traffic is not None
    assert report.traffic.ok == report.traffic.offered > 0
    assert sum(share.offered for share in report.processes) == report.traffic.offered
    assert "Processes" in done.stdout


def test_any_async_def_is_named_directly(place: Path) -> None:
    arguments = (
        "load",
        "subjects.py:user",
        "--data",
        "1..9",
        "--rate",
        "50",
        "--duration",
        "300ms",
        "--json",
        "o.json",
    )
    done = aembed(*arguments, cwd=place)
    (report,) = reports_from_json((place / "o.json").read_bytes())
    assert done.returncode == report.verdict.exit_code
    assert (report.name, report.parameters) == ("user", {"data": "1..9"})
