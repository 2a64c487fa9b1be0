"""The parts of all requests and of the slow ones, as two bars of one picture."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from html import escape

from aembed.bench import units
from aembed.bench.model.breakdown import Breakdown
from aembed.bench.report.svg import Chart
from aembed.bench.report.tables import printable

WIDTH, BAR, ROW = 374, 26, 18
"""Units of the drawing: its width, the height of a bar, and that of a line of the legend."""
NARROWEST = 14
"""A number fits into a segment of this width."""
FILLS = [(colour, opacity) for opacity in (0.85, 0.5, 0.25) for colour in ("one", "two", "three")]


def stacked(found: Breakdown) -> Chart:
    """Bars on one scale of time. Segments are numbered as in the legend, so that no one depends on colours."""
    bars = {"all requests": found.mean, "p95 to p99": found.slow}
    shown = {name: parts for name, parts in bars.items() if parts}
    names = list(dict.fromkeys(name for parts in shown.values() for name in parts))
    longest = max((sum(parts.values()) for parts in shown.values()), default=0.0) or 1.0
    drawn: list[str] = []
    y = 0
    for title, parts in shown.items():
        total = units.seconds(sum(parts.values()))
        drawn += (_text(0, y + 14, f"{title}: {total}"), *_bar(parts, names, WIDTH / longest, y + ROW))
        y += ROW + BAR + 8
    for number, name in enumerate(names):
        drawn += _legend(number, name, shown, y)
        y += ROW
    svg = f'<svg viewBox="0 0 {WIDTH} {y + 4}" font-size="11">{"".join(drawn)}</svg>'
    return Chart("Where the time went", f"Where the time went: {_in_words(shown)}", svg)


def _bar(parts: Mapping[str, float], names: list[str], scale: float, y: int) -> Iterator[str]:
    x = 0.0
    for name, spent in parts.items():
        width = spent * scale
        yield _box(x, y, width, BAR, names.index(name))
        if width >= NARROWEST:
            yield _text(x + width / 2, y + BAR / 2 + 4, str(names.index(name) + 1), middle=True)
        x += width


def _legend(number: int, name: str, shown: Mapping[str, Mapping[str, float]], y: int) -> Iterator[str]:
    spent = " / ".join(units.seconds(parts.get(name, 0.0)) for parts in shown.values())
    yield _box(0, y + 3, 12, 12, number)
    yield _text(18, y + 13, f"{number + 1}  {printable(name)[:30]}: {spent}")


def _box(x: float, y: float, width: float, height: float, number: int) -> str:
    colour, opacity = FILLS[number % len(FILLS)]
    return (
        f'<rect x="{x:.2f}" y="{y:.2f}" width="{width:.2f}" height="{height}" fill="var(--{colour})" '
        f'fill-opacity="{opacity}" stroke="var(--paper)"/>'
    )


def _text(x: float, y: float, text: str, *, middle: bool = False) -> str:
    anchor = ' text-anchor="middle"' if middle else ""
    return f'<text x="{x:.2f}" y="{y:.2f}" fill="var(--ink)"{anchor}>{escape(text)}</text>'


def _in_words(shown: Mapping[str, Mapping[str, float]]) -> str:
    """The chart in words, for screen readers."""
    return "; ".join(
        f"{title}: " + ", ".join(f"{printable(name)} {units.seconds(spent)}" for name, spent in parts.items())
        for title, parts in shown.items()
    )
