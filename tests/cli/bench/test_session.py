"""A run of the command: its progress line, the code it ends with, signals, and where its reports go."""

from __future__ import annotations

import asyncio
import io
import signal
import sys
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import anyio
import anyio.lowlevel
import pytest

pytest.importorskip("typer", reason="needs the extra cli")
pytest.importorskip("scipy", reason="needs the extra bench")

from rich.console import Console

from aembed import InputError, bench
from aembed.bench import Report
from aembed.bench.compare.changes import Change, Comparison
from aembed.bench.model.estimates import Estimate
from aembed.bench.model.result import State, Verdict
from aembed.bench.selftest.self_test import Check, SelfTest
from aembed.cli.bench import judging, session
from tests.bench.samples import sample
from tests.cli.bench.command import posix
from tests.cli.command import Aembed

NOW = bench.Progress(elapsed=1.0, seconds=9.0, offered=5, done=4, errors=0, in_flight=1, backlog=0)
Load = Callable[..., Awaitable[Report]]


@pytest.fixture
def said(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The lines that a terminal would show."""
    found: list[str] = []

    @contextmanager
    def line() -> Iterator[Callable[[str], None]]:
        yield found.append

    monkeypatch.setattr(session, "_progress_line", line)
    return found


@pytest.fixture
def heeded() -> Iterator[None]:
    """A background job, or a parent that ignores the signals, leaves them ignored."""
    handlers: dict[signal.Signals, Any] = {signal.SIGINT: signal.default_int_handler, signal.SIGTERM: signal.SIG_DFL}
    before = {number: signal.signal(number, handler) for number, handler in handlers.items()}
    yield
    for number, handler in before.items():
        signal.signal(number, handler)


def ending(*states: State) -> Load:
    """A load whose runs end so, one after the other."""
    left = list(states)

    async def load(case: bench.Case, *, progress: Callable[[bench.Progress], None], **_: object) -> Report:
        await anyio.lowlevel.checkpoint()
        progress(NOW)
        return replace(sample("cost"), parameters=case.parameters, verdict=Verdict(state=left.pop(0)))

    return load


@pytest.mark.parametrize(("states", "code"), [(("failed", "invalid"), 3), (("failed", "ok"), 1), (("ok", "ok"), 0)])
def test_every_case_is_measured_and_the_worst_decides(
    bench_here: Aembed, said: list[str], monkeypatch: pytest.MonkeyPatch, states: tuple[State, ...], code: int
) -> None:
    monkeypatch.setattr(bench, "load", ending(*states))
    done = bench_here("load", "subjects.py:turns", "--json", "o.json")
    assert (done.code, done.err) == (code, "")
    reports = bench.reports_from_json(Path("o.json").read_bytes())
    assert [(report.parameters["turns"], report.verdict.state) for report in reports] == list(enumerate(states, 1))
    assert said == [
        "measuring turns(turns=1); Ctrl-C ends it",
        "1/9 s, turns(turns=1), 4 done, 1 open; Ctrl-C ends",
        "measuring turns(turns=2); Ctrl-C ends it",
        "1/9 s, turns(turns=2), 4 done, 1 open; Ctrl-C ends",
    ]


def test_one_case_needs_no_name(bench_here: Aembed, said: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bench, "load", ending("ok"))
    assert bench_here("load", "subjects.py:quick").code == 0
    assert said == ["measuring quick; Ctrl-C ends it", "1/9 s, 4 done, 1 open; Ctrl-C ends"]


def test_sides_are_all_published(bench_here: Aembed, said: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    async def versus(sides: dict[str, bench.Case], **given: Any) -> tuple[Report, ...]:
        await anyio.lowlevel.checkpoint()
        given["progress"](NOW)
        return tuple(replace(sample("cost"), name=name, verdict=Verdict(state=name)) for name in ("ok", "failed"))

    monkeypatch.setattr(bench, "versus", versus)
    done = bench_here("versus", "subjects.py:quick", "-m", "mock", "--json", "o.json")
    assert (done.code, done.err) == (1, "")
    assert "failed" in done.out
    assert [report.name for report in bench.reports_from_json(Path("o.json").read_bytes())] == ["ok", "failed"]
    assert said == ["measuring mock, subjects.py:quick in turns; Ctrl-C ends", "1/9 s, 4 done, 1 open; Ctrl-C ends"]


CHANGE = Change(
    name="spin",
    parameters={},
    metric="time",
    unit="s",
    before=1.0,
    after=1.1,
    change=Estimate(value=0.1),
    finding="regressed",
    pairs=6,
)


@pytest.mark.usefixtures("heeded")
@pytest.mark.parametrize("stopped", [False, pytest.param(True, marks=posix)])
def test_revisions_are_compared_until_a_signal(
    bench_here: Aembed, said: list[str], monkeypatch: pytest.MonkeyPatch, stopped: bool
) -> None:
    async def ab(target: str, base: str, *, stop: asyncio.Event, progress: Any, **_: object) -> Comparison:
        progress(replace(CHANGE, change=None, pairs=1, finding="inconclusive"))
        progress(CHANGE)
        if stopped:
            signal.raise_signal(signal.SIGINT)
            await stop.wait()
        return Comparison(before=base, after="working tree", changes=(CHANGE,))

    monkeypatch.setattr(judging, "ab_revision", ab)
    done = bench_here("ab", "--base", "HEAD", "benchmarks.py", "--junit", "o.xml")
    assert (done.code, done.err) == (130 if stopped else 1, "")
    assert "spin" in done.out
    assert Path("o.xml").exists()
    assert said == [
        "measuring HEAD and the working tree in turns; Ctrl-C ends",
        "spin: 1 pairs of processes, inconclusive; Ctrl-C ends",
        "spin: 6 pairs of processes, +10.0%, regressed; Ctrl-C ends",
    ]


@pytest.mark.usefixtures("heeded")
@pytest.mark.parametrize("stopped", [False, pytest.param(True, marks=posix)])
def test_the_checks_of_a_self_test_are_said(
    bench_here: Aembed, said: list[str], monkeypatch: pytest.MonkeyPatch, stopped: bool
) -> None:
    check = Check(what="a stall", found=False, detail="none seen")

    async def selftest(*, progress: Callable[[Check], None]) -> SelfTest:
        await anyio.lowlevel.checkpoint()
        progress(check)
        if stopped:
            signal.raise_signal(signal.SIGTERM)
            await anyio.sleep_forever()
        return SelfTest(checks=(check,), detectable=None, comparison=0.0, lost=0.01, seconds=30.0)

    monkeypatch.setattr(judging, "run_selftest", selftest)
    done = bench_here("selftest")
    assert done.out.startswith(f"{check}\n")
    assert said == ["half a minute, or longer where the machine is noisy", str(check)]
    if stopped:
        assert (done.code, done.err) == (143, "aembed: interrupted; 1 checks were made\n")
    else:
        assert (done.code, done.err) == (1, "")
        assert "lost 1.0% of its time" in done.out


@posix
@pytest.mark.usefixtures("heeded")
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_ends_the_run_and_what_was_measured_is_kept(
    bench_here: Aembed, said: list[str], monkeypatch: pytest.MonkeyPatch, number: signal.Signals
) -> None:
    before = signal.getsignal(number)

    async def load(case: bench.Case, *, stop: asyncio.Event, **_: object) -> Report:
        taken = signal.getsignal(number)
        signal.raise_signal(number)
        await stop.wait()
        assert signal.getsignal(number) not in {taken, signal.SIG_DFL}, "the second one ends the program"
        return sample("cost")

    monkeypatch.setattr(bench, "load", load)
    done = bench_here("load", "subjects.py:turns")
    assert (done.code, done.err) == (128 + number, "aembed: interrupted; not measured: turns(turns=2)\n")
    assert "callbacks" in done.out
    assert said == ["measuring turns(turns=1); Ctrl-C ends it"]
    assert bench_here("load", "subjects.py:quick").code == 128 + number
    assert signal.getsignal(number) is before


@posix
@pytest.mark.usefixtures("heeded")
def test_without_anything_measured_a_signal_leaves_no_report(
    bench_here: Aembed, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def memory(case: bench.Case, **_: object) -> None:
        signal.raise_signal(signal.SIGINT)
        await anyio.sleep_forever()

    monkeypatch.setattr(bench, "memory", memory)
    done = bench_here("memory", "subjects.py:quick", "--json", "o.json")
    assert (done.code, done.out) == (130, "")
    assert done.err.endswith("aembed: interrupted; nothing was measured\n")
    assert not Path("o.json").exists()


def test_the_progress_line_is_shown_on_a_terminal_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    shown = {False: io.StringIO(), True: io.StringIO()}
    for is_terminal, file in shown.items():
        console = Console(file=file, force_terminal=is_terminal)
        monkeypatch.setattr(session, "Console", lambda console=console, **_: console)
        with session._progress_line() as say:
            say("halfway")
    assert shown[False].getvalue() == ""
    assert "halfway" in shown[True].getvalue()


def test_reports_go_everywhere(bench_here: Aembed, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GITHUB_STEP_SUMMARY", "summary.md")
    monkeypatch.setattr(bench, "load", ending("ok", "failed"))
    done = bench_here("load", "subjects.py:quick")
    assert "callbacks" in done.out
    assert "Some CPU" not in done.out
    assert sorted(path.name for path in Path.cwd().iterdir() if path.is_file()) == ["subjects.py"]
    places = ("--json", "o.json", "--html", "o.html", "--junit", "o.xml", "--openmetrics", "o.txt")
    done = bench_here("load", "subjects.py:quick", "--all", "--github", *places)
    assert "Some CPU" in done.out
    assert "::error" in done.out
    assert [name for name in (*places[1::2], "summary.md") if not Path(name).stat().st_size] == []


def test_all_that_can_be_written_is_and_the_first_problem_is_said(
    bench_here: Aembed, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = ending("ok")

    async def load(case: bench.Case, **given: Any) -> Report:
        for name in ("o.json", "o.html", "o.txt"):
            Path(name).mkdir()  # noqa: ASYNC240
        return await made(case, **given)

    monkeypatch.setattr(bench, "load", load)
    places = ("--json", "o.json", "--html", "o.html", "--junit", "o.xml", "--openmetrics", "o.txt")
    done = bench_here("load", "subjects.py:quick", *places)
    assert (done.code, done.err) == (2, "aembed: o.json cannot be written: Is a directory\n")
    assert "callbacks" in done.out
    assert Path("o.xml").stat().st_size


def test_a_command_chooses_its_loop(bench_here: Aembed, monkeypatch: pytest.MonkeyPatch) -> None:
    uvloop = pytest.importorskip("uvloop", reason="needs the extra bench")
    loops: list[type[Any]] = []

    async def load(case: bench.Case, **_: object) -> None:
        await anyio.lowlevel.checkpoint()
        loops.append(type(asyncio.get_running_loop()))
        raise InputError("no more is needed")

    monkeypatch.setattr(bench, "load", load)
    for arguments in ((), ("--loop", "uvloop"), ("--loop", "asyncio")):
        bench_here("load", *arguments)
    monkeypatch.setitem(sys.modules, "uvloop", None)
    bench_here("load")
    assert [issubclass(loop, uvloop.Loop) for loop in loops] == [True, True, False, False]
    assert "uvloop is not installed; pip install 'aembed[bench]', or give" in bench_here("load", "--loop", "uvloop").err
