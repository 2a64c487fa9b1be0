"""What charts draw, as data: lines over the time of a run, sides in turns, and the bars of the parts of requests."""

from __future__ import annotations

import re
import sys
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

import pytest
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from aembed.bench import units
from aembed.bench.model.breakdown import Breakdown
from aembed.bench.model.result import Report
from aembed.bench.model.under_load import Stall
from aembed.bench.report.over_time import over_time
from aembed.bench.report.plot import plot_of
from aembed.bench.report.stacked import stacked
from aembed.bench.report.svg import COLOURS, Chart, formatter
from aembed.bench.report.versus_charts import versus_charts
from tests.bench.reports import report, window
from tests.bench.test_tables_of_sides import against
from tests.bench.test_tables_under_load import BURST, traffic


@pytest.fixture
def axes(monkeypatch: pytest.MonkeyPatch) -> dict[str, Axes]:
    """The axes of each chart by its title: nothing is rendered, which takes most of the time."""
    found: dict[str, Axes] = {}

    def draw_chart(name: str, label: str, draw: Callable[[Axes], None], *, time: bool = False, **size: float) -> Chart:
        found[name] = Figure().subplots()
        draw(found[name])
        return Chart(name, label, str(size), plot_of(found[name], COLOURS, time=time, x_unit=""))

    for module in ("over_time", "versus_charts"):
        monkeypatch.setattr(sys.modules[f"aembed.bench.report.{module}"], "draw_chart", draw_chart)
    return found


def run() -> Report:
    """Three windows of the schedule and one after it, a spike, and two stalls."""
    stall = Stall(at=1.5, seconds=0.25, cause="cpu", cpu=0, queued=0, line=None)
    return replace(
        report(),
        traffic=traffic(seconds=3.0),
        burst=replace(BURST, spike_start=1.0, spike_end=2.0, recovery=0.5),
        stalls=(stall, replace(stall, at=2.0, seconds=0.5)),
        windows=(
            window(0, 0.01, rss=1000),
            replace(window(1, 0.02), p95=0.03, p99=0.05, errors=2, lag_max=0.5, backlog=3, backlog_peak=7),
            replace(window(2, None, rss=3000), good=4, lag_max=1e-9, backlog=2),
            replace(window(3, 0.5), backlog=1),
        ),
    )


Lines = dict[str, tuple[Any, Any]]


def drawn(charts: Iterator[Chart]) -> dict[str, tuple[dict[str, Any], Lines]]:
    """By title: the whole plot, and the points of its lines by their names."""
    found = {}
    for chart in charts:
        assert chart.plot is not None
        lines = {each["name"]: (each["x"], each["y"]) for each in chart.plot["series"] if each["kind"] == "line"}
        found[chart.title] = chart.plot, lines
    return found


def test_a_run_is_drawn_over_its_time(axes: dict[str, Axes]) -> None:
    found = drawn(over_time(run()))
    middles, edges = [0.5, 1.5, 2.5], [0.0, 1.0, 2.0, 3.0]
    assert {title: lines for title, (_, lines) in found.items()} == {
        "Percentiles over time": {
            "p50": (middles, [0.01, 0.02, None]),
            "p95": (middles, [0.01, 0.03, None]),
            "p99": (middles, [0.01, 0.05, None]),
        },
        "Rates": {
            "offered": (edges, [10.0] * 4),
            "good": (edges, [10.0, 10.0, 4.0, 4.0]),
            "errors": (edges, [0.0, 2.0, 0.0, 0.0]),
        },
        "Backlog": {"backlog": ([*middles, 3.5], [0.0, 7.0, 2.0, 1.0])},
        "Lag of starts and stalls": {"latest start": (middles, [1e-6, 0.5, 1e-6])},
        "Memory": {"memory": ([0.0, 2.0], [1000.0, 3000.0])},
    }
    for title, (plot, _) in found.items():
        assert plot["time"]
        assert (plot["x"]["low"], plot["x"]["high"], plot["x"]["label"]) == (0.0, 4.0, "seconds")
        assert plot["y"]["log"] is (title in {"Percentiles over time", "Lag of starts and stalls"})
    steps = {title: {each.get("step", "") for each in plot["series"]} for title, (plot, _) in found.items()}
    assert (steps["Rates"], steps["Backlog"], steps["Memory"]) == ({"", "post"}, {""}, {""})
    assert {title: found[title][0]["y"]["label"] for title in ("Rates", "Backlog")} == {
        "Rates": "requests per second",
        "Backlog": "asked, not answered",
    }
    assert (found["Rates"][0]["y"]["low"], found["Backlog"][0]["y"]["low"]) == (0.0, 0.0)
    memory = found["Memory"][0]["y"]
    assert (memory["low"], memory["high"], memory["unit"]) == (950.0, 3150.0, "size")
    (area,) = [each for each in found["Backlog"][0]["series"] if each["kind"] == "area"]
    assert (max(area["y"]), area["name"]) == (7.0, "_backlog")


