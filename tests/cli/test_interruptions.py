"""Signals at any moment of an event loop: before it runs, in it, and after its work."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from collections.abc import Callable, Iterator

import pytest

pytest.importorskip("typer", reason="needs the extra cli")
from aembed.cli import run as running
from aembed.cli.errors import one_sentence

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="needs signals")
SIGNALS = [signal.SIGINT, signal.SIGTERM]


def send(number: int) -> None:
    os.kill(os.getpid(), number)


@pytest.fixture(autouse=True)
def _heeded() -> Iterator[None]:
    """Whatever started the tests may ignore Ctrl-C, as a shell does for a job of the background."""
    before = {number: signal.signal(number, signal.default_int_handler) for number in SIGNALS}
    yield
    for number, handler in before.items():
        signal.signal(number, handler)


@pytest.fixture(autouse=True, params=["asyncio", "uvloop"])
def _loop(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    if request.param == "asyncio":
        monkeypatch.setattr(running, "_uvloop", lambda: None)
    else:
        pytest.importorskip("uvloop", reason="needs uvloop")


@pytest.mark.parametrize("number", SIGNALS)
def test_one_that_comes_when_the_result_is_there_changes_nothing(number: int) -> None:
    async def work() -> int:
        task = asyncio.current_task()
        assert task is not None
        task.add_done_callback(lambda _: send(number))
        return 7

    with one_sentence():
        assert running.run(work()) == 7


@pytest.mark.parametrize("number", SIGNALS)
def test_work_is_cancelled_and_cleans_up(number: int, capsys: pytest.CaptureFixture[str]) -> None:
    steps: list[str] = []

    async def work() -> None:
        try:
            send(number)
            send(number)  # as a terminal and a shell do
            await asyncio.Event().wait()
        finally:
            steps.append("cleaned up")

    with pytest.raises(SystemExit) as left, one_sentence():
        running.run(work())
    assert (left.value.code, steps) == (128 + number, ["cleaned up"])
    assert capsys.readouterr().err == "aembed: interrupted; run the same command again\n"


def test_work_does_not_begin_after_a_signal(monkeypatch: pytest.MonkeyPatch) -> None:
    async def work() -> None:
        raise AssertionError("it begins")

    make = running._uvloop() or asyncio.new_event_loop

    def interrupted() -> asyncio.AbstractEventLoop:
        send(signal.SIGTERM)
        return make()

    monkeypatch.setattr(running, "_uvloop", lambda: interrupted)
    with pytest.raises(SystemExit) as left, one_sentence():
        running.run(work())
    assert left.value.code == 143


def test_a_second_one_later_ends_the_process_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    ended: list[int] = []
    monkeypatch.setattr(running, "_end_at_once", ended.append)
    monkeypatch.setattr(running, "SIGNAL_PAUSE_S", -1.0)

    async def work() -> None:
        send(signal.SIGINT)
        send(signal.SIGTERM)
        await asyncio.Event().wait()

    with pytest.raises(SystemExit), one_sentence():
        running.run(work())
    assert ended == [signal.SIGTERM]


def test_the_end_at_once_is_reported_on_stderr(
    monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    ended: list[int] = []
    monkeypatch.setattr(os, "_exit", ended.append)
    running._end_at_once(signal.SIGTERM)
    assert ended == [143]
    assert capfd.readouterr() == ("", "aembed: interrupted; run the same command again\n")


def test_handlers_are_given_back() -> None:
    async def handlers() -> list[Callable[..., object] | int | None]:
        return [signal.getsignal(number) for number in SIGNALS]

    before = [signal.getsignal(number) for number in SIGNALS]
    with one_sentence():
        assert running.run(handlers()) != before
    assert [signal.getsignal(number) for number in SIGNALS] == before
