"""Lines, bands and dots as SVG that follows the page's colours, in light and dark. Each differs by more than colour."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from xml.sax.saxutils import escape

WIDEST = 620
"""Pixels on a large screen. Pictures are drawn 440 wide, so that their text can be read on a phone."""
STATIC = Path(__file__).parents[1] / "_static"
STYLE = (
    ".plot text{fill:currentColor;font:13px system-ui,sans-serif}.plot .small{font-size:11.5px;opacity:.8}"
    ".plot path,.plot line{fill:none;stroke:currentColor;stroke-width:1.5}.plot .line{stroke-width:2}"
    ".plot .grid{stroke-opacity:.2}.plot .band{fill:currentColor;fill-opacity:.1}"
    ".plot .full{fill:currentColor}.plot .hollow{fill:none;stroke:currentColor;stroke-width:1.5}"
)
"""All of it within ``.plot``: the page has other pictures, whose styles are in the same document."""


@dataclass(frozen=True)
class Panel:
    """A part of the picture with separate axes: ``x`` and ``y`` are their ranges, the rest pixels."""

    x: tuple[float, float]
    y: tuple[float, float]
    left: float
    top: float
    width: float
    height: float

    def at(self, x: float, y: float) -> tuple[float, float]:
        """Pixels of a point."""
        across = (x - self.x[0]) / (self.x[1] - self.x[0])
        up = (y - self.y[0]) / (self.y[1] - self.y[0])
        return self.left + across * self.width, self.top + (1 - up) * self.height

    def line(self, points: Sequence[tuple[float, float]], dash: str = "none") -> str:
        """A line through points."""
        path = " L".join(f"{x:.1f} {y:.1f}" for x, y in (self.at(*point) for point in points))
        return f'<path class="line" d="M{path}" stroke-dasharray="{dash}"/>'

    def band(self, start: float, end: float, label: str) -> str:
        """A stretch of the x axis, shaded."""
        x, y = self.at(start, self.y[1])
        width = self.at(end, 0)[0] - x
        shade = f'<rect class="band" x="{x:.1f}" y="{y:.1f}" width="{width:.1f}" height="{self.height:.1f}"/>'
        return shade + text(x + width / 2, y - 5, label, "small", "middle")

    def rows(self, ticks: Sequence[float], labels: Sequence[str]) -> str:
        """Horizontal lines with their values at the left."""
        parts = []
        for tick, label in zip(ticks, labels, strict=True):
            x, y = self.at(self.x[0], tick)
            parts.append(f'<line class="grid" x1="{x:.1f}" y1="{y:.1f}" x2="{x + self.width:.1f}" y2="{y:.1f}"/>')
            parts.append(text(x - 6, y + 4, label, "small", "end"))
        return "".join(parts)

    def columns(self, ticks: Sequence[float], labels: Sequence[str], *, ruled: bool = False) -> str:
        """Values below the x axis, and with ``ruled`` vertical lines."""
        parts = []
        for tick, label in zip(ticks, labels, strict=True):
            x, y = self.at(tick, self.y[0])
            if ruled:
                parts.append(f'<line class="grid" x1="{x:.1f}" y1="{self.top:.1f}" x2="{x:.1f}" y2="{y:.1f}"/>')
            parts.append(text(x, y + 16, label, "small", "middle"))
        return "".join(parts)


def text(x: float, y: float, content: str, kind: str = "", anchor: str = "start") -> str:
    """One line of text."""
    place = f'x="{x:.1f}" y="{y:.1f}" style="text-anchor:{anchor}"'
    return f'<text class="{kind}" {place}>{escape(content)}</text>'


def dot(x: float, y: float, kind: str) -> str:
    """A mark: "full", "hollow" or "cross"."""
    if kind == "cross":
        return f'<path d="M{x - 4:.1f} {y - 4:.1f} l8 8 m-8 0 l8 -8"/>'
    return f'<circle class="{kind}" cx="{x:.1f}" cy="{y:.1f}" r="4.5"/>'


def write(name: str, title: str, parts: Sequence[str], *, width: float, height: float) -> None:
    """A whole SVG document among the site's static files."""
    size = f'viewBox="0 0 {width:g} {height:g}" style="max-width:{WIDEST}px;width:100%"'
    drawn = "\n".join(parts)
    picture = (
        f'<svg class="plot" {size} role="img" aria-label="{escape(title)}">\n<style>{STYLE}</style>\n{drawn}\n</svg>\n'
    )
    (STATIC / name).write_text(picture, encoding="utf-8")
