"""Schedules as they are written on the command line, and lengths of runs without a chosen one."""

from __future__ import annotations

from dataclasses import replace
from io import StringIO
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("typer", reason="needs the extra cli")

from rich.console import Console
from rich.spinner import Spinner

from aembed import AembedError, bench
from aembed.bench.rows.columns import OK, Rows, RunRows
from aembed.bench.rows.output import Files
from aembed.cli.bench.progress_line import BARS, ProgressLine, bars
from aembed.cli.bench.schedules import any_schedule, seconds_for, steady
from aembed.cli.bench.session import one_line
from aembed.cli.errors import CommandError


@pytest.mark.parametrize(
    ("text", "rate", "duration", "same", "seconds"),
    [
        ("poisson", None, None, bench.poisson(rate=100), 30.0),
        ("constant", 20.0, 3.0, bench.constant(rate=20), 3.0),
        ("gamma:2", 4.0, None, bench.gamma(rate=4, cv=2), 100.0),
        ("ramp:10..200", None, None, bench.ramp(10, 200), 30.0),
        ("ramp:0.5..2", None, 9.0, bench.ramp(0.5, 2), 9.0),
    ],
)
def test_schedules(text: str, rate: float | None, duration: float | None, same: bench.Arrivals, seconds: float) -> None:
    assert any_schedule(text, rate, duration) == (same, seconds)


@pytest.mark.parametrize(
    ("text", "rate", "problem"),
    [
        ("even", None, "'even' is not a schedule; write poisson, constant, gamma:2"),
        ("poisson:2", None, "'poisson:2' is not a schedule"),
        ("gamma", None, "'gamma' has no number"),
        ("gamma:-1", None, r"cv=-1.0 must be a finite number above 0"),
        ("ramp:10", None, "'ramp:10' has no number"),
        ("ramp:0..0", None, "never sends anything"),
        ("ramp:1..9", 5.0, "--rate and --arrivals ramp exclude each other"),
        ("trace:nowhere", None, "nowhere cannot be read"),
        ("trace:nowhere.csv", None, "nowhere.csv cannot be read"),
    ],
)
def test_what_is_no_schedule(text: str, rate: float | None, problem: str) -> None:
    with pytest.raises((AembedError, CommandError), match=problem):
        any_schedule(text, rate, None)


@pytest.mark.parametrize("text", ["ramp:1..9", "trace:file"])
def test_some_commands_need_a_steady_rate(text: str) -> None:
    with pytest.raises(CommandError, match="has no steady rate"):
        steady(text, 5.0)


def test_a_trace_begins_with_its_first_request_and_lasts_to_its_last(tmp_path: Path) -> None:
    file = tmp_path / "times"
    file.write_text("1700000000.5\n\n1700000000.75\n1700000002.5\n")
    schedule, seconds = any_schedule(f"trace:{file}", None, None)
    assert schedule.times(seconds).tolist() == [0, 250_000_000, 2_000_000_000]
    assert any_schedule(f"trace:{file}", None, 1.0)[0].times(1.0).tolist() == [0, 250_000_000]


@pytest.mark.parametrize(
    ("content", "problem"),
    [(b"", "has no request"), (b"0\nsoon\n", ":2 is not a number of seconds: 'soon'"), (b"\xff", "it is not UTF-8")],
)
def test_what_is_no_trace(tmp_path: Path, content: bytes, problem: str) -> None:
    file = tmp_path / "times"
    file.write_bytes(content)
    with pytest.raises(AembedError, match=problem):
        any_schedule(f"trace:{file}", None, None)


def test_rows_of_a_run_are_a_trace(tmp_path: Path) -> None:
    times = np.array([0, 5_000_000, 80_000_000])
    rows = Rows(intended=times, started=times, done=times + 9, outcome=np.full(3, OK))
    run = RunRows(case="x", label="", valid=True, started=0.0, rows=rows, texts=None, characters=None)
    files = Files(rows=tmp_path / "run.csv")
    files.runs.append(run)
    files.write(())
    schedule, seconds = any_schedule(f"trace:{tmp_path / 'run.csv'}", None, None)
    assert schedule.times(seconds).tolist() == times.tolist()


@pytest.mark.parametrize(("rate", "seconds"), [(1000.0, 30.0), (20.0, 30.0), (10.0, 40.0), (2.0, 200.0), (0.5, 300.0)])
def test_a_run_is_long_enough_for_its_percentiles(rate: float, seconds: float) -> None:
    assert seconds_for(rate) == seconds


def progress(elapsed: float, p95: float | None, **changes: int) -> bench.Progress:
    p50 = None if p95 is None else p95 / 2
    usual = bench.Progress(
        elapsed=elapsed, seconds=30.0, offered=12_000, done=11_990, errors=0, in_flight=8, backlog=2, p50=p50, p95=p95
    )
    return replace(usual, **changes)  # type: ignore[arg-type]  # all of them are counts


def test_the_progress_line_has_what_matters_within_80_columns() -> None:
    line = ProgressLine()
    assert str(line) == ""
    for second in range(1, 25):
        line.add(progress(second, 0.0123 * second))
    assert str(line).startswith("24/30 s, p50 148 ms, p95 295 ms ▁")
    assert len(str(line).partition("; Ctrl-C")[0]) <= 76
    line.add(progress(25, None, errors=7))
    assert str(line).startswith("25/30 s, 11,990 done, 7 errors, 10 open; Ctrl-C ends")
    line.add(progress(1, 0.1))
    assert f"100 ms {BARS[0]}," in str(line), "another run begins"
    line.add(replace(progress(2, 0.1), part="8 texts, 4 users"))
    assert str(line).startswith(f"2/30 s, 8 texts, 4 users, p50 50.0 ms, p95 100 ms {BARS[0]}, "), "another part"
    line.name = "embed"
    assert str(line).startswith("2/30 s, embed, 8 texts, 4 users, p50")


def test_a_line_that_is_too_long_is_cut_and_not_broken() -> None:
    file = StringIO()
    console = Console(file=file, width=40, force_terminal=True, color_system=None)
    console.print(Spinner("dots", text=one_line("24/30 s, batch=32, 16 users, p50 148 ms, p95 295 ms")))
    assert file.getvalue().count("\n") == 1
    assert "…" in file.getvalue()


def test_bars_are_as_tall_as_their_values_differ() -> None:
    assert bars([1.0, 2.0, None, 128.0]) == "▁▂ █"
    assert bars([1.0, 1.05, 1.0]) == "▁▁▁", "noise is no mountain"
    assert (bars([]), bars([None, 0.0])) == ("", "  ")
