"""The command ``aembed bench`` in a separate process."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests import forked
from tests.bench.subjects import LOOK_S

pytest.importorskip("typer", reason="needs the extra cli")
pytest.importorskip("scipy", reason="needs the extra bench")


HEEDED = (
    "signal.signal(signal.SIGINT, signal.default_int_handler);"
    " hasattr(signal, 'SIGHUP') and signal.signal(signal.SIGHUP, signal.SIG_DFL)"
)
IGNORED = "signal.signal(signal.SIGINT, signal.SIG_IGN)"
"""A background job, or a parent that ignores the signal, leaves it ignored: each test sets its own."""


SHORT_LOOKS = f"from aembed.bench import environment; environment.LOOK = {LOOK_S}; environment.CANARY = 1"


def aembed(*arguments: str, cwd: Path, ctrl_c: str = HEEDED, **environment: str) -> subprocess.CompletedProcess[str]:
    done = forked.run(
        f"import signal; {ctrl_c}; {SHORT_LOOKS}; from aembed.cli import main; main()",
        *("bench", *arguments),
        cwd=cwd,
        env={**os.environ, "COLUMNS": "300", **environment},
        encoding=environment.get("PYTHONIOENCODING", "utf-8"),
    )
    assert "Traceback" not in done.stderr
    return done


SHORT = {
    "load": ("--rate", "50", "--duration", "200ms"),
    "users": ("--users", "2", "--think", "5ms", "--duration", "200ms"),
    "burst": ("--base", "20", "--spike", "100", "--spike-for", "100ms", "--duration", "1s"),
    "sustained": ("--rate", "50", "--duration", "600ms"),
    "steps": ("--start", "50", "--highest", "100", "--step-for", "300ms"),
}


posix = pytest.mark.skipif(sys.platform == "win32", reason="signals are another thing there")


def sends(place: Path, number: str) -> None:
    """A subject that sends the command a signal at its first call."""
    (place / "stops.py").write_text(
        f"import os, signal\nfrom anyio.lowlevel import checkpoint\nsent = []\n"
        f"async def once():\n"
        f"    await checkpoint()\n"
        f"    if not sent:\n"
        f"        sent.append(os.kill(os.getpid(), signal.{number}))\n"
    )
