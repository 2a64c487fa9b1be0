"""Drawing by matplotlib, as SVG. Colours are variables of the page's style, so that they follow light and dark."""

from __future__ import annotations

import io
import math
import re
import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import TYPE_CHECKING, Any

from aembed.bench import units
from aembed.bench.needs import need
from aembed.bench.report.plot import Plot, plot_of

if TYPE_CHECKING:
    from matplotlib.axes import Axes

COLOURS = {
    "ink": "#010101",
    "grid": "#010102",
    "soft": "#010108",
    "one": "#010103",
    "two": "#010104",
    "three": "#010105",
    "bad": "#010106",
    "paper": "#010107",
}
"""Stand-ins, replaced by ``var(--name)`` in the SVG."""
LINES = (("one", "-"), ("two", "--"), ("three", "-."))
"""Colours and dashes: lines are distinguished by more than their colour."""
SHORTEST_TICK_S = 1e-6
"""Seconds: a logarithmic axis has no room for 0."""
STYLE: Any = {
    "svg.fonttype": "none",
    "svg.hashsalt": "aembed",
    "font.family": "sans-serif",
    "font.size": 11,
    "axes.edgecolor": COLOURS["grid"],
    "axes.labelcolor": COLOURS["ink"],
    "axes.spines.right": False,
    "axes.spines.top": False,
    "axes.grid": True,
    "axes.axisbelow": True,
    "grid.color": COLOURS["grid"],
    "grid.linewidth": 0.6,
    "text.color": COLOURS["ink"],
    "xtick.color": COLOURS["ink"],
    "ytick.color": COLOURS["ink"],
    "legend.frameon": False,
    "lines.linewidth": 1.6,
}


LEGEND = 0.24
"""Inches of a row of the legend, which is above the lines: inside it would cover some."""
LEGEND_COLUMNS = 4
"""Names in a row of the legend, at most."""
LEGEND_CHARACTERS, LEGEND_KEY = 56, 9
"""Widths of the legend and of the key of a name."""


@dataclass(frozen=True, slots=True)
class Chart:
    """``label`` describes it in words, for screen readers."""

    title: str
    label: str
    svg: str
    plot: Plot | None = None
    """The same as data, for the page's script; None for a picture that stays as it is."""
    at: str = ""
    """Such as " at 217/s", where the report has several rates: two reports are laid on each other whatever theirs."""


def draw_chart(
    name: str,
    label: str,
    draw: Callable[[Axes], None],
    *,
    height: float = 2.9,
    left: float = 0.145,
    time: bool = False,
    x_unit: str = "",
) -> Chart:
    """``time``: the x axis is the time of the run. ``x_unit`` is a unit of the page's script for values of x."""
    need("matplotlib", "bench-report", "a chart")
    from matplotlib import rc_context
    from matplotlib.figure import Figure

    with rc_context(STYLE), warnings.catch_warnings():
        warnings.filterwarnings("ignore", "Glyph .* missing")  # the browser has its fonts
        figure = Figure(figsize=(5.2, height), facecolor="none")
        axes = figure.subplots()
        axes.set_facecolor("none")
        draw(axes)
        names = axes.get_legend_handles_labels()[1]
        columns = _legend_columns(names)
        above = LEGEND * math.ceil(len(names) / columns)  # the drawing itself keeps its size
        figure.set_figheight(height + above)
        figure.subplots_adjust(
            left=left, right=0.96, top=1 - (0.1 + above) / (height + above), bottom=0.5 / (height + above)
        )
        if names:
            axes.legend(fontsize=10, loc="lower left", bbox_to_anchor=(-0.01, 1.0), ncols=columns, borderaxespad=0.1)
        file = io.StringIO()
        figure.savefig(file, format="svg", metadata={"Date": None, "Creator": None})
        plot = plot_of(axes, COLOURS, time=time, x_unit=x_unit)
    return Chart(name, f"{name}: {label}", _inline(file.getvalue()), plot)


def _legend_columns(names: Sequence[str]) -> int:
    """As many as fit: every column is as wide as its longest name."""
    for columns in range(min(LEGEND_COLUMNS, len(names)), 1, -1):
        rows, longer = divmod(len(names), columns)
        left, width = iter(names), LEGEND_KEY * columns
        for column in range(columns):
            width += max(map(len, islice(left, rows + (column < longer))))
        if width <= LEGEND_CHARACTERS:
            return columns
    return 1


def _inline(svg: str) -> str:
    """The element alone, in the page's colours, as wide as its place."""
    svg = svg[svg.index("<svg") :]
    svg = re.sub(r"<metadata>.*?</metadata>", "", svg, flags=re.DOTALL)
    svg = re.sub(r'<svg([^>]*?) width="[^"]*"', r"<svg\1", svg, count=1)
    svg = re.sub(r'<svg([^>]*?) height="[^"]*"', r"<svg\1", svg, count=1)
    svg = re.sub(r' xmlns(:xlink)?="[^"]*"', "", svg)
    for name, stand_in in COLOURS.items():
        svg = svg.replace(stand_in, f"var(--{name})")
    return svg


def formatter(unit: Callable[[float], str]) -> Any:
    """A formatter of ticks, marked with the name of the unit's function."""
    from matplotlib.ticker import FuncFormatter

    def written(value: float, _: int | None) -> str:
        return unit(value)

    written.unit = unit.__name__  # type: ignore[attr-defined]
    return FuncFormatter(written)


def time_axis(axis: Any) -> None:
    """Logarithmic, in units of time."""
    log_axis(axis, units.tick)


def log_axis(axis: Any, unit: Callable[[float], str]) -> None:
    """Logarithmic, with ticks at 1, 2 and 5 where a few decades leave the room."""
    from matplotlib.ticker import LogLocator, NullLocator

    getattr(axis.axes, f"set_{axis.axis_name}scale")("log")
    low, high = axis.get_view_interval()
    decades = math.log10(high / low)
    axis.set_major_locator(LogLocator(subs=(1, 2, 5) if decades < 2.5 else (1,), numticks=12))
    axis.set_minor_locator(NullLocator())
    axis.set_major_formatter(formatter(unit))
