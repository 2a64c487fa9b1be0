"""``aembed bench`` as a user meets it. The assertions hold on any machine, however busy it is."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

pytest.importorskip("typer", reason="needs the extra cli")
pytest.importorskip("scipy", reason="needs the extra bench")

import typer

from aembed import InputError
from aembed.bench import reports_from_json, reports_to_json
from aembed.cli.bench.objectives import ladder, written
from aembed.cli.bench.values import counts, seconds
from tests.bench.samples import invalid, samples

HEEDED = "signal.signal(signal.SIGINT, signal.default_int_handler)"
IGNORED = "signal.signal(signal.SIGINT, signal.SIG_IGN)"
"""A background job, or a parent that ignores the signal, leaves it ignored: each test sets its own."""
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

async def quick():
    await checkpoint()

async def user(number):
    assert 1 <= number <= 9
"""


def aembed(*arguments: str, cwd: Path, ctrl_c: str = HEEDED, **environment: str) -> subprocess.CompletedProcess[str]:
    done = subprocess.run(
        [sys.executable, "-c", f"import signal; {ctrl_c}; from aembed.cli import main; main()", "bench", *arguments],
        cwd=cwd,
        env={**os.environ, "COLUMNS": "300", **environment},
        capture_output=True,
        encoding=environment.get("PYTHONIOENCODING", "utf-8"),
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
        (("steps", "--start", "20", "--step-for", "200ms", "--slo", "p90=10s"), "steps"),
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


SHORT = {
    "load": ("--rate", "50", "--duration", "200ms"),
    "users": ("--users", "2", "--think", "5ms", "--duration", "200ms"),
    "burst": ("--base", "20", "--spike", "100", "--spike-for", "100ms", "--duration", "1s"),
    "sustained": ("--rate", "50", "--duration", "600ms"),
    "steps": ("--start", "50", "--step-for", "300ms"),
}


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
    assert aembed(*arguments, "101%", cwd=place).returncode == 2


posix = pytest.mark.skipif(sys.platform == "win32", reason="signals are another thing there")
FOREVER = {
    "load": ("--rate", "20", "--duration", "1h"),
    "users": ("--users", "2", "--think", "10ms", "--duration", "1h"),
    "burst": ("--duration", "1h"),
    "sustained": ("--rate", "20", "--duration", "1h"),
    "steps": ("--start", "20", "--step-for", "1h"),
}


def sends(place: Path, number: str) -> None:
    """A subject that sends the command a signal at its first call."""
    (place / "stops.py").write_text(
        f"import os, signal\nfrom anyio.lowlevel import checkpoint\nsent = []\n"
        f"async def once():\n"
        f"    await checkpoint()\n"
        f"    if not sent:\n"
        f"        sent.append(os.kill(os.getpid(), signal.{number}))\n"
    )


@posix
@pytest.mark.parametrize(
    ("command", "number", "code", "loop"),
    [
        *((command, "SIGINT", 130, "uvloop") for command in FOREVER),
        ("load", "SIGINT", 130, "asyncio"),
        ("load", "SIGTERM", 143, "asyncio"),
        ("load", "SIGHUP", 129, "uvloop"),
    ],
)
def test_fault_126_ctrl_c_ends_every_load_and_reports(
    place: Path, command: str, number: str, code: int, loop: str
) -> None:
    sends(place, number)
    arguments = ("--scenario", "stops.py:once", *FOREVER[command], "--loop", loop, "--json", "o.json")
    done = aembed(command, *arguments, "--junit", "o.xml", cwd=place)
    (report,) = reports_from_json((place / "o.json").read_bytes())
    assert report.interrupted
    assert report.traffic is not None
    assert report.traffic.ok >= 1
    assert "interrupted: these are the results until then" in done.stdout
    assert b'failures="0" errors="1"' in (place / "o.xml").read_bytes()
    assert done.returncode == code


@posix
@pytest.mark.parametrize(
    ("command", "said"),
    [
        ("micro", "interrupted before the first process was measured"),
        ("memory", "aembed: interrupted; nothing was measured"),
        ("cost", "aembed: interrupted; nothing was measured"),
        ("scaling", "interrupted before the first process was measured"),
        ("ab", "interrupted before its first pair of processes was measured"),
    ],
)
def test_fault_126_ctrl_c_ends_measurements_in_fresh_processes(place: Path, command: str, said: str) -> None:
    """Sent by the fresh process, whose own group does not get it."""
    (place / "stops.py").write_text(
        "import os, signal\nimport anyio\nfrom aembed import bench\n"
        "@bench.scenario(n=[1, 2, 3, 4])\n"
        "async def several(case):\n"
        "    yield bench.Subject(stuck)\n"
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
    name = "several" if command == "scaling" else "stuck"
    done = aembed(command, "--scenario", f"stops.py:{name}", *arguments, cwd=place)
    assert said in done.stdout + done.stderr
    assert done.returncode == 130


@posix
def test_ctrl_c_keeps_the_cases_that_were_measured(place: Path) -> None:
    (place / "stops.py").write_text(
        "import os, signal\nimport anyio\nfrom aembed import bench\n"
        "@bench.scenario(n=[1, 2, 3])\n"
        "async def several(case):\n"
        "    async def call():\n"
        "        await anyio.lowlevel.checkpoint()\n"
        "        if case.n == 2:\n"
        "            os.kill(os.getppid(), signal.SIGINT)\n"
        "            await anyio.sleep_forever()\n"
        "    yield bench.Subject(call)\n"
    )
    done = aembed("cost", "--scenario", "stops.py:several", "--json", "o.json", cwd=place)
    (report,) = reports_from_json((place / "o.json").read_bytes())
    assert report.parameters == {"n": 1}
    assert done.stderr == "aembed: interrupted; not measured: several(n=2), several(n=3)\n"
    assert done.returncode == 130


@posix
@pytest.mark.parametrize("loop", ["asyncio", "uvloop"])
def test_a_signal_that_the_parent_ignores_stays_ignored(place: Path, loop: str) -> None:
    sends(place, "SIGINT")
    arguments = ("load", "--scenario", "stops.py:once", *SHORT["load"], "--loop", loop, "--json", "o.json")
    done = aembed(*arguments, cwd=place, ctrl_c=IGNORED)
    (report,) = reports_from_json((place / "o.json").read_bytes())
    assert not report.interrupted
    assert done.returncode == report.verdict.exit_code
    sends(place, "SIGHUP")
    assert aembed(*arguments, cwd=place, ctrl_c=IGNORED.replace("INT", "HUP")).returncode != 129


@pytest.mark.parametrize("encoding", ["cp932", "cp936", "cp949", "cp950", "ascii", "latin-1", "utf-8"])
def test_fault_127_output_has_only_characters_of_its_encoding(place: Path, encoding: str) -> None:
    """With microseconds among the figures, and a name that few encodings have."""
    (place / "subjects.py").write_text("async def μ_二_ß():\n    pass\n", encoding="utf-8")
    done = aembed(
        *("load", "--scenario", "subjects.py:μ_二_ß", *SHORT["load"], "--slo", "p95=50us"),
        *("--json", "o.json", "--html", "o.html", "--junit", "o.xml"),
        cwd=place,
        PYTHONIOENCODING=encoding,
        PYTHONUTF8="1",  # of the file system, which is another matter
    )
    (report,) = reports_from_json((place / "o.json").read_bytes())
    assert report.name == "μ_二_ß"
    assert re.search(r"[0-9] (us|µs)", done.stdout)
    assert (place / "o.html").exists()
    assert (place / "o.xml").exists()
    assert (done.stderr, done.returncode) == ("", report.verdict.exit_code)


def test_a_file_that_cannot_be_written_is_reported_last(place: Path) -> None:
    (place / "subjects.py").write_text("import os\nos.makedirs('o.json', exist_ok=True)\nasync def quick(): pass\n")
    done = aembed("cost", "subjects.py:quick", "--json", "o.json", "--junit", "o.xml", cwd=place)
    assert "callbacks" in done.stdout
    assert (place / "o.xml").exists()
    assert done.stderr == "aembed: o.json cannot be written: Is a directory\n"
    assert done.returncode == 2


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("load", "--duration", "2x"), "30s, 2m, 1h or 50ms"),
        (("load", "--json", "nowhere/o.json"), "mkdir -p nowhere"),
        (("load", "--json", "."), ". is a directory; name a file"),
        (("load", "--scenario", "subjects.py:turn"), "did you mean 'turns'"),
        (("load", "--scenario", "nothing.py"), "there is no file nothing.py"),
        (("load", "--model", "moc"), "mock"),
        (("steps", "--slo", "95=50ms"), "p95=50ms"),
        (("scaling", "--query", "--model", "mock"), "--users"),
        (("compare", "a.json", "subjects.py"), "a.json cannot be read"),
        (("history", "nothing.jsonl"), "no such file: nothing.jsonl. Add"),
        (("history", "subjects.py"), "no results: subjects.py. Add"),
        (("ab", "--base", "HEAD", "--scenario", "nothing.py", "--junit", "nowhere/o.xml"), "mkdir -p nowhere"),
    ],
)
def test_an_error_names_the_remedy(place: Path, arguments: tuple[str, ...], said: str) -> None:
    done = aembed(*arguments, cwd=place)
    assert done.returncode == 2
    assert said in done.stderr


