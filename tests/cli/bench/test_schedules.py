"""Schedules and durations as the command line gives them."""

from __future__ import annotations

from pathlib import Path

import pytest

pytest.importorskip("typer", reason="needs the extra cli")

from aembed import InputError
from aembed.cli.bench.schedules import AFTER_LAST_S, any_schedule, seconds_for, steady
from aembed.cli.errors import CommandError


@pytest.mark.parametrize(
    ("rate", "duration"), [(16.0, 30.0), (12.5, 32.0), (13.0, 31.0), (2.0, 200.0), (1.25, 300.0), (1.6, 250.0)]
)
def test_a_run_lasts_until_enough_requests_have_come(rate: float, duration: float) -> None:
    assert seconds_for(rate) == duration


@pytest.mark.parametrize(
    ("text", "rate", "duration", "seconds", "shown"),
    [
        ("poisson", None, None, 30.0, "poisson(rate=100)"),
        ("poisson", 10.0, None, 40.0, "poisson(rate=10)"),
        ("constant", 10.0, 7.0, 7.0, "constant(rate=10)"),
        ("gamma:2", 10.0, 7.0, 7.0, "gamma(rate=10, cv=2)"),
        ("ramp:10..200", None, None, 30.0, "ramp("),
        ("ramp:10..200", None, 9.0, 9.0, "ramp("),
    ],
)
def test_a_schedule_has_its_seconds(
    text: str, rate: float | None, duration: float | None, seconds: float, shown: str
) -> None:
    arrivals, found = any_schedule(text, rate, duration)
    assert found == seconds
    assert str(arrivals).startswith(shown)


@pytest.mark.parametrize("times", ["5\n7\n\n 9.5\n", "0\n2\n4.5\n"])
def test_a_trace_begins_with_its_first_request_and_ends_after_its_last(times: str, tmp_path: Path) -> None:
    path = tmp_path / "times"
    path.write_text(times)
    arrivals, seconds = any_schedule(f"trace:{path}", None, None)
    assert seconds == pytest.approx(4.5 + AFTER_LAST_S, abs=1e-9)
    assert str(arrivals) == "trace(3 requests in 4.5 s)"
    assert any_schedule(f"trace:{path}", None, 2.0)[1] == 2.0


@pytest.mark.parametrize(
    ("content", "words"),
    [(b"", "has no request"), (b"1\ntwo\n", r"times:2 is not a number of seconds: 'two'"), (b"\xff", "not UTF-8")],
)
def test_a_file_that_is_no_trace(content: bytes, words: str, tmp_path: Path) -> None:
    path = tmp_path / "times"
    path.write_bytes(content)
    with pytest.raises(InputError, match=words):
        any_schedule(f"trace:{path}", None, None)
    with pytest.raises(InputError, match="cannot be read: No such file"):
        any_schedule(f"trace:{path}-not-there", None, None)


@pytest.mark.parametrize(
    ("text", "rate", "words"),
    [
        ("ramp:1..9", 5.0, "exclude each other"),
        ("trace:times", 5.0, "exclude each other"),
        ("gamma", 5.0, "has no number"),
        ("ramp:1", None, "has no number"),
        ("poisson:2", None, "is not a schedule"),
        ("constant:2", None, "is not a schedule"),
        ("uniform", None, "is not a schedule"),
    ],
)
def test_what_is_no_schedule_is_said(text: str, rate: float | None, words: str) -> None:
    with pytest.raises(CommandError, match=words):
        any_schedule(text, rate, None)


@pytest.mark.parametrize("text", ["ramp:1..9", "trace:times"])
def test_a_schedule_without_a_steady_rate_is_rejected_where_one_is_needed(text: str) -> None:
    with pytest.raises(CommandError, match="has no steady rate, which is needed here"):
        steady(text, 5.0)
