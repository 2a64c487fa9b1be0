"""The data behind a drawing, for the page's script: series, axes, marks. Read off the axes that matplotlib drew."""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, Any, TypeAlias

if TYPE_CHECKING:
    from matplotlib.artist import Artist
    from matplotlib.axes import Axes
    from matplotlib.axis import Axis
    from matplotlib.lines import Line2D

Plot: TypeAlias = dict[str, Any]
UNITS = {"tick": "time", "seconds": "time", "size": "size", "rate": "rate"}
"""Names of the page's units by those of the functions that write them."""
DIGITS = 5
"""Significant digits: more than anyone can see."""


def plot_of(axes: Axes, colours: dict[str, str], *, time: bool, x_unit: str) -> Plot:
    """Everything that was drawn. ``time``: the x axis is the run's time, so that charts are zoomed together."""
    names = {stand_in: name for name, stand_in in colours.items()}
    return {
        "time": time,
        "x": _axis(axes.xaxis, axes.get_xlim(), x_unit),
        "y": _axis(axes.yaxis, axes.get_ylim(), ""),
        "series": [{**found, "colour": names.get(found["colour"], "ink")} for found in _series(axes)],
        "labels": [
            {"x": _short(t.xy[0]), "y": _short(t.xy[1]), "text": t.get_text(), "end": t.get_ha() == "right"}
            for t in _annotations(axes)
        ],
    }


def embedded(data: object) -> str:
    """JSON that can stand inside a script element: it holds no ``<``, so that no text in it ends the element."""
    return json.dumps(data, separators=(",", ":"), allow_nan=False).replace("<", "\\u003c")


def _axis(axis: Axis, limits: tuple[float, float], unit: str) -> dict[str, Any]:
    from matplotlib.ticker import FixedLocator, FuncFormatter

    locator, formatter = axis.get_major_locator(), axis.get_major_formatter()
    ticks = None
    if isinstance(locator, FixedLocator):
        texts = [label.get_text() for label in axis.get_ticklabels()]
        ticks = [[_short(at), text] for at, text in zip(axis.get_ticklocs(), texts, strict=False)]
    function = formatter.func if isinstance(formatter, FuncFormatter) else None
    return {
        "label": axis.get_label_text(),
        "log": axis.get_scale() == "log",
        "low": _short(limits[0]),
        "high": _short(limits[1]),
        "unit": unit or UNITS.get(getattr(function, "unit", ""), "number"),
        "ticks": ticks,
    }


def _series(axes: Axes) -> Iterator[dict[str, Any]]:
    from matplotlib.container import ErrorbarContainer
    from matplotlib.patches import StepPatch

    seen: set[int] = set()
    for container in axes.containers:
        if isinstance(container, ErrorbarContainer):
            line, caps, bars = container.lines
            seen |= {id(artist) for artist in (line, *caps, *bars)}
            segments = [_numbers(segment.ravel()) for each in bars for segment in each.get_segments()]
            yield {**_line(line), "name": str(container.get_label()), "bars": segments}
    for patch in axes.patches:
        colour = _colour(patch.get_edgecolor() if not patch.get_fill() else patch.get_facecolor())
        if isinstance(patch, StepPatch):
            values, edges, _ = patch.get_data()
            kind = {"kind": "stairs", "x": _numbers(edges), "y": _numbers(values), "fill": bool(patch.get_fill())}
        else:
            kind = {"kind": "band", "x": _numbers(_ends(axes, patch))}
        yield {"name": str(patch.get_label()), "colour": colour, **kind}
    for area in axes.collections:
        if id(area) not in seen:
            vertices = area.get_paths()[0].vertices
            colour = _colour(area.get_facecolor()[0])
            points = {"x": _numbers(vertices[:, 0]), "y": _numbers(vertices[:, 1])}  # type: ignore[index]
            yield {"name": str(area.get_label()), "colour": colour, "kind": "area", **points}
    yield from (_line(line) if line.get_transform() == axes.transData else _ruler(line) for line in _left(axes, seen))


def _left(axes: Axes, seen: set[int]) -> Iterable[Line2D]:
    return (line for line in axes.lines if id(line) not in seen)


def _line(line: Line2D) -> dict[str, Any]:
    style, drawn = line.get_linestyle(), line.get_drawstyle()
    return {
        "kind": "points" if style in {"None", ""} else "line",
        "name": str(line.get_label()),
        "colour": _colour(line.get_color()),
        "dash": str(style),
        "mark": str(line.get_marker()),
        "step": drawn.removeprefix("steps-") if drawn.startswith("steps") else "",
        "x": _numbers(line.get_xdata()),
        "y": _numbers(line.get_ydata()),
    }


def _ruler(line: Line2D) -> dict[str, Any]:
    """A line across the whole chart: ``at`` on one of its axes."""
    (x, other), y = _numbers(line.get_xdata()), _numbers(line.get_ydata())
    upright = x == other
    return {
        "kind": "upright" if upright else "level",
        "name": str(line.get_label()),
        "colour": _colour(line.get_color()),
        "dash": str(line.get_linestyle()),
        "at": x if upright else y[0],
    }


def _ends(axes: Axes, patch: Artist) -> tuple[float, float]:
    box = patch.get_window_extent().transformed(axes.transData.inverted())
    return float(box.x0), float(box.x1)


def _annotations(axes: Axes) -> list[Any]:
    return [text for text in axes.texts if hasattr(text, "xy")]


def _colour(colour: Any) -> str:
    from matplotlib.colors import to_hex

    return to_hex(colour)


def _numbers(values: Any) -> list[float | None]:
    return [_short(value) for value in values]


def _short(value: float) -> float | None:
    return float(f"{value:.{DIGITS}g}") if math.isfinite(value) else None
