"""Parts of a report on one operation at a time, each as its tables. Pure."""

from __future__ import annotations

from collections.abc import Iterator

from aembed.bench import units
from aembed.bench.model.one_at_a_time import Cost, LinearFit, Memory, Micro, Scaling
from aembed.bench.report.tables import Table, table

SURELY_CURVED = 0.01
"""A lack of fit is no chance below this p-value."""


def micro(micro: Micro) -> Iterator[Table]:
    yield table(
        "Time per operation",
        ("clock", "time (95 % interval)"),
        ("wall", units.estimate(micro.wall, units.seconds)),
        ("CPU", units.estimate(micro.cpu, units.seconds)),
        note=f"{micro.processes} fresh process{'' if micro.processes == 1 else 'es'}, {micro.blocks} blocks of "
        f"{units.count(micro.operations)} operation{'s' * (micro.operations != 1)} each",
    )


def cost(cost: Cost) -> Iterator[Table]:
    names = ("tasks", "callbacks", "timers", "threads", "calls", "allocations")
    rows = [(name, units.optional(getattr(cost, name), units.count)) for name in names]
    exact = "equal in every pass" if cost.exact else "NOT equal in every pass: no gate"
    yield table("Cost per operation, counted", ("", "per operation"), *rows, note=exact)


def scaling(scaling: Scaling) -> Iterator[Table]:
    unit = units.of(scaling.unit)
    points = [(units.count(point.x), units.estimate(point.value, unit)) for point in scaling.points]
    yield table("Scaling", (scaling.parameter, "value (95 % interval)"), *points)
    if scaling.linear is not None:
        line = scaling.linear
        yield table(
            "Straight line",
            ("", "value (95 % interval)"),
            ("fixed", units.estimate(line.fixed, unit)),
            (f"per unit of {scaling.parameter}", units.estimate(line.per_unit, unit)),
            ("R²", f"{line.r2:.4f}"),
            ("a straight line", units.optional(line.lack_of_fit, _fits)),
        )
    if scaling.usl is not None:
        u = scaling.usl
        yield table(
            "Universal scalability law",
            ("", "value (95 % interval)"),
            ("alone", units.estimate(u.gain, units.rate)),
            ("contention", units.estimate(u.contention, units.digits)),
            ("coherence", units.estimate(u.coherence, units.digits)),
            ("most throughput at", units.optional(u.peak, units.digits, "no limit seen")),
            ("R²", f"{u.r2:.4f}"),
        )


def is_curved(line: LinearFit) -> bool:
    """The points surely do not lie on a straight line."""
    return line.lack_of_fit is not None and line.lack_of_fit < SURELY_CURVED


def _fits(p: float) -> str:
    """The p-value of the lack of fit, in words."""
    shown = "p < 0.001" if p < 0.001 else f"p = {units.digits(p)}"
    return f"{'does not fit' if p < SURELY_CURVED else 'fits'} (lack of fit: {shown})"


def memory(m: Memory) -> Iterator[Table]:
    yield table(
        "Memory",
        ("", "value"),
        ("allocated per operation", units.optional(m.bytes, units.size)),
        ("allocations per operation", units.optional(m.allocations, units.count)),
        ("peak of one operation", units.optional(m.peak, units.size)),
        ("blocks kept per operation", units.estimate(m.retained, units.digits)),
        ("process growth per operation", units.estimate(m.rss, units.size)),
        ("leak", _leak(m)),
        note=f"{units.count(m.operations)} operations",
    )


def _leak(m: Memory) -> str:
    if m.leaking:
        return "LEAKING"
    return (
        "perhaps: something fills" if m.filling else f"none above {units.digits(m.smallest_leak)} blocks per operation"
    )