def test_the_spike_and_the_stalls_are_marked_the_longest_first(axes: dict[str, Axes]) -> None:
    found = drawn(over_time(run()))
    for title in ("Percentiles over time", "Rates", "Backlog", "Lag of starts and stalls"):
        marks = [each for each in found[title][0]["series"] if each["kind"] in {"band", "upright"}]
        assert [(each["name"], each["colour"], each.get("x", each.get("at"))) for each in marks] == [
            ("spike", "soft", [1.0, 2.0]),
            ("stall", "bad", [2.0, 2.5]),
            ("_stall", "bad", [1.5, 1.75]),
            ("recovered", "ink", 2.5),
        ]
        assert [patch.get_alpha() for patch in axes[title].patches] == [0.3, 0.35, 0.35]
    assert axes["Backlog"].collections[0].get_alpha() == 0.4
    many = replace(run(), stalls=run().stalls * 12)
    assert len(axes) == 5
    list(over_time(many))
    assert len(axes["Rates"].patches) == 1 + 20


def test_charts_without_anything_to_show_are_left_out(axes: dict[str, Axes]) -> None:
    calm = (window(0, None, rss=1000), window(1, None))
    titles = ["Rates", "Lag of starts and stalls"]
    assert list(drawn(over_time(replace(run(), windows=calm, stalls=(), burst=None)))) == titles
    assert [each["name"] for each in drawn(over_time(replace(run(), windows=calm)))["Rates"][0]["series"]][3:] == [
        "offered",
        "good",
        "recovered",
    ]
    assert list(over_time(replace(run(), windows=(window(0, 0.1), window(3, 0.1))))) == [], "one is after the schedule"
    half = replace(run(), traffic=traffic(seconds=1.5), windows=(window(0, 0.1), window(1, 0.1)))
    assert list(over_time(half)) == [], "half of it is"
    without = replace(run(), traffic=None)
    assert drawn(over_time(without))["Rates"][1]["offered"][0] == [0.0, 1.0, 2.0, 3.0, 4.0]


