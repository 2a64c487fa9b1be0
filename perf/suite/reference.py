"""aembed's own cost compared with a Go implementation of the same interface on a mock of dimension 128.

Its figures are those of its authors, from another machine of two cores: a yardstick, not a race.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from rich.table import Table

from aembed.bench import Report, units
from aembed.bench.report import headlines

MICROSECONDS = {
    "micro: new_factory": (18, 30),
    "micro: validate_config": (14, 23),
    "micro: validate_options": (14, 23),
    "micro: new_embedder": (9, 12),
    "micro: embed_query(on=mock)": (1.0, 1.7),
    "micro: embed_documents(on=mock, documents=5)": (3.7, 5),
    "micro: embed_documents(on=mock, documents=20)": (13, 19),
    "micro: embed_documents(on=mock, documents=100)": (64, 83),
}


def table(reports: Sequence[Report]) -> Table | None:
    """By CPU time, which other programs disturb least; ``None`` if nothing of it was measured."""
    rows = list(_rows(reports))
    if not rows:
        return None
    made = Table("operation", "CPU time here", "Go, elsewhere", "here / Go", title="What aembed itself costs")
    for row in rows:
        made.add_row(*row)
    return made


def _rows(reports: Sequence[Report]) -> Iterator[tuple[str, ...]]:
    for report in reports:
        title = headlines.title(report)
        if report.micro is not None and title in MICROSECONDS:
            low, high = MICROSECONDS[title]
            here = report.micro.cpu.value * 1e6
            ratio = f"{here / high:.2g} to {here / low:.2g}"
            yield title.removeprefix("micro: "), units.seconds(here / 1e6), f"{low:g} to {high:g} µs", ratio
