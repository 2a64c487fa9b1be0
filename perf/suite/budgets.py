"""``budgets.toml``: what may not be exceeded, and on which machine that can be said."""

from __future__ import annotations

import math
import tomllib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from fnmatch import fnmatch
from pathlib import Path
from typing import Literal, TypeAlias

import msgspec

from aembed.bench import Report
from aembed.bench.model.result import Verdict
from aembed.bench.report import headlines

FILE = Path(__file__).parent.parent / "budgets.toml"
Figure: TypeAlias = Literal["time", "errors", "good rate", "recovery", "bytes", "allocations", "calls", "little"]


class Limit(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """``benchmark`` is a pattern such as ``micro: embed_documents(*)``."""

    benchmark: str
    figure: Figure
    most: float | None = None
    least: float | None = None


class Ratio(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One report's figure over another's. It holds on any machine."""

    benchmark: str
    to: str
    figure: Figure
    most: float


class Budgets(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """``hard`` limits are the promise, ``typical`` ones what this project expects of an ordinary machine."""

    typical: tuple[Limit, ...] = ()
    hard: tuple[Limit, ...] = ()
    ratio: tuple[Ratio, ...] = ()


@dataclass(frozen=True, slots=True)
class Breach:
    """A budget that is exceeded."""

    report: Report
    reason: str


def read(path: Path = FILE) -> Budgets:
    return msgspec.convert(tomllib.loads(path.read_text(encoding="utf-8")), Budgets)


def judged(reports: Sequence[Report], budgets: Budgets) -> list[Report]:
    """The same reports, marked where they exceed a budget. Invalid reports stay invalid."""
    breaches = [*_limits(reports, budgets), *_ratios(reports, budgets.ratio)]
    found = []
    for report in reports:
        reasons = tuple(breach.reason for breach in breaches if breach.report is report)
        over = reasons and report.verdict.state in {"ok", "over budget"}
        verdict = Verdict(state="over budget", reasons=report.verdict.reasons + reasons)
        found.append(replace(report, verdict=verdict) if over else report)
    return found


def unused(titles: Sequence[str], budgets: Budgets) -> list[str]:
    """Patterns that match no title: a budget without a measurement would never be exceeded."""
    patterns = [limit.benchmark for limit in (*budgets.typical, *budgets.hard)]
    patterns += [end for ratio in budgets.ratio for end in (ratio.benchmark, ratio.to)]
    return [pattern for pattern in patterns if not any(_fits(title, pattern) for title in titles)]


def value(report: Report, figure: Figure) -> float | None:
    """``None`` where the report has no such figure."""
    return next(_values(report, figure), None)


def _values(report: Report, figure: Figure) -> Iterator[float | None]:
    if figure == "time" and report.micro:
        yield report.micro.wall.value
    if figure in {"bytes", "allocations"} and report.memory:
        yield report.memory.bytes if figure == "bytes" else report.memory.allocations
    if figure in {"calls", "allocations"} and report.cost:
        yield report.cost.calls if figure == "calls" else report.cost.allocations
    if figure == "recovery" and report.burst:
        yield math.inf if report.burst.recovery is None else report.burst.recovery
    if figure == "little" and report.closed:
        yield abs(report.closed.little / report.closed.users - 1)
    if figure == "errors" and report.traffic:
        yield 1 - report.traffic.ok / max(1, report.traffic.offered)
    if figure == "good rate" and report.traffic:
        yield report.traffic.good_rate / report.traffic.offered_rate if report.traffic.offered else 0.0


def _fitting(reports: Sequence[Report], pattern: str) -> list[Report]:
    return [report for report in reports if _fits(headlines.title(report), pattern)]


def _fits(title: str, pattern: str) -> bool:
    return fnmatch(title, pattern.replace("[", "[[]"))


def _limits(reports: Sequence[Report], budgets: Budgets) -> Iterator[Breach]:
    for kind, limits in (("typical", budgets.typical), ("hard", budgets.hard)):
        for limit in limits:
            for report in _fitting(reports, limit.benchmark):
                found = value(report, limit.figure)
                if found is None:
                    continue
                if limit.most is not None and found > limit.most:
                    yield Breach(report, f"{limit.figure} {found:.3g} is above the {kind} budget of {limit.most:g}")
                if limit.least is not None and found < limit.least:
                    yield Breach(report, f"{limit.figure} {found:.3g} is below the {kind} budget of {limit.least:g}")


def _ratios(reports: Sequence[Report], ratios: Sequence[Ratio]) -> Iterator[Breach]:
    for ratio in ratios:
        for report in _fitting(reports, ratio.benchmark):
            for other in _fitting(reports, ratio.to):
                a, b = value(report, ratio.figure), value(other, ratio.figure)
                if a is not None and b and a / b > ratio.most:
                    said = f"{ratio.figure} is {a / b:.2f} of that of {headlines.title(other)}"
                    yield Breach(report, f"{said}, and may be {ratio.most:g}")
