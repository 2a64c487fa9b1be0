"""The table, and the results as JSON."""

from __future__ import annotations

import json
import platform
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np

from perf.quota.run import Outcome
from perf.quota.scenarios import Scenario

RESULTS = Path(__file__).parents[1] / "results" / "quota.json"
HEADER = (
    f"{'scenario':25} {'client':10} {'efficiency':>19} {'failed':>6} {'429s':>7}"
    f" {'query p50':>9} {'p95':>7} {'max':>7} {'alone':>6} {'ratio':>6}  targets"
)


@dataclass(frozen=True)
class Row:
    """One scenario with one client, over all seeds. Times are seconds; ``rejections`` are 429s per success."""

    scenario: str
    client: str
    held_out: bool
    seeds: int
    efficiency: float
    lowest: float
    highest: float
    failed: int
    rejections: float
    query_p50: float
    query_p95: float
    query_max: float
    unloaded_p95: float
    missed: tuple[str, ...]

    @property
    def ratio(self) -> float:
        return self.query_p95 / self.unloaded_p95

    def __str__(self) -> str:
        efficiency = f"{self.efficiency:.3f} ({self.lowest:.3f}-{self.highest:.3f})"
        verdict = "" if self.client != "aembed" else f"missed: {', '.join(self.missed)}" if self.missed else "met"
        return (
            f"{self.scenario:25} {self.client:10} {efficiency:>19} {self.failed:6} {self.rejections:7.4f}"
            f" {self.query_p50:9.2f} {self.query_p95:7.2f} {self.query_max:7.2f}"
            f" {self.unloaded_p95:6.2f} {self.ratio:6.1f}  {verdict}"
        )


def summarise(
    scenario: Scenario, client: str, outcomes: Sequence[Outcome], unloaded: Sequence[float], *, held_out: bool
) -> Row:
    """Efficiency is the median over seeds, with its range; queries of all seeds are taken together."""
    efficiencies = [outcome.efficiency for outcome in outcomes]
    queries = np.array([wait for outcome in outcomes for wait in outcome.queries] or [np.nan])
    failed = sum(outcome.failed for outcome in outcomes)
    rejections = sum(outcome.rejected for outcome in outcomes) / max(1, sum(outcome.answered for outcome in outcomes))
    p95, alone = float(np.percentile(queries, 95)), float(np.percentile(unloaded, 95))
    missed = [
        name
        for name, is_missed in {
            "efficiency": float(np.median(efficiencies)) < scenario.target,
            "failed": failed > 0,
            "429s": rejections > scenario.rejections,
            "queries": p95 > 2 * alone,
        }.items()
        if is_missed
    ]
    return Row(
        scenario=scenario.name,
        client=client,
        held_out=held_out,
        seeds=len(outcomes),
        efficiency=float(np.median(efficiencies)),
        lowest=min(efficiencies),
        highest=max(efficiencies),
        failed=failed,
        rejections=rejections,
        query_p50=float(np.percentile(queries, 50)),
        query_p95=p95,
        query_max=float(queries.max()),
        unloaded_p95=alone,
        missed=tuple(missed),
    )


def verdict(rows: Sequence[Row]) -> str:
    """Number of scenarios in which aembed met all targets, and the missed ones of the others."""
    ours = [row for row in rows if row.client == "aembed"]
    missed = [f"{row.scenario} ({', '.join(row.missed)})" for row in ours if row.missed]
    met = f"aembed met every target in {len(ours) - len(missed)} of {len(ours)} scenarios"
    return f"{met}; missed: {'; '.join(missed)}" if missed else met


def write(rows: Sequence[Row], path: Path = RESULTS) -> None:
    """Rows of scenarios that were not run this time stay as they are."""
    kept = json.loads(path.read_text(encoding="utf-8"))["rows"] if path.exists() else []
    new = {(row.scenario, row.client): asdict(row) | {"ratio": row.ratio} for row in rows}
    old = {(row["scenario"], row["client"]): row for row in kept}
    path.parent.mkdir(exist_ok=True)
    results = {"python": platform.python_version(), "rows": list((old | new).values())}
    path.write_text(json.dumps(results, indent=1) + "\n", encoding="utf-8")
