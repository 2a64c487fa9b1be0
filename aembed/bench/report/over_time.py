"""Charts whose x axis is the time of the run."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import TYPE_CHECKING

from aembed.bench import units
from aembed.bench.model.result import Report
from aembed.bench.model.under_load import RunWindow
from aembed.bench.report.svg import COLOURS, LINES, SHORTEST_TICK_S, Chart, draw_chart, formatter, time_axis

if TYPE_CHECKING:
    from matplotlib.axes import Axes


def over_time(report: Report) -> Iterator[Chart]:
    """None of a run in one window, which would be a point on an empty axis."""
    if len(_whole(report)) < 2:
        return
    if any(window.p50 is not None for window in _whole(report)):
        yield draw_chart(
            "Percentiles over time", "response time of each window", lambda axes: _percentiles(axes, report), time=True
        )
    yield draw_chart("Rates", "offered and good requests per second", lambda axes: _rates(axes, report), time=True)
    if any(map(_most_waiting, report.windows)):
        label = "most requests without an answer"
        yield draw_chart("Backlog", label, lambda axes: _backlog(axes, report), time=True)
    yield draw_chart(
        "Lag of starts and stalls", "how late requests started", lambda axes: _lag(axes, report), time=True
    )
    if sum(window.rss is not None for window in report.windows) > 1:
        yield draw_chart("Memory", "resident memory over time", lambda axes: _rss(axes, report), time=True)


def _whole(report: Report) -> list[RunWindow]:
    """The windows of the schedule; in those after it nothing is asked any more."""
    until = report.traffic.seconds if report.traffic else float("inf")
    return [window for window in report.windows if window.start + window.seconds / 2 < until]


def _middle(window: RunWindow) -> float:
    return window.start + window.seconds / 2


def _marks(axes: Axes, report: Report) -> None:
    """The spike, and stalls."""
    if report.burst is not None:
        axes.axvspan(report.burst.spike_start, report.burst.spike_end, color=COLOURS["soft"], alpha=0.3, label="spike")
        if report.burst.recovery:
            back = report.burst.spike_end + report.burst.recovery
            axes.axvline(back, color=COLOURS["ink"], linestyle=":", label="recovered")
    for number, stall in enumerate(sorted(report.stalls, key=lambda stall: -stall.seconds)[:20]):
        until = stall.at + stall.seconds
        axes.axvspan(stall.at, until, color=COLOURS["bad"], alpha=0.35, label="_stall" if number else "stall")
    _run_axis(axes, report)


def _run_axis(axes: Axes, report: Report) -> None:
    """The same in all charts, so that one moment is at one place."""
    last = report.windows[-1]
    axes.set_xlim(0, last.start + last.seconds)
    axes.set_xlabel("seconds")


def _percentiles(axes: Axes, report: Report) -> None:
    shown = _whole(report)
    for (colour, line), name in zip(LINES, ("p50", "p95", "p99"), strict=True):
        values = [getattr(window, name) for window in shown]
        known = [math.nan if value is None else value for value in values]
        axes.plot([_middle(w) for w in shown], known, line, color=COLOURS[colour], label=name)
    time_axis(axes.yaxis)
    _marks(axes, report)


def _rates(axes: Axes, report: Report) -> None:
    shown = _whole(report)
    lines: list[tuple[tuple[str, str], str]] = [(LINES[0], "offered"), (LINES[1], "good")]
    if any(window.errors for window in shown):
        lines.append((("bad", ":"), "errors"))
    for (colour, line), name in lines:
        values = [getattr(window, name) / window.seconds for window in shown]
        edges = [*(window.start for window in shown), shown[-1].start + shown[-1].seconds]
        steps = [*values, values[-1]]
        axes.plot(edges, steps, line, color=COLOURS[colour], label=name, drawstyle="steps-post")
    axes.set_ylabel("requests per second")
    axes.set_ylim(bottom=0)
    _marks(axes, report)


def _backlog(axes: Axes, report: Report) -> None:
    middles = [_middle(window) for window in report.windows]
    most = [_most_waiting(window) for window in report.windows]
    axes.fill_between(middles, most, color=COLOURS["one"], alpha=0.4, label="_backlog")
    axes.plot(middles, most, color=COLOURS["one"], label="backlog")
    axes.set_ylabel("asked, not answered")
    axes.set_ylim(bottom=0)
    _marks(axes, report)


def _most_waiting(window: RunWindow) -> int:
    return window.backlog if window.backlog_peak is None else window.backlog_peak


def _lag(axes: Axes, report: Report) -> None:
    shown = _whole(report)
    latest = [max(window.lag_max, SHORTEST_TICK_S) for window in shown]
    axes.plot([_middle(w) for w in shown], latest, color=COLOURS["two"], label="latest start")
    time_axis(axes.yaxis)
    _marks(axes, report)


def _rss(axes: Axes, report: Report) -> None:
    there = [(window.start, window.rss) for window in report.windows if window.rss is not None]
    axes.plot(*zip(*there, strict=True), color=COLOURS["one"], label="memory")
    axes.yaxis.set_major_formatter(formatter(units.size))
    low, high = min(size for _, size in there), max(size for _, size in there)
    axes.set_ylim(0.95 * low, 1.05 * high)  # growth is what matters, and from 0 on it would be a line at the frame
    _run_axis(axes, report)
