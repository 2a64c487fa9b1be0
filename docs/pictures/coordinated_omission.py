"""One stall, measured with an open and with a closed loop, on virtual time: exact and equal on every machine.

``python docs/pictures/coordinated_omission.py`` writes ``docs/_static/coordinated-omission.svg`` and prints the table
of the page.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path

import anyio

from aembed import bench
from aembed.testing import VirtualTimeLoop

SERVICE_S, STALL_AT_S, STALL_S = 0.010, 8.0, 2.0
RATE, DURATION_S = 100, 20
SHARES = [0.5, 0.9, 0.95, 0.99, 0.999]
WIDTH, HEIGHT, MARGIN = 640, 260, 48


def stalling_call() -> Callable[[], Awaitable[None]]:
    """A call of 10 ms to a server that answers nothing for two seconds, once."""
    began = asyncio.get_running_loop().time()

    async def call() -> None:
        into = asyncio.get_running_loop().time() - began - STALL_AT_S
        await anyio.sleep(SERVICE_S + (STALL_S - into if 0 <= into < STALL_S else 0))

    return call


async def measured(*, is_open: bool) -> list[tuple[float, float]]:
    """Response times in ms at some shares of all requests."""
    call = stalling_call()
    if is_open:
        report = await bench.load(call, arrivals=bench.constant(RATE), duration=DURATION_S)
    else:
        report = await bench.closed(call, users=1, duration=DURATION_S)
    assert report.response is not None
    at = [(share, report.response.at(share).value) for share in SHARES]
    return [(share, 1000 * value) for share, value in at if value is not None]


def curve(points: list[tuple[float, float]], top: float, dash: str, name: str) -> str:
    """One line of the picture, with its name at the end."""
    step = (WIDTH - 2 * MARGIN - 90) / (len(SHARES) - 1)
    at = [(MARGIN + SHARES.index(q) * step, HEIGHT - MARGIN - (HEIGHT - 2 * MARGIN) * y / top) for q, y in points]
    line = " L".join(f"{x:.1f} {y:.1f}" for x, y in at)
    x, y = at[-1]
    return f'<path d="M{line}" stroke-dasharray="{dash}"/><text x="{x + 8:.1f}" y="{y + 4:.1f}">{name}</text>'


def main() -> None:
    """Measure, draw, and print."""
    with asyncio.Runner(loop_factory=VirtualTimeLoop) as runner:
        opened = runner.run(measured(is_open=True))
    with asyncio.Runner(loop_factory=VirtualTimeLoop) as runner:
        closed = runner.run(measured(is_open=False))
    for (share, a), (_, b) in zip(opened, closed, strict=True):
        print(f"| p{share * 100:g} | {a:,.0f} ms | {b:,.0f} ms |")
    top = max(value for _, value in opened + closed)
    step = (WIDTH - 2 * MARGIN - 90) / (len(SHARES) - 1)
    axis = "".join(
        f'<text class="small" x="{MARGIN + n * step:.1f}" y="{HEIGHT - 24}">p{share * 100:g}</text>'
        for n, share in enumerate(SHARES)
    )
    style = (
        "text{fill:currentColor;font:13px system-ui,sans-serif}.small{font-size:11px;opacity:.75;text-anchor:middle}"
        "path{fill:none;stroke:currentColor;stroke-width:2}"
    )
    label = f'<text x="10" y="20">response time in ms (highest: {top:,.0f})</text>'
    svg = (
        f'<svg viewBox="0 0 {WIDTH} {HEIGHT}" role="img" aria-label="Coordinated omission" '
        f'style="max-width:{WIDTH}px;width:100%">\n<style>{style}</style>\n{axis}{label}\n'
        f"{curve(opened, top, 'none', 'open loop')}\n{curve(closed, top, '6 4', 'closed loop')}\n</svg>\n"
    )
    Path(__file__).parents[1].joinpath("_static", "coordinated-omission.svg").write_text(svg, encoding="utf-8")


if __name__ == "__main__":
    main()
