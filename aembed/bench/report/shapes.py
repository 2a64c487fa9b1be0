"""Shapes of load as tables: bursts, soaks, steps. Pure."""

from __future__ import annotations

from collections.abc import Iterator

from aembed.bench import units
from aembed.bench.model.under_load import Burst, Drift, Steps
from aembed.bench.report.tables import Table, table


def burst(b: Burst) -> Iterator[Table]:
    band = "too few requests to say" if b.band is None else " to ".join(map(units.seconds, b.band))
    rows = [
        ("base rate", units.rate(b.base_rate)),
        ("spike", f"{units.rate(b.spike_rate)} for {units.seconds(b.spike_end - b.spike_start)}"),
        ("p95 before the spike", band),
    ]
    is_felt = b.peak_response is not None or b.peak_backlog > 0  # else the run ended before it
    yield table("Burst", ("", "value"), *rows, *(_felt(b) if is_felt else [("recovery", "the spike did not begin")]))


def _felt(b: Burst) -> Iterator[tuple[str, str]]:
    yield from (
        ("slowest since the spike", units.optional(b.peak_response, units.seconds)),
        ("largest backlog", units.count(b.peak_backlog)),
        ("recovery", recovery(b)),
        ("backlog gone after", units.optional(b.drained, _drained, "not within the run")),
    )
    if b.drain_rate is not None:
        yield ("drain rate", units.rate(b.drain_rate))


def _drained(seconds: float) -> str:
    return units.seconds(seconds) if seconds else "no time: it had not grown"


def recovery(b: Burst) -> str:
    """The recovery time, or the reason why there is none."""
    if b.recovery == 0:
        return "none needed, no degradation was seen"
    missing = "not within the run" if b.recovery_unknown is None else "INCONCLUSIVE"
    return units.optional(b.recovery, lambda seconds: f"after {units.seconds(seconds)}", missing)


def drift(drift: Drift) -> Iterator[Table]:
    steady = {True: "steady: within", False: "it drifts: beyond", None: "too uncertain to say whether it is within"}
    yield table(
        "Drift over the run",
        ("", "change (95 % interval)"),
        ("median response", units.estimate(drift.response, units.change)),
        ("rate", units.estimate(drift.rate, units.change)),
        ("memory per second", units.estimate(drift.rss, units.size)),
        note=f"{steady[drift.steady]} {100 * drift.tolerance:g} %",
    )


def steps(steps: Steps) -> Iterator[Table]:
    rows = [
        (
            units.rate(s.rate),
            units.rate(s.good),
            units.share(s.errors),
            units.percentile(s.objective),
            s.state if s.valid else "INVALID",
        )
        for s in steps.steps
    ]
    o = steps.objective
    yield table(
        "Steps",
        ("offered", "good", "errors", units.quantile(o.q), "objective"),
        *rows,
        note=f"Decided on the interval: {units.quantile(o.q)} within {units.seconds(o.seconds)}, errors within "
        f"{units.share(o.most_errors)}. Highest rate within it: {knee(steps)}",
    )


def knee(steps: Steps) -> str:
    """The highest rate within the objective; a lower bound where no rate that was offered surely broke it."""
    found = steps.knee
    if found is None:
        valid = [step.state for step in steps.steps if step.valid]
        met = "the objective was met at no rate" if "broken" in valid[:1] else "no rate surely keeps the objective"
        return f"none: {met if valid else 'no step was valid'}"
    if not found.low:
        return "undecided: no rate surely keeps the objective"
    if found.high is None:
        return f"at least {units.rate(found.low)}"
    return units.estimate(found, units.rate)
