"""Numbers as people read them: three digits and a unit that fits."""

from __future__ import annotations

import pytest

from aembed.bench import units
from aembed.bench.model.estimates import Estimate, Percentile


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (1.0, "1 s"),
        (0.999, "0.999 s"),
        (0.9989, "998.9 ms"),
        (0.25, "250 ms"),
        (1e-3, "1 ms"),
        (5e-6, "5 µs"),
        (9.99e-7, "0.999 µs"),
        (2.5e-8, "25 ns"),
        (0, "0"),
    ],
)
def test_ticks_are_short(value: float, text: str) -> None:
    assert units.tick(value) == text


@pytest.mark.parametrize(
    ("value", "text"),
    [(1e-3, "1.00 ms"), (9.99e-4, "999 µs"), (1e-6, "1.00 µs"), (9.9e-7, "990 ns"), (-2.0, "-2.00 s"), (0.0, "0 s")],
)
def test_each_unit_begins_at_one(value: float, text: str) -> None:
    assert units.seconds(value) == text


@pytest.mark.parametrize(
    ("value", "text"), [(1e3, "1.00 kB"), (999, "999 B"), (1e6, "1.00 MB"), (1e9, "1.00 GB"), (-2e3, "-2.00 kB")]
)
def test_each_unit_of_size_begins_at_one(value: float, text: str) -> None:
    assert units.size(value) == text


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0, "0"),
        (float("inf"), "inf"),
        (1, "1.00"),
        (-5, "-5.00"),
        (12.34, "12.3"),
        (100, "100"),
        (99.97, "100"),
        (9.996, "10.0"),
        (0.9996, "1.00"),
        (1234.6, "1,235"),
        (0.0123, "0.0123"),
        (1e-20, "0.000000000000"),
    ],
)
def test_digits_are_three(value: float, text: str) -> None:
    assert units.digits(value) == text


@pytest.mark.parametrize(("value", "text"), [(3.0, "3"), (1234567.0, "1,234,567"), (61.5, "61.5")])
def test_counts_are_whole_where_they_can_be(value: float, text: str) -> None:
    assert units.count(value) == text


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (Estimate(value=1.0, low=0.5), "1.00 s (500 ms to ?)"),
        (Estimate(value=1.0, high=2.0), "1.00 s (? to 2.00 s)"),
        (Estimate(value=1.0, low=0.5, high=2.0), "1.00 s (500 ms to 2.00 s)"),
        (Estimate(value=1.5, low=1.0, high=2.0), "1.50 s (1.00 to 2.00 s)"),
        (Estimate(value=-0.5, low=-1.0, high=2.0), "-500 ms (-1.00 to 2.00 s)"),
    ],
)
def test_an_end_that_is_missing_is_a_question_mark(value: Estimate, text: str) -> None:
    assert units.estimate(value, units.seconds) == text


@pytest.mark.parametrize(
    ("low", "high", "text"),
    [
        ("1.00 ms", "2.00 ms", "1.00 to 2.00 ms"),
        ("900 µs", "2.00 ms", "900 µs to 2.00 ms"),
        ("95,013/s", "98,159/s", "95,013 to 98,159/s"),
        ("-1.0 %", "+2.0 %", "-1.0 to +2.0 %"),
        ("1", "2", "1 to 2"),
    ],
)
def test_two_ends_have_their_unit_once(low: str, high: str, text: str) -> None:
    assert units.between(low, high) == text


@pytest.mark.parametrize(("value", "text"), [(0.0, "0.0 %"), (-0.0001, "0.0 %"), (0.0006, "+0.1 %"), (-0.5, "-50.0 %")])
def test_no_change_has_no_sign(value: float, text: str) -> None:
    assert units.change(value) == text


def test_units_by_name() -> None:
    assert [units.of(name)(2000.0) for name in ("s", "1/s", "B", "")] == ["2,000 s", "2,000/s", "2.00 kB", "2,000"]
    assert [units.quantile(q) for q in (0.5, 0.999)] == ["p50", "p99.9"]


@pytest.mark.parametrize(
    ("value", "text"),
    [(0, "0 s"), (3.2e-9, "3.20 ns"), (0.000_045_6, "45.6 µs"), (0.012, "12.0 ms"), (1, "1.00 s"), (123.4, "123 s")],
)
def test_times_have_three_digits_and_a_unit(value: float, text: str) -> None:
    assert units.seconds(value) == text


@pytest.mark.parametrize(("value", "text"), [(9.0, "9.00 B"), (27_544, "27.5 kB"), (1.5e9, "1.50 GB")])
def test_sizes(value: float, text: str) -> None:
    assert units.size(value) == text


def test_missing_figures_are_named() -> None:
    assert units.estimate(None, units.seconds) == units.NOT_MEASURED
    assert units.estimate(Estimate(value=1.0), units.seconds) == "1.00 s (no interval)"
    assert units.percentile(Percentile(q=0.99, value=None)) == units.BEYOND
    assert units.percentile(Percentile(q=0.99, value=0.1, low=0.09)) == "100 ms (90.0 ms or more)"
