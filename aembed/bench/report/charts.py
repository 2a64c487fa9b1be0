"""One chart for each question that a report answers."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any, TypeAlias

from aembed.bench import units
from aembed.bench.compare.changes import Comparison
from aembed.bench.model.estimates import Distribution
from aembed.bench.model.one_at_a_time import Scaling
from aembed.bench.model.result import Report, named
from aembed.bench.model.sweep import Sweep
from aembed.bench.model.under_load import Steps
from aembed.bench.report.latency import at_rate
from aembed.bench.report.over_time import over_time
from aembed.bench.report.stacked import stacked
from aembed.bench.report.svg import COLOURS, LINES, SHORTEST_TICK_S, Chart, draw_chart, formatter, log_axis, time_axis
from aembed.bench.report.tables import printable
from aembed.bench.report.versus_charts import versus_charts

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from aembed.bench.compare.history import Trend

Ends: TypeAlias = tuple[float, float, float]
"""A value, and the ends of its interval."""
ABOVE: Any = {"xytext": (-5, 5), "ha": "right"}
BELOW: Any = {"xytext": (5, -12), "ha": "left"}
"""Places of a name beside its point."""
OF_ALL_RATES = {"Steps"}
"""Charts that show more than one of a report's several rates."""


def charts(report: Report) -> tuple[Chart, ...]:
    """The charts of ``report``."""
    rate = at_rate(report)
    return tuple(chart if chart.title in OF_ALL_RATES else replace(chart, at=rate) for chart in _charts(report))


def _charts(report: Report) -> Iterator[Chart]:
    if report.versus is not None:
        yield from versus_charts(report.versus)
    if report.sweep is not None and any(cell.state in {"front", "beaten"} for cell in report.sweep.cells):
        swept = report.sweep
        yield draw_chart("Throughput against latency", _swept_label(swept), lambda axes: _front(axes, swept))
    if report.steps is not None:
        steps = report.steps
        yield draw_chart("Steps", "latency at each offered rate", lambda axes: _staircase(axes, steps))
    if report.breakdown is not None and report.breakdown.requests:
        yield stacked(report.breakdown)
    if report.response is not None and report.service is not None and report.response.histogram.counts:
        yield draw_chart(
            "Latency distribution",
            "share of requests by response time",
            lambda axes: _bars(axes, report),
            x_unit="time",
        )
        yield draw_chart(
            "Percentiles", "latency by percentile", lambda axes: _spectrum(axes, report), x_unit="quantile"
        )
    yield from over_time(report)
    if report.scaling is not None:
        scaling = report.scaling
        yield draw_chart("Scaling", f"value by {scaling.parameter}", lambda axes: _scaling(axes, scaling))
    if report.micro is not None:
        samples = report.micro.samples
        yield draw_chart(
            "Time per operation, block by block",
            "time per operation of each block",
            lambda axes: _blocks(axes, samples),
        )


def comparison(found: Comparison) -> tuple[Chart, ...]:
    """Changes with their intervals, one below the other."""
    drawn = [change for change in found.changes if change.change is not None]
    if not drawn:
        return ()

    def draw(axes: Axes) -> None:
        for place, change in enumerate(reversed(drawn)):
            assert change.change is not None
            value, low, high = (100 * x for x in _ends(change.change))
            colour = COLOURS["bad" if change.finding == "regressed" else "one"]
            axes.plot([low, high], [place, place], color=colour)
            axes.plot(value, place, "s" if change.finding == "regressed" else "o", color=colour)
        axes.axvline(0, color=COLOURS["ink"], linewidth=1)
        axes.set_yticks(range(len(drawn)), [printable(f"{c.name}, {c.metric}")[:34] for c in reversed(drawn)])
        axes.set_xlabel("change in %, with 95 % interval")

    return (draw_chart("Changes", "relative change of each figure", draw, height=1.7 + 0.28 * len(drawn), left=0.45),)


