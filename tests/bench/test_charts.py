"""Charts of a page: their content, their descriptions, and legends that fit."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from aembed.bench.compare.history import StoredReport, trends
from aembed.bench.compare.metrics import Metric
from aembed.bench.model.estimates import Estimate
from aembed.bench.model.result import Mode
from aembed.bench.report import (
    charts,
    html,
    shapes,
    svg,
)
from tests.bench.reports import window
from tests.bench.samples import MODES, samples
from tests.bench.shown import Page

if TYPE_CHECKING:
    from matplotlib.axes import Axes


@pytest.mark.parametrize("mode", [mode for mode in MODES if mode not in {"memory", "cost"}])
def test_charts_are_described_in_words_and_follow_the_colour_scheme(mode: Mode) -> None:
    drawn = charts.charts(samples()[mode])
    assert drawn
    for chart in drawn:
        assert chart.label.startswith(chart.title)
        assert chart.svg.count("<path") + chart.svg.count("<rect") > 3
        assert "var(--one)" in chart.svg or "var(--two)" in chart.svg
        assert "#01010" not in chart.svg


def test_burst_shows_spike_and_recovery() -> None:
    (rates,) = [chart for chart in charts.charts(samples()["burst"]) if chart.title == "Rates"]
    assert "spike" in rates.svg
    assert "recovered" in rates.svg


@pytest.mark.parametrize(
    ("recovery", "recovery_unknown", "said"),
    [
        (1.25, None, "after 1.25 s"),
        (0.0, None, "none needed, no degradation was seen"),
        (None, None, "not within the run"),
        (None, "too few", "INCONCLUSIVE"),
    ],
)
def test_recovery_is_a_number_only_where_it_is_one(
    recovery: float | None, recovery_unknown: str | None, said: str
) -> None:
    burst = samples()["burst"].burst
    assert burst is not None
    assert shapes.recovery(replace(burst, recovery=recovery, recovery_unknown=recovery_unknown)) == said


def test_trends_are_drawn_with_their_changes_of_level() -> None:
    values = [*(1.0 + 0.001 * (i % 3) for i in range(20)), *(1.2 + 0.001 * (i % 3) for i in range(20))]
    entries = [
        StoredReport(
            started=f"2026-01-{i // 24 + 1:02}T{i % 24:02}:00:00+00:00",
            revision=f"{i:07x}",
            dirty=False,
            machine="m",
            python="3.11.7",
            loop="uvloop",
            mode="micro",
            name="query",
            parameters={},
            canary=0.01,
            figures=(Metric(metric="time", unit="s", nature="computing", value=Estimate(value=value)),),
        )
        for i, value in enumerate(values)
    ]
    found = trends(entries)
    assert len(found[0].changes) == 1
    page = Page(html(trends=found))
    assert "query(): time" in page.text or "query: time" in page.text


def test_one_moment_is_at_one_place_in_all_charts_over_time() -> None:
    plots = [chart.plot for chart in charts.charts(samples()["burst"]) if chart.plot and chart.plot["time"]]
    assert len(plots) > 3
    assert len({(plot["x"]["low"], plot["x"]["high"]) for plot in plots}) == 1


def test_the_rate_of_the_last_window_is_drawn_to_its_end() -> None:
    made = replace(
        samples()["open"], windows=(window(0, 0.01), window(1, 0.01), window(2, 0.01)), stalls=(), burst=None
    )
    (rates,) = [chart for chart in charts.charts(made) if chart.title == "Rates"]
    assert rates.plot is not None
    offered = next(series for series in rates.plot["series"] if series["name"] == "offered")
    assert (offered["x"], offered["y"]) == ([0, 1, 2, 3], [10, 10, 10, 10])


def test_no_percentiles_are_drawn_where_every_request_failed() -> None:
    made = replace(samples()["open"], windows=(window(0, None, good=0), window(1, None, good=0)))
    assert "Percentiles over time" not in {chart.title for chart in charts.charts(made)}


def test_charts_of_one_of_several_rates_say_which() -> None:
    found = [(chart.title, chart.at) for chart in charts.charts(samples()["steps"])]
    assert found[0] == ("Steps", "")
    assert {at for _, at in found[1:]} == {" at 80.0/s"}
    assert "<figcaption>Rates at 80.0/s</figcaption>" in html([samples()["steps"]])


@pytest.mark.parametrize("names", [["line"], ["line"] * 4, ["line"] * 6, ["measured", "INVALID", "objective", "knee"]])
def test_the_legend_is_above_the_lines_and_not_cut(names: list[str]) -> None:
    drawn = []

    def draw(axes: Axes) -> None:
        drawn.append(axes)
        for number, name in enumerate(names):
            axes.plot([0, 1], [number, number], label=f"{name} {number}")

    svg.draw_chart("Chart", "lines", draw)
    (axes,) = drawn
    legend = axes.get_legend()
    assert legend is not None
    assert legend.get_window_extent().y0 >= axes.get_window_extent().y1
    assert legend.get_window_extent().y1 <= axes.figure.bbox.y1
    assert legend.get_window_extent().x1 <= axes.figure.bbox.x1