def test_sides_are_drawn_round_by_round_and_pair_by_pair(axes: dict[str, Axes]) -> None:
    versus = replace(against().versus, samples=((1.0, 2.0), (float("inf"), 3.0)))
    found = drawn(versus_charts(versus))
    assert found["Round by round"][1] == {"a": ([1.0, 2.0], [1.0, None]), "b": ([1.0, 2.0], [2.0, 3.0])}
    assert [(each["colour"], each["mark"]) for each in found["Round by round"][0]["series"]] == [
        ("one", "o"),
        ("two", "s"),
    ]
    assert [line.get_markersize() for line in axes["Round by round"].lines] == [4, 4]
    plot = found["Differences"][0]
    intervals = [each for each in plot["series"] if each["kind"] == "line"]
    assert [(each["x"], each["y"], each["colour"]) for each in intervals] == [
        ([5.0, 15.0], [place] * 2, colour) for place, colour in enumerate(("one", "one", "two", "two"))
    ]
    points = [each for each in plot["series"] if each["kind"] == "points"]
    assert [(each["x"], each["y"], each["mark"]) for each in points] == [
        ([10.0], [place], mark) for place, mark in enumerate("ooss")
    ]
    assert (plot["series"][-1]["kind"], plot["series"][-1]["at"]) == ("upright", 0.0)
    assert axes["Differences"].lines[-1].get_linewidth() == 1
    assert plot["y"]["ticks"] == [[place, "b\nagainst a"] for place in range(4)]
    assert (plot["y"]["low"], plot["y"]["high"]) == (-0.6, 3.6)
    sizes = [chart.svg for chart in versus_charts(versus)]
    assert sizes == ["{}", str({"height": 1.7 + 0.45 * 4, "left": 0.45})]
    assert list(versus_charts(replace(versus, pairs=()))) == []


@pytest.mark.parametrize(("length", "shown"), [(34, "x" * 34), (35, "x" * 33 + "…")])
def test_a_long_name_of_a_side_is_cut(axes: dict[str, Axes], length: int, shown: str) -> None:
    versus = against().versus
    pair = replace(versus.pairs[0], second="x" * length, change=replace(versus.pairs[0].change, low=None))
    plot, lines = drawn(versus_charts(replace(versus, pairs=(pair,))))["Differences"]
    assert plot["y"]["ticks"] == [[0, f"{shown}\nagainst a"]]
    assert lines == {}, "half an interval is none"


BOX = re.compile(r'<rect x="([\d.]+)" y="([\d.]+)" width="([\d.]+)" height="(\d+)" fill="var\(--(\w+)\)" fill-op')
TEXT = re.compile(r'<text x="([\d.]+)" y="([\d.]+)" fill="var\(--ink\)"( text-anchor="middle")?>([^<]+)</text>')


def test_parts_are_numbered_bars_on_one_scale() -> None:
    mean, slow = {"db": 0.03, "other": 0.01}, {"db": 0.06, "new": 0.001, "other": 0.019}
    chart = stacked(Breakdown(requests=9, mean=mean, slow=slow, slow_requests=1, slowest=()))
    all_, few = "all requests: db 30.0 ms, other 10.0 ms", "p95 to p99: db 60.0 ms, new 1.00 ms, other 19.0 ms"
    assert chart.label == f"Where the time went: {all_}; {few}"
    assert chart.svg.startswith('<svg viewBox="0 0 374 162" font-size="11">')
    assert BOX.findall(chart.svg) == [
        ("0.00", "18.00", "140.25", "26", "one"),
        ("140.25", "18.00", "46.75", "26", "two"),
        ("0.00", "70.00", "280.50", "26", "one"),
        ("280.50", "70.00", "4.67", "26", "three"),
        ("285.18", "70.00", "88.83", "26", "two"),
        ("0.00", "107.00", "12.00", "12", "one"),
        ("0.00", "125.00", "12.00", "12", "two"),
        ("0.00", "143.00", "12.00", "12", "three"),
    ]
    middle = ' text-anchor="middle"'
    assert TEXT.findall(chart.svg) == [
        ("0.00", "14.00", "", "all requests: 40.0 ms"),
        ("70.12", "35.00", middle, "1"),
        ("163.62", "35.00", middle, "2"),
        ("0.00", "66.00", "", "p95 to p99: 80.0 ms"),
        ("140.25", "87.00", middle, "1"),
        ("329.59", "87.00", middle, "2"),
        ("18.00", "117.00", "", "1  db: 30.0 ms / 60.0 ms"),
        ("18.00", "135.00", "", "2  other: 10.0 ms / 19.0 ms"),
        ("18.00", "153.00", "", "3  new: 0 s / 1.00 ms"),
    ]


