"""Interleaved rounds, each candidate in a fresh process. See ``README.md`` for what the numbers do not show."""

from __future__ import annotations

import argparse
import sys
from collections import defaultdict
from typing import Any

from perf.peers import report
from perf.peers.candidates import CANDIDATES
from perf.peers.scenarios import BULK
from perf.peers.server import Server, running, warm
from perf.peers.texts import sentences
from perf.rounds import in_fresh_process, interleaved, keep

NEEDS_AN_OLD_OPENAI = "litellm"
WANTS_NUMBERS = {"baseten", "litellm"}
"""They do not ask for base64."""


def main() -> None:
    options = arguments()
    names = [name for name in options.candidates if name != NEEDS_AN_OLD_OPENAI or options.litellm_python]
    results: dict[str, list[Any]] = defaultdict(list)
    with running() as server:
        texts = sentences(BULK, options.seed)
        warm(server, texts)
        if WANTS_NUMBERS & set(names):
            warm(server, texts, base64=False)
        for number, name in interleaved(names, options.rounds, options.seed):
            if number < CANDIDATES[name].rounds:
                results[name].append(measure(name, server, options))
    ordered = {name: results[name] for name in names}
    path = keep("peers", {"seed": options.seed, "rounds": options.rounds, "scale": options.scale}, results=ordered)
    parts = (report.figures, report.ratios, report.targets, report.shares)
    print(*(part(ordered) for part in parts), f"written to {path}", sep="\n\n")


def measure(name: str, server: Server, options: argparse.Namespace) -> Any:
    interpreter = options.litellm_python if name == NEEDS_AN_OLD_OPENAI else sys.executable
    arguments = [name, server.base_url, str(server.pid), str(options.seed), str(options.scale)]
    command = [interpreter, "-m", "perf.peers.child", *arguments]
    return in_fresh_process(name, command, LITELLM_LOCAL_MODEL_COST_MAP="True")


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m perf.peers", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="two rounds of a tenth of the work")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--scale", type=float, default=1.0, help="how much work; 1 is 600, 1000 and 20,000 texts")
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
