"""A grid of loads and parameters."""

from __future__ import annotations

from typing import Annotated

import typer

from aembed import bench
from aembed.bench import Report, Scenario
from aembed.bench.sweep.grid import grid
from aembed.bench.sweep.sweep import sweep_seconds
from aembed.cli.bench.session import Watch, measure
from aembed.cli.bench.target import SweepShared, with_sweep_options
from aembed.cli.bench.values import seconds, share

GRID = "Grid"


def axis(text: str | tuple[str, tuple[int | float | str, ...]]) -> tuple[str, tuple[int | float | str, ...]]:
    """``documents=1,8,32``: a name and its values, numbers where they can be read as such."""
    if isinstance(text, tuple):
        return text
    name, equals, values = text.partition("=")
    parts = [part.strip() for part in values.split(",")]
    if not equals or not name.strip() or not all(parts):
        raise typer.BadParameter(f"{text!r} has no name and values; write documents=1,8,32 or users=1,4,16")
    return name.strip(), tuple(map(_value, parts))


def _value(text: str) -> int | float | str:
    for kind in (int, float):
        try:
            return kind(text)
        except ValueError:
            continue
    return text


@with_sweep_options
def sweep(
    shared: SweepShared,
    *,
    over: Annotated[
        list[str] | None,
        typer.Option(
            "--over",
            parser=axis,
            metavar="NAME=VALUE,VALUE,...",
            help="Values of documents, users, rate, or another parameter of the subject; may be repeated.",
            rich_help_panel=GRID,
        ),
    ] = None,
    duration: Annotated[
        float | None,
        typer.Option(
            "--duration",
            "-d",
            parser=seconds,
            metavar="TIME",
            help="Longest time of the whole sweep; ten blocks per cell by default.",
            rich_help_panel=GRID,
        ),
    ] = None,
    block: Annotated[
        float,
        typer.Option(
            "--block",
            parser=seconds,
            metavar="TIME",
            help="Length of a block.",
            show_default="2s",
            rich_help_panel=GRID,
        ),
    ] = 2.0,
    items: Annotated[
        str | None,
        typer.Option(
            "--items",
            metavar="NAME",
            help="Parameter that counts the items of a request, for an async def.",
            rich_help_panel=GRID,
        ),
    ] = None,
    margin: Annotated[
        float,
        typer.Option(
            "--margin",
            parser=share,
            metavar="SHARE",
            help="Smallest relative difference that counts.",
            rich_help_panel=GRID,
        ),
    ] = 0.05,
) -> None:
    """Find the best trade between throughput and latency: every combination of values, in blocks of random order.

    - aembed bench sweep --over documents=1,8,32 --over users=1,4,16 --slo p95=200ms --html sweep.html

    - aembed bench sweep app.queries:get_user --data 1..10000 --over rate=50,100,200 --slo p99=100ms
    """
    load = shared.options("sweep")
    axes = dict(map(axis, over or ()))

    async def run(scenario: Scenario, watch: Watch) -> Report:
        _estimated(scenario, axes, block, duration)
        load["stop"], load["progress"] = watch.stop, watch.tell
        return await bench.sweep(
            scenario, over=axes, duration=duration, block_s=block, items=items, margin=margin, seed=shared.seed, **load
        )

    measure(shared, shared.scenarios, run)


def _estimated(
    scenario: Scenario, axes: dict[str, tuple[int | float | str, ...]], block: float, duration: float | None
) -> None:
    """Say how long it will take, before it begins."""
    _, cells = grid(scenario, axes)
    least, most = sweep_seconds(len(cells), block, duration)
    length = _time(least) if least == most else f"{_time(least)} to {_time(most)}"
    typer.echo(f"{len(cells)} cells in blocks of {block:g} s: {length}, and set-up", err=True)


def _time(seconds: float) -> str:
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes} min {rest} s" if minutes else f"{rest} s"


COMMANDS = (sweep,)
