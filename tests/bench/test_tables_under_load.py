"""Tables of runs under load, from invented parts, word for word."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from aembed.bench.model.estimates import Distribution, Estimate, Histogram, Percentile
from aembed.bench.model.objectives import ObjectiveState
from aembed.bench.model.under_load import (
    Burst,
    Closed,
    Drift,
    Failure,
    Objective,
    Pacing,
    ProcessShare,
    RateStep,
    Stall,
    Steps,
    Traffic,
)
from aembed.bench.report import headlines, sections
from tests.bench.reports import HERE, report
from tests.bench.tables import note, rows

BURST = Burst(
    base_rate=50.0,
    spike_rate=300.0,
    spike_start=4.0,
    spike_end=5.5,
    band=(0.009, 0.011),
    peak_response=2.0,
    peak_backlog=200,
    recovery=4.25,
    drained=4.0,
    drain_rate=100.0,
)


DRIFT = Drift(
    response=Estimate(value=0.5, low=0.4, high=0.6),
    rate=Estimate(value=-0.01, low=-0.02, high=0.0),
    rss=Estimate(value=2000.0, low=1000.0, high=3000.0),
    tolerance=0.1,
    steady=False,
)


def traffic(**parts: Any) -> Traffic:
    made = Traffic(
        offered=1000,
        started=995,
        ok=950,
        failed=20,
        wrong=0,
        timed_out=25,
        unfinished=5,
        offered_rate=100.0,
        achieved_rate=99.5,
        good_rate=95.0,
        seconds=10.0,
        peak_in_flight=12,
        peak_backlog=3,
        failures=(Failure(kind="KeyError", count=20, example="'x'"),),
    )
    return replace(made, **parts)


def step(rate: float, p95: float, *, state: ObjectiveState, valid: bool = True) -> RateStep:
    return RateStep(
        rate=rate,
        achieved=rate,
        good=rate - 1,
        errors=0.005,
        p50=0.01,
        p95=p95,
        p99=0.1,
        objective=Percentile(q=0.95, value=p95, low=p95 / 2, high=p95 * 2),
        state=state,
        valid=valid,
    )


def test_traffic_shows_the_kinds_that_occurred() -> None:
    made = replace(report(), mode="open", micro=None, traffic=traffic())
    assert rows(made, "Requests") == [
        ("offered", "1,000", "100/s"),
        ("good", "950", "95.0/s"),
        ("failed", "20", "2.00 %"),
        ("timed out", "25", "2.50 %"),
        ("unfinished", "5", "0.500 %"),
        ("most in flight", "12", ""),
        ("most waiting to start", "3", ""),
    ]
    assert rows(made, "Failures") == [("KeyError", "20", "'x'")]
    behind = replace(made, traffic=traffic(started=810, achieved_rate=80.0, peak_backlog=0))
    assert rows(behind, "Requests")[1] == ("started", "810", "80.0/s")
    assert rows(behind, "Requests")[-1] == ("most in flight", "12", "")
    calm = replace(made, traffic=traffic(wrong=1, failures=()))
    assert ("wrong result", "1", "0.100 %") in rows(calm, "Requests")
    assert [table.title for table in sections.tables(calm)] == ["Requests", "Where and how"]


def test_users_show_littles_law() -> None:
    closed = Closed(users=10, think=0.09, response=0.01, rate=100.0, little=9.98)
    made = replace(report(), mode="closed", closed=closed)
    assert rows(made, "Users") == [
        ("users", "10"),
        ("mean think time", "90.0 ms"),
        ("mean response", "10.0 ms"),
        ("realised rate", "100/s"),
        ("rate x (response + think)", "9.98 users"),
    ]


def test_a_burst_shows_how_long_it_was_felt() -> None:
    assert rows(replace(report(), mode="burst", burst=BURST), "Burst") == [
        ("base rate", "50.0/s"),
        ("spike", "300/s for 1.50 s"),
        ("p95 before the spike", "9.00 ms to 11.0 ms"),
        ("slowest since the spike", "2.00 s"),
        ("largest backlog", "200"),
        ("recovery", "after 4.25 s"),
        ("backlog gone after", "4.00 s"),
        ("drain rate", "100/s"),
    ]
    lasting = replace(BURST, band=None, peak_response=None, recovery=None, drained=None, drain_rate=None)
    assert [row[1] for row in rows(replace(report(), burst=lasting), "Burst")][2:] == [
        "too few requests to say",
        "not measured",
        "200",
        "not within the run",
        "not within the run",
    ]
    assert headlines.headline(replace(report(), burst=BURST)) == "recovery: after 4.25 s"


def test_a_run_that_ended_before_the_spike_says_so() -> None:
    early = replace(BURST, peak_response=None, peak_backlog=0, recovery=None, recovery_unknown="too few requests")
    assert rows(replace(report(), burst=early), "Burst")[3:] == [("recovery", "the spike did not begin")]


def test_a_drift_shows_its_intervals() -> None:
    made = replace(report(), mode="sustained", drift=DRIFT)
    assert rows(made, "Drift over the run") == [
        ("median response", "+50.0 % (+40.0 to +60.0 %)"),
        ("rate", "-1.0 % (-2.0 to 0.0 %)"),
        ("memory per second", "2.00 kB (1.00 to 3.00 kB)"),
    ]
    assert note(made, "Drift over the run") == "it drifts: beyond 10 %"


def test_steps_show_which_rates_are_within() -> None:
    table = (
        step(100, 0.02, state="kept"),
        step(200, 0.2, state="broken"),
        step(400, 0.01, state="not judged", valid=False),
    )
    steps = Steps(objective=Objective(q=0.95, seconds=0.05), steps=table, knee=Estimate(value=150, low=100, high=200))
    made = replace(report(), mode="steps", steps=steps)
    assert rows(made, "Steps") == [
        ("100/s", "99.0/s", "0.500 %", "20.0 ms (10.0 to 40.0 ms)", "kept"),
        ("200/s", "199/s", "0.500 %", "200 ms (100 to 400 ms)", "broken"),
        ("400/s", "399/s", "0.500 %", "10.0 ms (5.00 to 20.0 ms)", "INVALID"),
    ]
    said = "Decided on the interval: p95 within 50.0 ms, errors within 1.00 %. Highest rate within it: "
    assert note(made, "Steps") == f"{said}150/s (100 to 200/s)"
    none = replace(made, steps=replace(steps, knee=None, steps=table[1:]))
    assert note(none, "Steps") == f"{said}none: the objective was met at no rate"
    no_step = replace(none, steps=replace(steps, knee=None, steps=table[2:]))
    assert note(no_step, "Steps") == f"{said}none: no step was valid"
    doubtful = (step(100, 0.02, state="inconclusive"), step(200, 0.2, state="broken"))
    unsure = replace(made, steps=replace(steps, knee=None, steps=doubtful))
    assert note(unsure, "Steps") == f"{said}none: no rate surely keeps the objective"
    unsure = replace(made, steps=replace(steps, knee=Estimate(value=150, low=0, high=200), steps=doubtful))
    assert note(unsure, "Steps") == f"{said}undecided: no rate surely keeps the objective"
    open_end = replace(steps, knee=Estimate(value=150, low=100))
    assert headlines.headline(made) == "highest rate within the objective: 150/s (100 to 200/s)"
    assert headlines.headline(replace(made, steps=open_end)) == "highest rate within the objective: at least 100/s"
    assert headlines.headline(none).endswith(": none: the objective was met at no rate")


def distribution(**parts: Any) -> Distribution:
    made = Distribution(
        count=1000,
        censored=0,
        mean=0.012,
        percentiles=(
            Percentile(q=0.5, value=0.01, low=0.009, high=0.011),
            Percentile(q=0.99, value=0.05),
        ),
        max=0.06,
        histogram=Histogram(edges=(), counts=()),
    )
    return replace(made, **parts)


def test_latency_shows_all_three_clocks() -> None:
    failed = distribution(mean=None, max=None, censored=50)
    made = replace(report(), mode="open", response=failed, service=distribution(), lag=None, traffic=traffic())
    assert rows(made, "Latency (95 % intervals)") == [
        ("p50", "10.0 ms (9.00 to 11.0 ms)", "10.0 ms (9.00 to 11.0 ms)"),
        ("p99", "50.0 ms (too few)", "50.0 ms (too few)"),
        ("max", "none was good", "60.0 ms"),
        ("mean", "none: 5.00 % failed", "12.0 ms"),
    ]
    assert headlines.headline(made) == "fewer than 95 of 100 requests had a good answer, at 95.0/s"
    fast = replace(failed, percentiles=(Percentile(q=0.95, value=0.05, low=0.04, high=0.06),))
    said = "95 of 100 requests are answered within 50.0 ms (40.0 to 60.0 ms), at 95.0/s"
    assert headlines.headline(replace(made, response=fast)) == said
    assert "Too few for an interval of p99: run about 20 s." in note(made, "Latency (95 % intervals)")
    (brief,) = [found for found in sections.tables(made, brief=True) if found.title == "Latency (95 % intervals)"]
    assert brief.columns == ("", "response")
    assert headlines.headline(replace(made, traffic=None)) == "fewer than 95 of 100 requests had a good answer"
    assert headlines.headline(replace(made, traffic=None, response=None)) == "nothing was decided"


def test_the_ten_longest_stalls_are_shown_in_their_order() -> None:
    stalls = [
        Stall(at=float(i), seconds=(i + 1) / 10, cause="cpu", cpu=0, queued=0, line=f"a.py:{i}") for i in range(12)
    ]
    made = replace(report(), stalls=tuple(reversed(stalls)))
    assert [row[0] for row in rows(made, "Stalls of the loop")] == [
        f"{i:.2f} s" if i < 10 else f"{i}.0 s" for i in range(2, 12)
    ]
    assert note(made, "Stalls of the loop") == "the longest of 12"
    assert note(replace(made, stalls=tuple(stalls[:10])), "Stalls of the loop") == ""
    causes = [replace(stalls[0], cause=cause) for cause in ("cpu", "blocked", "descheduled", "unknown")]
    assert [row[2] for row in rows(replace(made, stalls=tuple(causes)), "Stalls of the loop")] == [
        "your code burnt CPU",
        "your code blocked",
        "the machine took the CPU away",
        "unknown",
    ]


def test_each_process_has_its_line() -> None:
    shares = (
        ProcessShare(offered=1000, lag_p99=0.0002, cpu=0.5, valid=True),
        ProcessShare(offered=1000, lag_p99=None, cpu=None, valid=False),
    )
    pacing = Pacing(arrivals="poisson(rate=5)", seed=7, pacer="call_at", fallback="no timerfd")
    made = replace(report(where=HERE), mode="open", processes=shares, pacing=pacing)
    assert rows(made, "Processes") == [
        ("1", "1,000", "200 µs", "50.0 %", "yes"),
        ("2", "1,000", "not known", "not known", "INVALID"),
    ]
    schedule = "poisson(rate=5), seed 7, by call_at, in 2 processes (no timerfd)"
    assert ("schedule", schedule) in rows(made, "Where and how")
