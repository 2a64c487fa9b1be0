"""Rounds of fresh processes, which take turns. See ``README.md`` for what the numbers do not show."""

from __future__ import annotations

import argparse
import random
import sys

from perf.peers import report
from perf.peers.candidates import CANDIDATES
from perf.peers.scenarios import SCENARIOS
from perf.peers.server import running, warm
from perf.peers.texts import sentences
from perf.peers.turns import Opener, Results, measure_round
from perf.rounds import keep

NEEDS_AN_OLD_OPENAI = "litellm"
WANTS_NUMBERS = {"baseten", "litellm"}
"""They do not ask for base64."""


def main() -> None:
    options = arguments()
    names = [name for name in options.candidates if name != NEEDS_AN_OLD_OPENAI or options.litellm_python]
    results: Results = {name: {letter: [] for letter in SCENARIOS} for name in names}
    dice = random.Random(options.seed)
    with running() as server:
        texts = sentences(max(scenario.texts for scenario in SCENARIOS.values()), options.seed)
        warm(server, texts)
        if WANTS_NUMBERS & set(names):
            warm(server, texts, base64=False)
        opener = Opener(server, options.seed, options.scale, {NEEDS_AN_OLD_OPENAI: options.litellm_python})
        for number in range(options.rounds):
            print(f"round {number + 1} of {options.rounds}", file=sys.stderr)
            present = [name for name in names if number < CANDIDATES[name].rounds]
            measure_round(present, opener.opened, dice, results)
    path = keep("peers", {"seed": options.seed, "rounds": options.rounds, "scale": options.scale}, results=results)
    parts = (report.figures, report.ratios, report.targets, report.shares)
    print(*(part(results) for part in parts), f"written to {path}", sep="\n\n")


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m perf.peers", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="two rounds of a tenth of the work")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--scale", type=float, default=1.0, help="how much work; 1 is 300, 500 and 20,000 texts a turn")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--candidates", nargs="+", default=list(CANDIDATES), choices=list(CANDIDATES))
    parser.add_argument("--litellm-python", help="interpreter of an environment that has litellm")
    options = parser.parse_args()
    if options.quick:
        options.rounds, options.scale = 2, 0.1
    options.candidates = list(dict.fromkeys([report.OURS, *options.candidates]))
    return options


if __name__ == "__main__":
    main()
