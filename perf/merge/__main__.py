"""``python -m perf.merge``: single queries of many callers at once, with and without ``merge=True``."""

from __future__ import annotations

import argparse
import sys
from collections import defaultdict
from contextlib import ExitStack
from typing import Any, TypeAlias

from perf.merge.subjects import LOCAL, SERVERS, SUBJECTS
from perf.peers.server import running
from perf.rounds import cell, in_fresh_process, interleaved, keep, table

DIM = 384
CALLERS = (1, 64, 512)
FIGURES = ("per s", "p50 ms", "p99 ms", "texts a request", "CPU us")

Results: TypeAlias = dict[str, list[dict[str, float]]]


def main() -> None:
    options = arguments()
    cases = [
        f"{subject}|{callers}|{merge}"
        for subject in options.subjects
        for callers in options.callers
        for merge in ("plain", "merge")
    ]
    results: Results = defaultdict(list)
    with ExitStack() as stack:
        urls = {LOCAL: ""}
        for subject in options.subjects:
            if subject != LOCAL:
                urls[subject] = stack.enter_context(running(*SERVERS[subject], dim=DIM)).base_url
        for _, case in interleaved(cases, options.rounds, seed=1):
            subject, callers, merge = case.split("|")
            command = [sys.executable, "-m", "perf.merge.child", subject, callers, merge, urls[subject]]
            results[case].append(in_fresh_process(case, [*command, str(calls(int(callers), options.scale))]))
    print(report({case: results[case] for case in cases}))
    if not options.quick:
        print("\nwritten to", keep("merge", {"rounds": options.rounds, "scale": options.scale}, results=results))


def calls(callers: int, scale: float) -> int:
    """Calls per caller."""
    return max(3, int(scale * max(5, min(100, 1000 // callers))))


def report(results: Results) -> str:
    rows = []
    for case, rounds in results.items():
        failed = sum(figures["failed"] for figures in rounds)
        assert not failed, f"{case}: {failed} texts failed"
        rows.append([*case.split("|"), *(cell([figures[name] for figures in rounds]) for name in FIGURES)])
    return table(["subject", "callers", "", *FIGURES], rows)


def arguments() -> Any:
    parser = argparse.ArgumentParser(prog="python -m perf.merge", description=__doc__)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--scale", type=float, default=1.0, help="how many calls; 1 is 100, 15 and 5 of each caller")
    parser.add_argument("--quick", action="store_true", help="one round of a fifth of the calls")
    parser.add_argument("--subjects", nargs="+", default=list(SUBJECTS), choices=list(SUBJECTS))
    parser.add_argument("--callers", nargs="+", type=int, default=list(CALLERS))
    options = parser.parse_args()
    if options.quick:
        options.rounds, options.scale = 1, 0.2
    return options


if __name__ == "__main__":
    main()
