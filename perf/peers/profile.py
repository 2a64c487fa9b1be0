"""A profile of a candidate: ``python -m perf.peers.profile aembed b``. Python calls look dearer than they are."""

from __future__ import annotations

import argparse
import cProfile
import os
import pstats

from perf.peers import scenarios
from perf.peers.candidates import CANDIDATES
from perf.peers.child import run_in, truth
from perf.peers.clocks import Clocks, Figures
from perf.peers.scenarios import SCENARIOS, Run
from perf.peers.server import CLIENT_CORE, Server, pin, running, warm
from perf.peers.texts import sentences

TURNS = 5
PROFILE = cProfile.Profile()


class Profiled(Clocks):
    """Profiles the timed part alone."""

    def __init__(self, server: Server) -> None:
        super().__init__(server)
        PROFILE.enable()

    def figures(self, operations: int) -> Figures:
        PROFILE.disable()
        return super().figures(operations)


async def measure(run: Run, letter: str) -> Figures:
    """Several turns, and the figures of the last one."""
    scenario = SCENARIOS[letter]
    async with run.candidate.opened(run.server.base_url, scenario.in_flight) as client:
        for _ in range(TURNS):
            figures = await scenario.measure(run, client)
    return figures


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m perf.peers.profile", description=__doc__)
    parser.add_argument("candidate", choices=list(CANDIDATES))
    parser.add_argument("scenario", choices=list(SCENARIOS))
    parser.add_argument("--sort", default="tottime", choices=["tottime", "cumtime", "ncalls"])
    parser.add_argument("--lines", type=int, default=40)
    parser.add_argument("--out", help="keep the profile in this file, too")
    options = parser.parse_args()
    entry, texts = CANDIDATES[options.candidate], sentences(SCENARIOS[options.scenario].texts, 1)
    with running() as server:
        warm(server, texts)
        pin(os.getpid(), CLIENT_CORE)
        run = Run(entry.load(), server, texts, truth(texts), entry.share)
        setattr(scenarios, "Clocks", Profiled)  # noqa: B010  # the scenarios are not to know of it
        figures = run_in(entry.loop, measure(run, options.scenario))
    print(figures)
    pstats.Stats(PROFILE).sort_stats(options.sort).print_stats(options.lines)
    if options.out:
        PROFILE.dump_stats(options.out)


if __name__ == "__main__":
    main()