def test_compare_judges_and_rejects(place: Path) -> None:
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


def test_an_invalid_report_is_not_added_to_a_history(place: Path) -> None:
    (place / "a.json").write_bytes(reports_to_json([invalid()]))
    done = aembed("history", "results.jsonl", "--add", "a.json", cwd=place)
    assert done.returncode == 2
    assert done.stdout.startswith(
        "not added to results.jsonl, because a run that is INVALID has no figures: open loop: "
    )
    assert done.stderr == "aembed: no such file: results.jsonl. Add reports of valid runs with --add\n"
    same = aembed("compare", "a.json", "a.json", cwd=place)
    assert same.returncode == 3
    assert "Not judged" in same.stdout
    assert "Comparison" not in same.stdout, "a table without lines"


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
def test_values_that_are_no_duration(text: str) -> None:
    with pytest.raises(typer.BadParameter, match="not a duration"):
        seconds(text)


def test_counts() -> None:
    assert counts("1,5, 20") == (1, 5, 20)
    for wrong in ("", "0,1", "a", "1;2"):
        with pytest.raises(typer.BadParameter, match="1,5,20,100"):
            counts(wrong)


def test_objectives_of_steps() -> None:
    goal, rate = ladder(written("steps", ["p99.9 = 50ms", "rate=100/s"]), 0.98)
    assert (goal.q, goal.seconds, goal.errors) == pytest.approx((0.999, 0.05, 0.02))
    assert rate == 100
    for wrong in ("p0=1s", "p100=1s", "95=1s", "p1.2.3=1s", "errors=1%", "p50=1s,p95=2s"):
        with pytest.raises(InputError, match="p95=50ms"):
            ladder(written("steps", [wrong]), None)
    with pytest.raises(InputError, match="give one of them"):
        ladder(written("steps", ["p95=1s,errors=1%"]), 0.9)


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


