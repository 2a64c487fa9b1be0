"""Boxes and arrows as SVG that follows the page's colours, in light and dark."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from xml.sax.saxutils import escape

STYLE = (
    "text{fill:currentColor;font:13px system-ui,sans-serif}.small{font-size:11px;opacity:.75}"
    "rect{fill:none;stroke:currentColor;stroke-opacity:.55}path{fill:none;stroke:currentColor;stroke-opacity:.7}"
    "polygon{fill:currentColor;fill-opacity:.7}"
)


@dataclass(frozen=True)
class Box:
    """A box with a name and a smaller line below it; positions and sizes in pixels."""

    x: float
    y: float
    name: str
    note: str = ""
    width: float = 150
    height: float = 46

    def svg(self) -> str:
        """The box and its two lines."""
        middle, line = self.x + self.width / 2, self.y + self.height / 2 + (5 if not self.note else -3)
        parts = [f'<rect x="{self.x}" y="{self.y}" width="{self.width}" height="{self.height}" rx="6"/>']
        parts.append(f'<text x="{middle}" y="{line}" text-anchor="middle">{escape(self.name)}</text>')
        if self.note:
            note = escape(self.note)
            parts.append(f'<text class="small" x="{middle}" y="{line + 17}" text-anchor="middle">{note}</text>')
        return "".join(parts)


@dataclass(frozen=True)
class Arrow:
    """An arrow through points, with a label of one or more lines at ``(x, y)``."""

    points: Sequence[tuple[float, float]]
    label: str = ""
    at: tuple[float, float] = (0, 0)
    anchor: str = "middle"

    def svg(self) -> str:
        """The line, its head and its label."""
        path = " L".join(f"{x} {y}" for x, y in self.points)
        (x0, y0), (x, y) = self.points[-2:]
        length = max(1e-9, ((x - x0) ** 2 + (y - y0) ** 2) ** 0.5)
        dx, dy = (x - x0) / length, (y - y0) / length
        corners = [(x, y), (x - 8 * dx + 4 * dy, y - 8 * dy - 4 * dx), (x - 8 * dx - 4 * dy, y - 8 * dy + 4 * dx)]
        head = " ".join(f"{a:.1f},{b:.1f}" for a, b in corners)
        x, y = self.at
        label = "".join(
            f'<text class="small" x="{x}" y="{y + 15 * number}" text-anchor="{self.anchor}">{escape(line)}</text>'
            for number, line in enumerate(self.label.splitlines())
        )
        return f'<path d="M{path}"/><polygon points="{head}"/>{label}'


def picture(title: str, parts: Sequence[Box | Arrow], *, width: float, height: float) -> str:
    """A whole SVG document."""
    drawn = "\n".join(part.svg() for part in parts)
    size = f'viewBox="0 0 {width} {height}" style="max-width:{width}px;width:100%"'
    return f'<svg {size} role="img" aria-label="{escape(title)}">\n<style>{STYLE}</style>\n{drawn}\n</svg>\n'