def test_a_picture_has_nine_fills() -> None:
    parts = {f"{'long' * 10}{number}": 14 / 374 for number in range(10)}
    svg = stacked(Breakdown(requests=9, mean=parts, slow={}, slow_requests=0, slowest=())).svg
    opacities = re.findall(r'var\(--(\w+)\)" fill-opacity="([\d.]+)"', svg)[:10]
    assert opacities[::3] == [("one", "0.85"), ("one", "0.5"), ("one", "0.25"), ("one", "0.85")]
    assert f"1  {'long' * 7}lo: " in svg, "thirty characters of a name"
    assert [text for *_, text in TEXT.findall(svg)][1:11] == [str(number) for number in range(1, 11)]


@pytest.mark.parametrize(("first", "numbers"), [(14.0, ["1", "2"]), (13.9, ["2"])])
def test_a_segment_has_its_number_if_there_is_room(first: float, numbers: list[str]) -> None:
    svg = stacked(Breakdown(requests=9, mean={"a": first, "b": 374 - first}, slow={}, slow_requests=0, slowest=())).svg
    assert [text for _, _, middle, text in TEXT.findall(svg) if middle] == numbers


def test_parts_that_took_no_time_have_bars_of_no_width() -> None:
    svg = stacked(Breakdown(requests=9, mean={"db": 0.0}, slow={}, slow_requests=0, slowest=())).svg
    assert BOX.findall(svg)[0][2] == "0.00"


def test_whatever_is_drawn_is_there_as_data() -> None:
    axes = Figure().subplots()
    axes.errorbar([1, 2], [3, 4], yerr=[[1, 1], [2, 2]], fmt="o", color=COLOURS["one"], label="measured", capsize=2)
    axes.stairs([5, 6], [0, 1, 3], fill=True, color=COLOURS["two"], label="filled")
    axes.stairs([5, 6], [0, 1, 3], fill=False, color=COLOURS["three"], label="outlined")
    axes.axhline(7, color=COLOURS["bad"], linestyle="--", label="level")
    axes.axvline(8, color="#abcdef", label="upright")
    axes.plot([0, 1], [1.23456789, float("nan")], color=COLOURS["ink"], drawstyle="steps-pre", label="line")
    axes.annotate("right", (1, 2), ha="right")
    axes.annotate("left", (3, 4), ha="left")
    axes.text(0, 0, "no point")
    axes.yaxis.set_major_formatter(formatter(units.seconds))
    plot = plot_of(axes, COLOURS, time=True, x_unit="quantile")
    assert plot["time"]
    assert (plot["x"]["unit"], plot["y"]["unit"], plot["x"]["ticks"], plot["x"]["log"]) == (
        "quantile",
        "time",
        None,
        False,
    )
    bars, filled, outlined, level, upright, line = plot["series"]
    assert (bars["kind"], bars["name"], bars["bars"]) == ("points", "measured", [[1, 2, 1, 5], [2, 3, 2, 6]])
    assert (bars["x"], bars["y"], bars["mark"]) == ([1, 2], [3, 4], "o")
    stairs = {"kind": "stairs", "x": [0, 1, 3], "y": [5, 6]}
    assert filled == {"name": "filled", "colour": "two", "fill": True, **stairs}
    assert outlined == {"name": "outlined", "colour": "three", "fill": False, **stairs}
    assert level == {"kind": "level", "name": "level", "colour": "bad", "dash": "--", "at": 7}
    assert (upright["kind"], upright["at"], upright["colour"]) == ("upright", 8, "ink")
    assert (line["step"], line["y"]) == ("pre", [1.2346, None])
    assert plot["labels"] == [
        {"x": 1, "y": 2, "text": "right", "end": True},
        {"x": 3, "y": 4, "text": "left", "end": False},
    ]
