"""``aembed bench`` as a user meets it. What is asserted holds on any machine, however busy it is."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

pytest.importorskip("typer", reason="needs the extra cli")
pytest.importorskip("scipy", reason="needs the extra bench")

import typer

from aembed.bench import reports_from_json, reports_to_json
from aembed.cli.bench.values import counts, objective, seconds
from tests.bench.samples import samples

COMMAND = [sys.executable, "-c", "from aembed.cli import main; main()", "bench"]
SUBJECTS = """
from anyio.lowlevel import checkpoint
from aembed import bench

@bench.scenario(turns=[1, 2])
async def turns(case):
    async def call():
        for _ in range(case.turns):
            await checkpoint()
    yield bench.Subject(call)

async def fails():
    raise LookupError("there is nothing")
"""


def aembed(*arguments: str, cwd: Path, **environment: str) -> subprocess.CompletedProcess[str]:
    done = subprocess.run(
        [*COMMAND, *arguments],
        cwd=cwd,
        env={**os.environ, "COLUMNS": "300", **environment},
        capture_output=True,
        text=True,
        check=False,
        timeout=300,
    )
    assert "Traceback" not in done.stderr
    return done


@pytest.fixture
def place(tmp_path: Path) -> Path:
    (tmp_path / "subjects.py").write_text(SUBJECTS)
    return tmp_path


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
        (("steps", "--start", "20", "--step-for", "200ms", "--slo", "p90=10s", "--model", "mock"), "steps"),
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


def test_a_subject_that_fails_is_counted_and_named(place: Path) -> None:
    aembed(
        "load", "--scenario", "subjects.py:fails", "--rate", "50", "--duration", "200ms", "--json", "o.json", cwd=place
    )
    (report,) = reports_from_json((place / "o.json").read_bytes())
    assert report.traffic is not None
    assert (report.traffic.offered, report.traffic.failed) == (10, 10)
    assert report.traffic.failures[0].kind == "LookupError"


def test_ctrl_c_ends_the_run_and_reports(place: Path) -> None:
    """Sent by the subject itself, at its first call."""
    (place / "stops.py").write_text(
        "import os, signal\n"
        "sent = []\n"
        "async def once():\n"
        "    if not sent:\n"
        "        sent.append(os.kill(os.getpid(), signal.SIGINT))\n"
    )
    arguments = ("load", "--scenario", "stops.py:once", "--rate", "20", "--duration", "1h", "--json", "o.json")
    if sys.platform == "win32":
        pytest.skip("Ctrl-C is another thing there")
    done = aembed(*arguments, cwd=place)
    (report,) = reports_from_json((place / "o.json").read_bytes())
    assert report.interrupted
    assert "ended early" in done.stdout
    assert signal.SIGINT not in {-done.returncode, done.returncode - 128}


@pytest.mark.skipif(sys.platform == "win32", reason="Ctrl-C is another thing there")
@pytest.mark.parametrize(
    ("command", "code", "said"),
    [
        ("micro", 3, "ended before the first process was measured"),
        ("memory", 130, "interrupted; nothing was measured"),
        ("cost", 130, "interrupted; nothing was measured"),
        ("ab", 3, "ended early, before its first pair of processes was measured"),
    ],
)
def test_ctrl_c_ends_what_fresh_processes_measure(place: Path, command: str, code: int, said: str) -> None:
    """Sent by the fresh process, whose own group does not get it."""
    (place / "stops.py").write_text(
        "import os, signal\nimport anyio\n"
        "async def stuck():\n"
        "    os.kill(os.getppid(), signal.SIGINT)\n"
        "    await anyio.sleep_forever()\n"
    )
    for git in (
        ("init", "-q"),
        ("-c", "user.name=a", "-c", "user.email=a@example.org", "commit", "-q", "--allow-empty", "-m", "a"),
    ):
        subprocess.run(["git", *git], cwd=place, check=True, capture_output=True)  # noqa: S607
    arguments = ("--base", "HEAD") if command == "ab" else ()
    done = aembed(command, "--scenario", "stops.py:stuck", *arguments, cwd=place)
    assert done.returncode == code
    assert said in done.stdout + done.stderr


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("load", "--duration", "2x"), "30s, 2m, 1h or 50ms"),
        (("load", "--json", "nowhere/o.json"), "mkdir -p nowhere"),
        (("load", "--scenario", "subjects.py:turn"), "did you mean 'turns'"),
        (("load", "--scenario", "nothing.py"), "there is no file nothing.py"),
        (("load", "--model", "moc"), "mock"),
        (("steps", "--slo", "95=50ms"), "p95=50ms"),
        (("scaling", "--query", "--model", "mock"), "--users"),
        (("compare", "a.json", "subjects.py"), "a.json cannot be read"),
        (("history", "nothing.jsonl"), "there is no file nothing.jsonl"),
        (("history", "subjects.py"), "subjects.py holds no results"),
        (("ab", "--base", "HEAD", "--scenario", "nothing.py", "--junit", "nowhere/o.xml"), "mkdir -p nowhere"),
    ],
)
def test_what_is_wrong_is_said_with_the_way_out(place: Path, arguments: tuple[str, ...], said: str) -> None:
    done = aembed(*arguments, cwd=place)
    assert done.returncode == 2
    assert said in done.stderr


def test_compare_judges_and_refuses(place: Path) -> None:
    reports = [samples()["cost"]]
    (place / "a.json").write_bytes(reports_to_json(reports))
    same = aembed("compare", "a.json", "a.json", "--html", "c.html", cwd=place)
    assert same.returncode == 0
    assert "callbacks" in same.stdout
    assert (place / "c.html").exists()
    other = json.loads((place / "a.json").read_bytes())
    (place / "b.json").write_text(json.dumps({**other, "schema": 999}))
    refused = aembed("compare", "a.json", "b.json", cwd=place)
    assert refused.returncode == 2
    assert "schema 999" in refused.stderr


def test_history_is_added_to_and_shown(place: Path) -> None:
    (place / "a.json").write_bytes(reports_to_json([samples()["cost"]]))
    for times in (1, 2):
        done = aembed("history", "results.jsonl", "--add", "a.json", "--html", "t.html", cwd=place)
        assert done.returncode == 0
        assert len((place / "results.jsonl").read_text().splitlines()) == times
    assert "callbacks" in done.stdout
    assert (place / "t.html").exists()


def test_help_lists_the_commands_with_examples(place: Path) -> None:
    done = aembed("--help", cwd=place)
    assert done.returncode == 0
    for command in ("load", "users", "burst", "sustained", "steps", "micro", "memory", "scaling", "compare", "ab"):
        assert f" {command} " in done.stdout
    assert "aembed bench load" in aembed("load", "--help", cwd=place).stdout


@pytest.mark.parametrize(
    ("text", "value"), [("30s", 30.0), ("2m", 120.0), ("1.5h", 5400.0), ("50ms", 0.05), ("20us", 2e-5), ("7", 7.0)]
)
def test_durations(text: str, value: float) -> None:
    assert seconds(text) == pytest.approx(value)


@pytest.mark.parametrize("text", ["", "s", "-1s", "0s", "1 day", "1e3s", "1.2.3s", "inf"])
def test_what_is_no_duration(text: str) -> None:
    with pytest.raises(typer.BadParameter, match="not a duration"):
        seconds(text)


def test_objectives_and_counts() -> None:
    goal = objective("p99.9 = 50ms")
    assert [goal.q, goal.seconds] == pytest.approx([0.999, 0.05])
    assert counts("1,5, 20") == (1, 5, 20)
    for wrong in ("", "0,1", "a", "1;2"):
        with pytest.raises(typer.BadParameter, match="1,5,20,100"):
            counts(wrong)
    for wrong in ("p0=1s", "p100=1s", "95=1s", "p1.2.3=1s"):
        with pytest.raises(typer.BadParameter, match="p95=50ms"):
            objective(wrong)
