"""Tables of the measurements, and the targets: what aembed promises against the others, met or not."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from statistics import median, quantiles

from perf.peers.clocks import Figures
from perf.peers.scenarios import CALM, ENOUGH_RUNS, calmest, disturbance
from perf.peers.turns import Results
from perf.rounds import short, table

OURS, FLOOR = "aembed", "aiohttp"
ON_ASYNCIO = " (asyncio)"
COLUMNS = (
    ("a", "p50 us"),
    ("a", "p99 us"),
    ("a", "CPU us"),
    ("b", "per s"),
    ("b", "CPU us"),
    ("c", "per s"),
    ("c", "CPU us"),
    ("c", "peak MB"),
    ("c", "peak / array"),
)
SHARES = ("busy", "stolen", "server busy", "server stolen")
SATURATED = 0.9


@dataclass(frozen=True, slots=True)
class Target:
    """Target ratio to each rival: of rates, or of times for ``p50 us``."""

    scenario: str
    figure: str
    rival: str
    factor: float


TARGETS = (
    Target("c", "per s", FLOOR, 2.0),
    Target("c", "per s", "openai", 15.0),
    Target("c", "per s", "baseten", 4.0),
    Target("b", "per s", FLOOR, 1.5),
    Target("b", "per s", "baseten", 1.7),
    Target("a", "p50 us", FLOOR, 1 / 0.8),
)
MOST_MEMORY = 1.7
"""Peak above the baseline, in result arrays."""


def figures(results: Results) -> str:
    """A row per candidate: median (quartiles)."""
    rows = [
        [name, *(cell([run[figure] for run in calmest(found[scenario])]) for scenario, figure in COLUMNS)]
        for name, found in results.items()
    ]
    return table(["", *(f"{scenario} {figure}" for scenario, figure in COLUMNS)], rows)


def ratios(results: Results) -> str:
    """Ratio of each rival to aembed on the same loop: in time or rate, and in processor time."""
    kinds = (("a", "p50 us"), ("a", "CPU us"), ("b", "per s"), ("b", "CPU us"), ("c", "per s"), ("c", "CPU us"))
    rows = [
        [name, *(cell(better(results[ours], found, scenario, figure)) for scenario, figure in kinds)]
        for name, found in results.items()
        if name != (ours := ours_for(name, results))
    ]
    return table(["aembed is better than", *(f"{scenario} {figure}" for scenario, figure in kinds)], rows)


def ours_for(name: str, results: Results) -> str:
    """aembed on the loop of the rival, if it was measured there."""
    return OURS + ON_ASYNCIO if name.endswith(ON_ASYNCIO) and OURS + ON_ASYNCIO in results else OURS


def targets(results: Results) -> str:
    """Judged by the wall clock, or by processor time where other programs took too much of the cores.

    They delay some queries of (a) by a whole time slice and most not at all: its median does not change.
    """
    rows = []
    for target in TARGETS:
        for rival in (target.rival, target.rival + ON_ASYNCIO):
            if rival not in results:
                continue
            ours, theirs = results[ours_for(rival, results)], results[rival]
            wall = median(better(ours, theirs, target.scenario, target.figure))
            processor = median(better(ours, theirs, target.scenario, "CPU us"))
            calm = target.figure == "p50 us" or max(disturbed(each, target.scenario) for each in (ours, theirs)) < CALM
            verdict = "met" if (wall if calm else processor) >= target.factor else "NOT met"
            what = f"({target.scenario}) {target.figure} against {rival}"
            how = verdict if calm else f"{verdict}, by CPU: the machine was busy"
            rows.append([what, f"{target.factor:.2f}x", f"{wall:.2f}x", f"{processor:.2f}x", how])
    memory = median(run["peak / array"] for run in results[OURS]["c"])
    verdict = "met" if memory <= MOST_MEMORY else "NOT met"
    rows.append(["(c) peak memory above baseline / array", f"{MOST_MEMORY}", f"{memory:.2f}", "", verdict])
    return table(["target", "asked", "measured", "in CPU", ""], rows)


def disturbed(found: dict[str, list[Figures]], scenario: str) -> float:
    return median(map(disturbance, calmest(found[scenario])))


def shares(results: Results) -> str:
    """Load and disturbance of both sides: medians, in percent of the wall time, for a / b / c."""
    rows = []
    for name, found in results.items():
        percents = {
            share: [100 * median(run[share] for run in calmest(found[letter])) for letter in found] for share in SHARES
        }
        wanted = [a + b for a, b in zip(percents["server busy"], percents["server stolen"], strict=True)]
        note = "server saturated" if max(wanted) > 100 * SATURATED else ""
        rows.append([name, *(" / ".join(f"{value:.0f}" for value in values) for values in percents.values()), note])
    return table(["%", *SHARES, ""], rows)


def better(
    ours: dict[str, list[Figures]], theirs: dict[str, list[Figures]], scenario: str, figure: str
) -> Sequence[float]:
    """The ratio of each turn; of fewer, where a slow rival had fewer, and without the more disturbed half."""
    turns = list(zip(ours[scenario], theirs[scenario], strict=False))
    calm = sorted(turns, key=lambda turn: max(map(disturbance, turn)))[: max(ENOUGH_RUNS, len(turns) // 2)]
    return [a[figure] / b[figure] if figure == "per s" else b[figure] / a[figure] for a, b in calm]


def cell(values: Sequence[float]) -> str:
    """Median (quartiles)."""
    low, _, high = quantiles(values, n=4, method="inclusive") if len(values) > 1 else [values[0]] * 3
    return f"{short(median(values))} ({short(low)}-{short(high)})"
