"""Commands that measure one operation at a time, in fresh processes."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Annotated

import typer

from aembed import bench
from aembed.bench import Report, RunOptions, Scenario
from aembed.cli.bench.options import Shared, with_shared
from aembed.cli.bench.session import measure
from aembed.cli.bench.values import counts
from aembed.cli.errors import CommandError

Processes = Annotated[int, typer.Option("--processes", min=1, help="Fresh ones, for each case.")]


def _each_case(shared: Shared, run: Callable[[bench.Case], Awaitable[Report]]) -> None:
    async def all_of_them(_: RunOptions) -> list[Report]:
        return [await run(case) for scenario in shared.scenarios() for case in scenario.cases()]

    measure(shared, all_of_them)


@with_shared
def micro(shared: Shared, processes: Processes = 5) -> None:
    """Time of one operation, by the clock and of CPU.

    - aembed bench micro --model mock --documents 100

    - aembed bench micro --scenario benchmarks.py:parse
    """
    _each_case(shared, lambda case: bench.micro(case, processes=processes))


@with_shared
def memory(
    shared: Shared,
    operations: Annotated[int, typer.Option("--operations", min=100, help="How many, at most.")] = 20_000,
) -> None:
    """Memory of one operation, and whether any is never given back.

    - aembed bench memory --model mock --documents 50
    """
    _each_case(shared, lambda case: bench.memory(case, operations=operations))


@with_shared
def cost(shared: Shared) -> None:
    """Tasks, callbacks, timers and calls of one operation: counted, and equal on every run and machine.

    - aembed bench cost --model mock --documents 100
    """
    _each_case(shared, bench.cost)


@with_shared
def scaling(
    shared: Shared,
    over: Annotated[
        str, typer.Option("--over", parser=counts, metavar="N,N,...", help="Documents in a call.")
    ] = "1,5,20,50,100",
    users: Annotated[
        str | None, typer.Option("--users", parser=counts, metavar="N,N,...", help="Users at once, instead.")
    ] = None,
    processes: Processes = 5,
) -> None:
    """How time grows with the batch, or throughput with users.

    - aembed bench scaling --model mock --over 1,10,100,1000

    - aembed bench scaling --model local --users 1,2,4,8,16
    """

    async def run(scenario: Scenario) -> Report:
        if users:
            return await bench.concurrency(scenario.cases()[0], users=tuple(map(int, users)))
        if shared.scenario is None and "documents" not in scenario.parameters:
            raise CommandError("--over varies the documents in a call, and --query has none; give --users instead")
        varied = scenario
        if shared.scenario is None:
            parameters = {**scenario.parameters, "documents": tuple(map(int, over))}
            varied = Scenario(scenario.name, scenario.function, parameters)
        return await bench.scaling(varied, processes=processes)

    async def all_of_them(_: RunOptions) -> list[Report]:
        return [await run(scenario) for scenario in shared.scenarios()]

    measure(shared, all_of_them)


COMMANDS = (micro, memory, cost, scaling)
