"""A sweep as a table and one sentence of recommendation. Pure."""

from __future__ import annotations

from collections.abc import Iterator

from aembed.bench import slo, units
from aembed.bench.model.sweep import Sweep, SweepCell
from aembed.bench.report.tables import Table, table

NAMED = 3
"""Cells that a sentence names at most."""


def recommendation(sweep: Sweep) -> str:
    """The cell to use, or the reason why there is none."""
    front = [cell for cell in sweep.cells if cell.state == "front"]
    if sweep.goal is None:
        if not front:
            return "no cell could be measured"
        names = _listed([units.values(cell.parameters) for cell in front])
        return f"nothing tested is surely better than {names}; an objective such as p95=200ms chooses one of them"
    if sweep.best is not None:
        best = sweep.cells[sweep.best]
        perhaps = [cell for cell in front if cell.objective == "inconclusive" and _is_faster(cell, best)]
        more = f"; {_listed([units.values(cell.parameters) for cell in perhaps])} may be: run longer" if perhaps else ""
        return f"{units.values(best.parameters)}: {_figures(sweep, best)}; nothing tested is surely better{more}"
    if all(cell.latency is None for cell in sweep.cells):
        return "no cell could be measured"
    return f"nothing tested {'surely ' if _is_open(sweep) else ''}meets {slo.limit_of(sweep.goal)}{_closest(sweep)}"


def _is_open(sweep: Sweep) -> bool:
    return any(cell.objective == "inconclusive" for cell in sweep.cells)


def _is_faster(cell: SweepCell, best: SweepCell) -> bool:
    return cell.throughput is not None and best.throughput is not None and cell.throughput.value > best.throughput.value


def _figures(sweep: Sweep, cell: SweepCell) -> str:
    """Such as "4,120 texts/s at p95 180 ms"."""
    assert cell.throughput is not None
    assert cell.latency is not None
    latency = units.optional(cell.latency.value, units.seconds, units.BEYOND)
    return f"{_throughput(sweep, cell.throughput.value)} at {units.quantile(sweep.q)} {latency}"


def _throughput(sweep: Sweep, value: float) -> str:
    return f"{units.digits(value)} {sweep.items}/s"


def _closest(sweep: Sweep) -> str:
    measured = [cell for cell in sweep.cells if cell.latency is not None and cell.latency.value is not None]
    if not measured:
        return ""
    lowest = min(measured, key=lambda cell: (cell.latency and cell.latency.value) or 0.0)
    assert lowest.latency is not None
    return f"; the lowest is {units.percentile(lowest.latency)}, with {units.values(lowest.parameters)}"


def _listed(names: list[str]) -> str:
    shown = names[:NAMED]
    more = [f"{len(names) - NAMED} others"] if len(names) > NAMED else []
    *first, last = [*shown, *more]
    return f"{'; '.join(first)} and {last}" if first else last


def sweep(found: Sweep) -> Iterator[Table]:
    judged = found.goal is not None
    rows = [
        (
            units.values(cell.parameters),
            units.estimate(cell.throughput, units.rate, "-"),
            "-" if cell.latency is None else units.percentile(cell.latency),
            *((_objective(cell),) if judged else ()),
            _place(cell),
        )
        for cell in found.cells
    ]
    columns = ("cell", f"{found.items} (95 % interval)", f"{units.quantile(found.q)} (95 % interval)")
    yield table(
        "Throughput against latency",
        (*columns, *(("objective",) if judged else ()), "place"),
        *rows,
        note=f"front: no other cell is surely better by more than {units.share(found.margin)} in one of the two and "
        f"as good in the other; front?: a longer run may show one. Blocks of {units.seconds(found.block_s)} in "
        "random order",
    )


def _objective(cell: SweepCell) -> str:
    return "-" if cell.objective is None else "open" if cell.objective == "inconclusive" else cell.objective


def _place(cell: SweepCell) -> str:
    match cell.state:
        case "invalid":
            return "INVALID"
        case "failed":
            return f"failed: {cell.reason or f'{units.share(cell.errors)} errors'}"
        case "beaten":
            return "beaten" if cell.beaten_by is None else f"beaten by {units.values(cell.beaten_by)}"
        case "front":
            return "front?" if cell.undecided else "front"
    return cell.state
