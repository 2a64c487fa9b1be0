"""Ctrl+C and other signals end a run, which reports its results so far; ignored signals stay ignored."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from aembed.bench import reports_from_json
from tests.cli.bench.command import IGNORED, SHORT, aembed, posix, sends

FOREVER = {
    "load": ("--rate", "20", "--duration", "1h"),
    "users": ("--users", "2", "--think", "10ms", "--duration", "1h"),
    "burst": ("--duration", "1h"),
    "sustained": ("--rate", "20", "--duration", "1h"),
    "steps": ("--start", "20", "--step-for", "1h"),
}


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
    cases = 2 if command == "steps" else 1  # of the objective, too, nothing is decided
    assert f'failures="0" errors="{cases}"'.encode() in (place / "o.xml").read_bytes()
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