def trend(found: Trend) -> Chart:
    """One figure over revisions, its changes of level marked."""

    def draw(axes: Axes) -> None:
        values = [point.value for point in found.points]
        axes.plot(values, "o-", color=COLOURS["one"], markersize=4, label="value")
        for change in found.changes:
            finding = found.finding(change)
            colour, line = (COLOURS["bad"], ":") if finding == "regressed" else (COLOURS["three"], "--")
            axes.axvline(change.index - 0.5, color=colour, linestyle=line, label=finding)
        names = [f"{(p.revision or p.started)[:7]}{'*' * p.dirty}" for p in found.points]
        every = max(1, len(names) // 6)
        axes.set_xticks(range(0, len(names), every), names[::every])
        axes.yaxis.set_major_formatter(formatter(units.of(found.unit)))
        axes.set_ylim(0, 1.08 * max(values, default=1.0) or 1.0)

    return draw_chart(f"{named(found.name, found.parameters)}: {found.metric}", "value at each revision", draw)


def _bars(axes: Axes, report: Report) -> None:
    assert report.response is not None
    assert report.service is not None
    for distribution, name, alpha in ((report.response, "response", 0.45), (report.service, "service", 0.0)):
        histogram = distribution.histogram
        shares = [100 * number / distribution.count for number in histogram.counts]
        colour = COLOURS["one" if name == "response" else "two"]
        axes.stairs(shares, histogram.edges, fill=False, color=colour, label=name, linewidth=1.2)
        if alpha:
            axes.stairs(shares, histogram.edges, fill=True, color=colour, alpha=alpha, label=f"_{name}")
    time_axis(axes.xaxis)
    axes.set_ylabel("% of requests")


def _spectrum(axes: Axes, report: Report) -> None:
    ticks = (0.5, 0.9, 0.99, 0.999)
    shown = (("response", report.response), ("service", report.service), ("lag", report.lag))
    for (colour, line), (name, distribution) in zip(LINES, shown, strict=True):
        if distribution is not None and distribution.histogram.counts:
            x, y = _tail(distribution)
            axes.plot(x, y, line, color=COLOURS[colour], label=name, drawstyle="steps-pre")
    axes.set_xscale("log")
    axes.set_xticks([1 / (1 - q) for q in ticks], [units.quantile(q) for q in ticks], minor=False)
    axes.minorticks_off()
    time_axis(axes.yaxis)


def _tail(distribution: Distribution) -> tuple[list[float], list[float]]:
    """``1 / (1 - q)`` and the time at ``q``, of those that were measured."""
    below = 0
    x, y = [], []
    for number, edge in zip(distribution.histogram.counts, distribution.histogram.edges[1:], strict=True):
        below += number
        left = distribution.count - below
        if number:
            x.append(distribution.count / max(left, 0.5))
            y.append(max(edge, SHORTEST_TICK_S))
    return x, y


def _staircase(axes: Axes, steps: Steps) -> None:
    for valid, mark, name in ((True, "o", "measured"), (False, "x", "INVALID")):
        there = [(s.rate, s.objective.value) for s in steps.steps if s.valid is valid and s.objective.value is not None]
        if there:
            axes.plot(*zip(*there, strict=True), mark, color=COLOURS["one" if valid else "bad"], label=name)
    axes.axhline(steps.objective.seconds, color=COLOURS["bad"], linestyle="--", label="objective")
    if steps.knee is not None:
        low, high = steps.knee.low, steps.knee.high
        axes.axvline(steps.knee.value, color=COLOURS["ink"], linestyle=":", label="knee")
        if low is not None and high is not None:
            axes.axvspan(low, high, color=COLOURS["soft"], alpha=0.3, label="interval of the knee")
    time_axis(axes.yaxis)
    log_axis(axes.xaxis, units.count)
    axes.set_xlabel("offered, requests per second")


def _swept_label(sweep: Sweep) -> str:
    return f"{units.quantile(sweep.q)} and throughput of each cell"


def _front(axes: Axes, sweep: Sweep) -> None:
    shown = [cell for cell in sweep.cells if cell.state in {"front", "beaten"}]
    for state, colour, mark in (("front", "one", "o"), ("beaten", "two", "s")):
        cells = [(c.throughput, c.latency) for c in shown if c.state == state]
        points = [(_ends(rate), _ends(latency)) for rate, latency in cells if latency and latency.value is not None]
        if points:
            _crosses(axes, points, COLOURS[colour], mark, state)
    for cell in shown:
        if cell.throughput is not None and cell.latency is not None and cell.latency.value is not None:
            values = ", ".join(str(value) for value in cell.parameters.values())
            place = (cell.throughput.value, cell.latency.value)
            beside = BELOW if cell.state == "front" else ABOVE  # cells that beat each other are often close
            axes.annotate(values, place, textcoords="offset points", fontsize=9, **beside)
    if sweep.goal is not None:
        axes.axhline(sweep.goal.limit, color=COLOURS["bad"], linestyle="--", label="objective")
    time_axis(axes.yaxis)
    axes.margins(x=0.12, y=0.1)
    log_axis(axes.xaxis, units.count)
    axes.set_xlabel(f"{sweep.items} per second; points: {', '.join(sweep.over)}")


def _crosses(axes: Axes, points: Sequence[tuple[Ends, Ends]], colour: str, mark: str, label: str) -> None:
    """Points with an interval in both directions."""
    (x, left, right), (y, below, above) = (
        ([v for v, _, _ in way], [v - low for v, low, _ in way], [high - v for v, _, high in way])
        for way in zip(*points, strict=True)
    )
    axes.errorbar(x, y, xerr=[left, right], yerr=[below, above], fmt=mark, color=colour, label=label, capsize=2)


def _scaling(axes: Axes, scaling: Scaling) -> None:
    x = [point.x for point in scaling.points]
    ends = [_ends(point.value) for point in scaling.points]
    spread = [[v - low for v, low, _ in ends], [high - v for v, _, high in ends]]
    axes.errorbar(x, [v for v, _, _ in ends], yerr=spread, fmt="o", color=COLOURS["one"], label="measured", capsize=3)
    grid = [min(x) + (max(x) - min(x)) * i / 60 for i in range(61)]
    if scaling.linear is not None:
        line = scaling.linear
        fitted = [line.fixed.value + line.per_unit.value * at for at in grid]
        axes.plot(grid, fitted, "--", color=COLOURS["two"], label="straight line")
    if scaling.usl is not None:
        u = scaling.usl
        curve = [u.gain.value * n / (1 + u.contention.value * (n - 1) + u.coherence.value * n * (n - 1)) for n in grid]
        axes.plot(grid, curve, "--", color=COLOURS["two"], label="scalability law")
    axes.yaxis.set_major_formatter(formatter(units.of(scaling.unit)))
    axes.set_ylim(bottom=0)
    axes.set_xlabel(scaling.parameter)


def _blocks(axes: Axes, samples: Sequence[Sequence[float]]) -> None:
    for number, row in enumerate(samples):
        places = [number + 1 + 0.6 * (i / max(1, len(row) - 1) - 0.5) for i in range(len(row))]
        axes.plot(places, row, ".", color=COLOURS["one"], markersize=4)
    axes.set_xticks(range(1, len(samples) + 1))
    axes.set_xlabel("process")
    axes.yaxis.set_major_formatter(formatter(units.tick))
    axes.set_ylim(bottom=0)


def _ends(value: Any) -> Ends:
    low = value.value if value.low is None else value.low
    high = value.value if value.high is None else value.high
    return value.value, min(low, value.value), max(high, value.value)
