"""One stall, measured with an open and with a closed loop, on virtual time: exact and equal on every machine.

``python docs/pictures/coordinated_omission.py`` writes ``docs/_static/coordinated-omission.svg`` and prints the table
of the page.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

import anyio
from plot import Panel, text, write

from aembed import bench
from aembed.testing import VirtualTimeLoop

SERVICE_S, STALL_AT_S, STALL_S = 0.010, 8.0, 2.0
RATE, DURATION_S = 100, 20
SHARES = [0.5, 0.9, 0.95, 0.99, 0.999]
WIDTH, HEIGHT, LEFT, RIGHT = 440, 170, 46, 84


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


def drawn(opened: list[tuple[float, float]], closed: list[tuple[float, float]]) -> list[str]:
    """Both curves, with a step of the x axis for each percentile."""
    panel = Panel((0, len(SHARES) - 1), (0, 2000), LEFT, 30, WIDTH - LEFT - RIGHT, HEIGHT)
    parts = [
        text(4, 14, "response time"),
        panel.rows([0, 1000, 2000], ["0", "1 s", "2 s"]),
        panel.columns(range(len(SHARES)), [f"p{share * 100:g}" for share in SHARES]),
    ]
    for points, name, dash in ((opened, "open loop", "none"), (closed, "closed loop", "6 4")):
        at = [(SHARES.index(share), value) for share, value in points]
        x, y = panel.at(*at[-1])
        parts += [panel.line(at, dash), text(x + 6, y + 4, name, "small")]
    return parts


def main() -> None:
    """Measure, draw, and print."""
    with asyncio.Runner(loop_factory=VirtualTimeLoop) as runner:
        opened = runner.run(measured(is_open=True))
    with asyncio.Runner(loop_factory=VirtualTimeLoop) as runner:
        closed = runner.run(measured(is_open=False))
    for (share, a), (_, b) in zip(opened, closed, strict=True):
        print(f"| p{share * 100:g} | {a:,.0f} ms | {b:,.0f} ms |")
    write("coordinated-omission.svg", "Coordinated omission", drawn(opened, closed), width=WIDTH, height=HEIGHT + 56)


if __name__ == "__main__":
    main()