@pytest.mark.parametrize(
    ("arguments", "problem"),
    [
        (
            ("load", "--scenario", "subjects.py:fails", "--documents", "5"),
            "--scenario and --documents exclude each other",
        ),
        (
            ("users", "--scenario", "subjects.py:fails", "--with-cache"),
            "--scenario and --with-cache exclude each other",
        ),
        (("load", "--slo", "recovery=5s"), "load does not measure recovery"),
        (("load", "--abort"), "abort needs an objective for errors or a percentile"),
        (("micro", "--slo", "p95=5s"), "micro does not measure p95; it has cpu, time"),
    ],
)
def test_exclusive_options_are_a_usage_error(place: Path, arguments: tuple[str, ...], problem: str) -> None:
    done = aembed(*arguments, cwd=place)
    assert (done.returncode, problem in done.stderr) == (2, True), done.stderr


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
    alone = aembed("versus", "-m", "mock", cwd=place)
    assert (alone.returncode, "give -m twice, or two targets" in alone.stderr) == (2, True)
    same = aembed("versus", "-m", "mock", "-m", "mock", cwd=place)
    assert (same.returncode, "both sides are mock" in same.stderr, "profiles" in same.stderr) == (2, True, True)


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
    both = aembed("load", "subjects.py:quick", "--arrivals", "ramp:1..9", "--rate", "5", cwd=place)
    assert (both.returncode, "exclude each other" in both.stderr) == (2, True)


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
    missing = aembed("load", "subjects.py:user", cwd=place)
    assert (missing.returncode, "user takes an argument, 'number'; give --data" in missing.stderr) == (2, True)
