"""Durations, counts and objectives as they are written on the command line."""

from __future__ import annotations

import pytest

pytest.importorskip("typer", reason="needs the extra cli")

import typer

from aembed import InputError
from aembed.cli.bench.objectives import ladder, written
from aembed.cli.bench.values import counts, quantiles, rate_per_s, seconds, share


@pytest.mark.parametrize(
    ("text", "value"), [("30s", 30.0), ("2m", 120.0), ("1.5h", 5400.0), ("50ms", 0.05), ("20us", 2e-5), ("7", 7.0)]
)
def test_durations(text: str, value: float) -> None:
    assert seconds(text) == pytest.approx(value)


@pytest.mark.parametrize("text", ["", "s", "-1s", "0s", "1 day", "1e3s", "1.2.3s", "inf"])
def test_values_that_are_no_duration(text: str) -> None:
    with pytest.raises(typer.BadParameter, match="not a duration"):
        seconds(text)


def test_rates() -> None:
    assert (rate_per_s("200"), rate_per_s("0.5/s"), rate_per_s(20.0)) == (200.0, 0.5, 20.0)
    for wrong in ("", "0", "-1", "nan", "inf", "200/m", "fast"):
        with pytest.raises(typer.BadParameter, match="is not a rate; write 200 or 200/s"):
            rate_per_s(wrong)


def test_shares() -> None:
    assert [share(text) for text in ("99%", "0.5", "0", "100%", 0.25)] == [0.99, 0.5, 0.0, 1.0, 0.25]
    for wrong in ("", "-1%", "101%", "1.01", "nan", "most"):
        with pytest.raises(typer.BadParameter, match=r"is not a share; write 99% or 0\.99"):
            share(wrong)


def test_percentiles() -> None:
    assert quantiles("75, p97.5") == (0.75, 0.975)
    assert quantiles((0.5,)) == (0.5,)
    for wrong in ("", "0", "100", "50,100", "50;60", "101", "nan"):
        with pytest.raises(typer.BadParameter, match=r"is not a list of percentiles between 0 and 100; write 75,97\.5"):
            quantiles(wrong)


def test_counts() -> None:
    assert counts("1,5, 20") == (1, 5, 20)
    assert counts((1, 2)) == (1, 2)
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
