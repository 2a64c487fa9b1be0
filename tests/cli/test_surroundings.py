"""Surroundings of a command: signals ignored, streams closed, code pages, few descriptors, no terminal."""

from __future__ import annotations

import functools
import os
import resource
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from tests import forked
from tests.cli.command import COMMAND, PROFILES, Aembed
from tests.cli.terminal import Terminal

posix = pytest.mark.skipif(sys.platform == "win32", reason="needs signals")


# --- 116: signals that the parent ignores


@posix
@pytest.mark.parametrize("name", ["SIGHUP", "SIGINT"])
def test_fault_116_ignored_signals_stay_ignored(name: str) -> None:
    """``nohup aembed embed ... &``, then the terminal is closed."""
    Path("aembed.toml").write_text(
        '[profiles.slow]\nmodel = "mock"\nbatch_size = 1\nlimits = { max_concurrency = 1 }\n'
        "provider_options = { latency = 0.01 }\n"
    )
    Path("t.txt").write_text("line\n" * 40)
    number = getattr(signal, name)
    terminal = Terminal(
        "embed", "t.txt", "-o", "v.npy", "-m", "slow", first=f"import signal; signal.signal({number:d}, signal.SIG_IGN)"
    )
    terminal.show("embedding")
    terminal.process.send_signal(number)
    assert terminal.leave() == 0
    assert np.load("v.npy").shape == (40, 128)


def test_handlers_of_signals_are_those_of_before(aembed: Aembed, notes: str) -> None:
    numbers = [signal.SIGINT, signal.SIGTERM]
    before = [signal.getsignal(number) for number in numbers]
    assert aembed("embed", notes, "-o", "v.npy", "-m", "mock").code == 0
    assert [signal.getsignal(number) for number in numbers] == before


def test_nothing_slow_is_imported_before_signals_are_answered() -> None:
    """A signal until then ends Python with a traceback. Without ``site``, whose own imports come before."""
    root = Path(__file__).parents[2]
    found = "import sys; before = set(sys.modules); import aembed_command; print(*sorted(set(sys.modules) - before))"
    made = subprocess.run([sys.executable, "-S", "-c", found], cwd=root, capture_output=True, check=True, text=True)
    assert {"typing", "re", "aembed"}.isdisjoint(made.stdout.split())


@posix
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_signal_before_the_command_has_begun(number: signal.Signals) -> None:
    """The first thing that is imported is replaced by a program that sends a signal to itself."""
    Path("aembed").mkdir()
    Path("aembed/__init__.py").touch()
    Path("aembed/cli.py").write_text(f"import os\nos.kill(os.getpid(), {number:d})\nwhile True: pass\n")
    heeded = functools.partial(signal.signal, number, signal.SIG_DFL)  # the test runner may ignore it
    ended = subprocess.run(
        [*COMMAND, "check"],
        capture_output=True,
        check=False,
        env=_first(Path.cwd()),
        timeout=60,
        preexec_fn=heeded,
    )
    assert (ended.returncode, ended.stderr) == (128 + number, b"aembed: interrupted; nothing was written\n")


def _first(path: Path) -> dict[str, str]:
    """An environment where modules in ``path`` come first."""
    root = Path(__file__).parents[2]
    return {**os.environ, "PYTHONPATH": f"{path}{os.pathsep}{root}"}


# --- 122: closed streams, code pages


@posix
@pytest.mark.parametrize("closed", [(1,), (2,), (0, 1, 2)])
def test_fault_122_closed_standard_streams(notes: str, closed: tuple[int, ...]) -> None:
    ended = subprocess.run(
        [*COMMAND, "embed", notes, "-o", "v.parquet", "-m", "mock"], check=False, preexec_fn=_closing(closed)
    )
    assert ended.returncode == 0
    assert Path("v.parquet").exists()


@posix
def test_fault_122_standard_input_that_is_closed_and_wanted() -> None:
    ended = subprocess.run(
        [*COMMAND, "embed", "-", "-o", "v.npy", "-m", "mock"],
        check=False,
        preexec_fn=_closing((0,)),
        stderr=subprocess.PIPE,
    )
    assert (ended.returncode, ended.stderr) == (
        2,
        b"aembed: standard input is closed; name a file instead of -\n",
    )


def _closing(descriptors: tuple[int, ...]) -> Callable[[], None]:
    def close() -> None:
        for descriptor in descriptors:
            os.close(descriptor)

    return close


@pytest.mark.parametrize("encoding", ["ascii", "gbk"])
def test_fault_122_code_pages(encoding: str) -> None:
    name = "räume-房间-\U0001f3e0.txt"
    Path(name).write_text("one\ntwo\n")
    environment = {**os.environ, "PYTHONIOENCODING": encoding}

    def run(*arguments: str) -> subprocess.CompletedProcess[str]:
        return forked.run(COMMAND[-1], *arguments, env=environment, encoding=encoding)

    ended = run("embed", name, "-o", f"{name}.npy", "-m", "mock")
    assert (ended.returncode, ended.stderr) == (0, "")
    for arguments in (["embed", "--help"], ["embed", "missing-\U0001f3e0"]):
        ended = run(*arguments)
        assert "Traceback" not in ended.stderr
        assert ended.stdout or ended.returncode == 2


# --- few descriptors


@posix
@pytest.mark.parametrize("most", [9, 12, 20])
def test_few_descriptors_are_one_sentence(most: int) -> None:
    Path("t.txt").write_text("one\n")
    Path("aembed.toml").write_text(PROFILES)
    ended = subprocess.run(
        [*COMMAND, "embed", "t.txt", "-o", "v.npy", "-m", "small"],
        capture_output=True,
        check=False,
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_NOFILE, (most, most)),
    )
    assert ended.returncode == 3
    assert ended.stderr == (
        b"aembed: the system gives an error: Too many open files; raise the limit of open files (ulimit -n)\n"
    )
