"""A spike of load at a server with four workers, on virtual time: exact and equal on every machine.

``python docs/pictures/burst.py`` writes ``docs/_static/burst.svg`` and prints the figures of the page.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

import anyio
from plot import Panel, text, write

from aembed import bench
from aembed.bench import Report
from aembed.testing import VirtualTimeLoop

WORKERS, SERVICE_S = 4, 0.010
BASE, SPIKE, SPIKE_S, SPIKE_AT_S, DURATION_S = 100, 600, 2.0, 4.0, 12.0
WIDTH, LEFT, HEIGHT = 440, 40, 90


def busy_server() -> Callable[[], Awaitable[None]]:
    """Four requests at once, 10 ms each: 400 a second at most, the others wait."""
    workers = anyio.Semaphore(WORKERS)

    async def call() -> None:
        async with workers:
            await anyio.sleep(SERVICE_S)

    return call


async def measured() -> Report:
    """The runner's own report."""
    return await bench.burst(
        busy_server(),
        base=BASE,
        spike=SPIKE,
        spike_s=SPIKE_S,
        at=SPIKE_AT_S,
        duration=DURATION_S,
        cv=1.0,
        window=0.25,
    )


def drawn(report: Report) -> list[str]:
    """Rates above, response times below."""
    felt, windows = report.burst, [window for window in report.windows if window.start < DURATION_S]
    assert felt is not None
    assert felt.recovery is not None
    x = 0.0, DURATION_S
    rates = Panel(x, (0, 800), LEFT, 34, WIDTH - LEFT - 70, HEIGHT)
    times = Panel(x, (0, 1.2), LEFT, HEIGHT + 80, WIDTH - LEFT - 70, HEIGHT)
    middles = [window.start + window.seconds / 2 for window in windows]
    offered = [(at, each.offered / each.seconds) for at, each in zip(middles, windows, strict=True)]
    good = [(at, each.good / each.seconds) for at, each in zip(middles, windows, strict=True)]
    slow = [(at, each.p95) for at, each in zip(middles, windows, strict=True) if each.p95 is not None]
    end = WIDTH - 70 + 6
    recovered = felt.spike_end + felt.recovery
    return [
        text(8, 14, "requests per second"),
        rates.rows([0, 400, 800], ["0", "400", "800"]),
        rates.band(felt.spike_start, felt.spike_end, "spike"),
        rates.line(offered, "5 4"),
        rates.line(good),
        text(end, rates.at(0, 180)[1], "offered - -", "small"),
        text(end, rates.at(0, 30)[1], "answered", "small"),
        text(8, HEIGHT + 64, "p95 of the response time"),
        times.rows([0, 0.5, 1.0], ["0", "0.5 s", "1 s"]),
        times.band(felt.spike_end, recovered, f"felt for {felt.recovery:.1f} s"),
        times.line(slow),
        times.columns(range(0, 13, 2), [f"{second} s" for second in range(0, 13, 2)]),
    ]


def main() -> None:
    """Measure, draw, and print."""
    with asyncio.Runner(loop_factory=VirtualTimeLoop) as runner:
        report = runner.run(measured())
    felt = report.burst
    assert felt is not None
    print(report.verdict)
    print(f"peak response {felt.peak_response:.2f} s, peak backlog {felt.peak_backlog}")
    print(f"recovery {felt.recovery:.2f} s, drained after {felt.drained:.2f} s at {felt.drain_rate:.0f} per second")
    write("burst.svg", "A burst, and how long it is felt", drawn(report), width=WIDTH, height=2 * HEIGHT + 110)


if __name__ == "__main__":
    main()
