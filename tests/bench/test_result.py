"""Reports: a written one is read back equal, and anything else is rejected with the reason."""

from __future__ import annotations

import dataclasses
import itertools

import pytest

from aembed.bench.model.estimates import Distribution, Histogram, Percentile
from aembed.bench.model.result import (
    EXIT_CODES,
    Environment,
    Noise,
    Report,
    State,
    Verdict,
    reports_from_json,
    reports_to_json,
)
from aembed.bench.model.under_load import Stall

QUIET = Noise(load=0.1, steal=0.0, lost=0.0, longest_gap=0.0001, canary=0.01)
HERE = Environment(
    machine="m",
    cpu="c",
    cores=2,
    affinity=(0, 1),
    system="Linux",
    python="3.11",
    loop="asyncio",
    packages={"numpy": "2.0"},
    revision=None,
    dirty=None,
)
REPORT = Report(
    mode="open",
    name="query",
    parameters={"batch": 5, "model": "mock", "cached": False, "seed": None},
    started="2026-01-01T00:00:00Z",
    seconds=1.5,
    verdict=Verdict(state="invalid", reasons=("too fast",), possible_rate=12.5),
    environment=HERE,
    before=QUIET,
    after=QUIET,
    response=Distribution(
        count=3,
        censored=1,
        mean=None,
        percentiles=(Percentile(q=0.5, value=0.1, low=0.05), Percentile(q=0.99, value=None)),
        max=0.2,
        histogram=Histogram(edges=(0.0, 0.1, 0.2), counts=(1, 1)),
    ),
    stalls=(Stall(at=0.5, seconds=0.1, cause="blocked", cpu=0.0, queued=None, line="a.py:1 in f"),),
)


def test_a_written_report_is_read_back_equal() -> None:
    assert reports_from_json(reports_to_json([REPORT, REPORT])) == (REPORT, REPORT)
    assert reports_from_json(reports_to_json([])) == ()


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b'{"schema": 999, "reports": []}', "schema 999.*reads schema 1.*measure again"),
        (b'{"reports": []}', "not a file of reports.*schema"),
        (b"hello", "not a file of reports"),
        (b'{"schema": 1, "reports": [{"mode": "open"}]}', "not a file of reports.*name"),
    ],
)
def test_a_file_that_is_no_report_is_rejected_with_the_reason(data: bytes, reason: str) -> None:
    with pytest.raises(ValueError, match=reason):
        reports_from_json(data)


@pytest.mark.parametrize(
    ("state", "code"),
    [("ok", 0), ("failed", 1), ("regressed", 1), ("over budget", 1), ("invalid", 3), ("inconclusive", 3)],
)
def test_exit_codes(state: State, code: int) -> None:
    assert Verdict(state=state).exit_code == code
    assert len(EXIT_CODES) == 6


def test_a_percentile_is_found_or_missed() -> None:
    assert REPORT.response is not None
    assert REPORT.response.at(0.5).value == 0.1
    with pytest.raises(ValueError, match="q=95 is not a percentile"):
        REPORT.response.at(95)


def test_a_report_is_frozen_and_has_a_repr() -> None:
    with pytest.raises(dataclasses.FrozenInstanceError):
        REPORT.name = "other"  # type: ignore[misc]
    assert str(REPORT) == "open query(batch=5, model=mock, cached=False): INVALID"
    good, failed = (dataclasses.replace(REPORT, verdict=verdict) for verdict in (Verdict(), Verdict(state="failed")))
    assert (str(good).rpartition(": ")[2], str(failed).rpartition(": ")[2]) == ("measured", "measured, failed")


def test_of_two_verdicts_the_worse_one_counts() -> None:
    states: tuple[State, ...] = ("ok", "inconclusive", "over budget", "regressed", "invalid", "failed")
    for better, worse in itertools.combinations([Verdict(state=state, reasons=(state,)) for state in states], 2):
        assert better.joined(worse) is worse.joined(better) is worse
    one, other = Verdict(state="invalid", reasons=("a",)), Verdict(state="invalid", reasons=("b",), possible_rate=5.0)
    assert one.joined(other) == Verdict(state="invalid", reasons=("a", "b"), possible_rate=5.0)
