"""Commands that measure one operation at a time, in fresh processes."""

from __future__ import annotations

from dataclasses import replace
from typing import Annotated

import typer

from aembed import bench
from aembed.bench import Report, Scenario
from aembed.cli.bench.objectives import written
from aembed.cli.bench.session import Watch, measure, unless_stopped
from aembed.cli.bench.target import Shared, with_shared
from aembed.cli.bench.values import counts, seconds
from aembed.cli.errors import CommandError, one_sentence

Processes = Annotated[int, typer.Option("--processes", min=1, help="Fresh processes per case.")]


@with_shared
def micro(
    shared: Shared,
    processes: Processes = 5,
    slo: Annotated[
        list[str] | None,
        typer.Option("--slo", metavar="OBJECTIVES", help="Objectives such as time=50us,cpu=40us, or a TOML file."),
    ] = None,
) -> None:
    """Time of one operation, by the clock and of CPU.

    - aembed bench micro --model mock --documents 100

    - aembed bench micro benchmarks.py:parse --slo time=50us
    """
    with one_sentence():
        wanted = written("micro", slo)
    measure(
        shared, shared.cases, lambda case, watch: bench.micro(case, processes=processes, slo=wanted, stop=watch.stop)
    )


@with_shared
def memory(
    shared: Shared,
    operations: Annotated[
        int, typer.Option("--operations", min=100, metavar="N", help="Largest number of operations.")
    ] = 20_000,
    duration: Annotated[
        float,
        typer.Option(
            "--duration",
            "-d",
            parser=seconds,
            metavar="TIME",
            help="Longest time of the operations: with slow ones, fewer are made.",
            show_default="1m",
        ),
    ] = 60.0,
) -> None:
    """Memory of one operation, and whether any is never given back.

    - aembed bench memory --model mock --documents 50
    """
    typer.echo(f"{operations:,} operations, or as many as fit into {duration:g} s, of each case", err=True)
    measure(
        shared,
        shared.cases,
        unless_stopped(lambda case: bench.memory(case, operations=operations, seconds=duration)),
    )


@with_shared
def cost(shared: Shared) -> None:
    """Tasks, callbacks, timers and calls of one operation: counted, and equal on every run and machine.

    - aembed bench cost --model mock --documents 100
    """
    measure(shared, shared.cases, unless_stopped(bench.cost))


@with_shared
def scaling(
    shared: Shared,
    over: Annotated[
        str, typer.Option("--over", parser=counts, metavar="N,N,...", help="Numbers of documents in a call.")
    ] = "1,5,20,50,100",
    users: Annotated[
        str | None,
        typer.Option(
            "--users",
            parser=counts,
            metavar="N,N,...",
            help="Numbers of concurrent users to vary, not documents.",
        ),
    ] = None,
    processes: Processes = 5,
) -> None:
    """Growth of time with the batch, or of throughput with users.

    - aembed bench scaling --model mock --over 1,10,100,1000

    - aembed bench scaling --model local --users 1,2,4,8,16
    """

    async def run(scenario: Scenario, watch: Watch) -> Report:
        if users:
            return await bench.concurrency(scenario.cases()[0], users=counts(users), stop=watch.stop)
        if shared.is_model and "documents" not in scenario.parameters:
            raise CommandError("--over varies the documents in a call, and --query has none; give --users instead")
        varied = scenario
        if shared.is_model:
            varied = replace(scenario, parameters={**scenario.parameters, "documents": counts(over)})
        return await bench.scaling(varied, processes=processes, stop=watch.stop)

    measure(shared, shared.scenarios, run)


COMMANDS = (micro, memory, cost, scaling)
