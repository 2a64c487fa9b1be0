"""On a terminal: progress, tables, Ctrl-C."""

from __future__ import annotations

import signal
from pathlib import Path

import pytest

from tests import forked
from tests.cli.command import COMMAND, PROFILES, left_over
from tests.cli.terminal import Terminal


def test_progress_bar_on_a_terminal() -> None:
    Path("t.txt").write_text("line\n" * 5000)
    terminal = Terminal("embed", "t.txt", "-o", "v.npy", "--model", "mock")
    assert terminal.leave() == 0
    assert "embedding" in terminal.screen or "writing" in terminal.screen
    assert "5,000/5,000" in terminal.screen
    assert "shape (5000, 128)" in terminal.screen


def test_progress_bar_names_the_resource_waited_for(notes: str) -> None:
    Path("aembed.toml").write_text(
        '[profiles.rare]\nmodel = "mock"\nbatch_size = 2\nlimits = { requests_per_minute = 1 }'
    )
    terminal = Terminal("embed", notes, "-o", "v.npy", "-m", "rare")
    terminal.show("waiting for the limit of requests per minute")
    terminal.show("2/3")
    assert "tokens" in terminal.screen
    terminal.type(b"\x03")
    assert terminal.leave() == 130
    assert "2 of 3 rows are done: run the same command again to resume" in terminal.screen


def test_no_progress_bar_in_a_pipe(notes: str) -> None:
    result = forked.run(COMMAND[-1], "embed", notes, "-o", "v.npy", "--model", "mock")
    assert result.stderr == ""
    assert len(result.stdout.splitlines()) == 1


def test_check_is_a_table_on_a_terminal() -> None:
    Path("aembed.toml").write_text('[profiles.tiny]\nmodel = "mock"\ndimensions = 4')
    terminal = Terminal("check", control=False)
    assert terminal.leave() == 0
    assert "health" in terminal.screen
    assert "dimensions=4" in terminal.screen


def test_names_in_a_table_are_text() -> None:
    """An untrusted configuration."""
    Path("aembed.toml").write_text('[profiles."a[/nope]\\u001b[31m[link=http://x]b"]\nmodel = "mock"')
    terminal = Terminal("check", control=False)
    assert terminal.leave() == 0
    assert "a[/nope]?[31m[link=http://x]b" in terminal.screen


def test_providers_are_a_table_on_a_terminal() -> None:
    terminal = Terminal("providers", control=False)
    assert terminal.leave() == 0
    assert "description" in terminal.screen
    assert "ready, 128 dimensions" in terminal.screen


def test_ctrl_c_leaves_nothing(notes: str) -> None:
    Path("aembed.toml").write_text(PROFILES)
    terminal = Terminal("embed", notes, "-o", "v.npy", "-m", "endless")
    terminal.show("embedding")
    assert left_over() == ["v.npy.job"], "where it works"
    terminal.type(b"\x03")
    assert terminal.leave() == 130
    assert "aembed: interrupted; nothing was written" in terminal.screen
    assert "Traceback" not in terminal.screen
    assert left_over() == []


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP])
def test_other_ways_to_be_stopped(notes: str, number: signal.Signals) -> None:
    Path("aembed.toml").write_text(PROFILES)
    terminal = Terminal("embed", notes, "-o", "v.npy", "-m", "endless")
    terminal.show("embedding")
    terminal.process.send_signal(number)
    assert terminal.leave() == 128 + number
    assert "Traceback" not in terminal.screen
    assert left_over() == []
