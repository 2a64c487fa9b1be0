"""T10 and T11: who is to blame. Processes that are stopped are children of this one."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Callable, Sequence

import anyio

from aembed import bench
from aembed.bench.selftest.injected import block, burn
from tests.loops import run
from tests.truth.figures import Figure, heard, near, truth, yes
from tests.truth.load import FAST

STALL = 0.1


def stalled_by(what: Callable[[float], None]) -> bench.Report:
    calls: list[None] = []

    async def call() -> None:
        calls.append(None)
        if len(calls) == 100:
            what(STALL)

    return heard(run(bench.load(call, arrivals=bench.constant(100), duration=2), loop_factory=FAST))


def stopped_for(seconds: float) -> bench.Report:
    """A run of three seconds in another process, which is stopped for a while after one of them."""
    with subprocess.Popen([sys.executable, "-m", "tests.truth.attribution"], stdout=subprocess.PIPE) as child:
        assert child.stdout is not None
        assert child.stdout.readline() == b"begun\n"

        async def stop() -> None:
            await anyio.sleep(1)
            os.kill(child.pid, signal.SIGSTOP)
            await anyio.sleep(seconds)
            os.kill(child.pid, signal.SIGCONT)

        run(stop(), loop_factory=FAST)
        (report,) = bench.reports_from_json(child.stdout.read())
    return report


@truth("T10 attribution")
def attribution() -> Sequence[Figure]:
    figures = []
    for what, cause, place in ((burn, "cpu", " in burn"), (block, "blocked", " in block")):
        longest = max(stalled_by(what).stalls, key=lambda stall: stall.seconds)
        figures += [
            yes(f"a planted stall is called {cause}, not {longest.cause}", longest.cause == cause),
            yes("its line is named", place in str(longest.line)),
            near("its length, s", longest.seconds, STALL, absolute=0.02),
        ]
    longest = max(stopped_for(STALL).stalls, key=lambda stall: stall.seconds)
    return [
        *figures,
        yes(f"a stopped process is called machine, not {longest.cause}", longest.cause == "descheduled"),
        near("its length, s", longest.seconds, STALL, absolute=0.03),
    ]


@truth("T11 the generator is stopped")
def generator_is_stopped() -> Sequence[Figure]:
    report = stopped_for(0.5)
    return [
        yes("INVALID", report.verdict.state == "invalid"),
        yes("exit code 3", report.verdict.exit_code == 3),
        yes("says why", "machine stopped" in "".join(report.verdict.reasons)),
    ]


if __name__ == "__main__":

    async def nothing() -> None:
        pass

    async def main() -> bench.Report:
        sys.stdout.write("begun\n")
        sys.stdout.flush()
        return await bench.load(nothing, arrivals=bench.constant(100), duration=3)

    sys.stdout.buffer.write(bench.reports_to_json([run(main(), loop_factory=FAST)]))
