"""The first reading of the input: how much there is of what, and which ids stand twice. Nothing is sent for it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from aembed.jobs.duplicates import Ids
from aembed.jobs.errors import JobInputError
from aembed.jobs.kinds import Kinds
from aembed.jobs.rows import Block
from aembed.jobs.source import Source
from aembed.jobs.steps import in_thread

MOST_REPEATED = 1_000_000
REPEATED = "the id stands in an earlier row already"


@dataclass(slots=True)
class Survey:
    """What the input holds."""

    rows: int = 0
    faulty: int = 0
    """Rows that cannot be embedded, those with a repeated id included."""
    blank: int = 0
    fingerprint: str = ""
    state: tuple[int, int] = (0, 0)
    kinds: Kinds = field(default_factory=Kinds)
    numbered: bool = True
    """True if rows get their number as ``id``: no column tells them apart, and none has that name."""
    repeated: NDArray[np.int64] = field(default_factory=lambda: np.empty(0, np.int64))

    def judge(self, block: Block) -> Block:
        """The block with its repeated ids among the faults."""
        first, last = np.searchsorted(self.repeated, (block.start, block.start + len(block.rows)))
        for index in self.repeated[first:last].tolist():
            row = block.rows[index - block.start]
            row.fault, row.text = REPEATED, ""
        return block


async def take_survey(survey: Survey, source: Source, *, kinds: bool = False, taken: str | None = None) -> None:
    """Read the input once for its fingerprint and once for its rows; with ``kinds`` also for the types of its columns.

    ``taken`` is the column that the vectors will be; ``None`` if the output has no columns.

    Raises:
        JobInputError: it is not what its format says, no row of it can be embedded, or it has a column ``taken``.
    """
    with Ids() as ids:
        async for _ in in_thread(_steps(survey, source, ids, kinds=kinds, taken=taken)):
            pass
    _check(survey, source)


def _steps(survey: Survey, source: Source, ids: Ids, *, kinds: bool, taken: str | None) -> Iterator[None]:
    first = ""
    survey.numbered = source.columns.id is None and "id" not in source.columns.names
    survey.state = source.state()
    for step in source.fingerprint():
        survey.fingerprint = step
        yield
    for block in source.blocks():
        survey.rows += len(block.rows)
        survey.blank += block.blank
        faulty = [row for row in block.rows if row.fault]
        survey.faulty += len(faulty)
        if faulty and not first:
            first = f"row {faulty[0].number}: {faulty[0].fault}"
            if faulty[0].fields and source.columns.text not in faulty[0].fields:
                first += f"; it has {', '.join(map(repr, faulty[0].fields))}: name one with text_column"
        if source.columns.id is not None:
            ids.add(block)
        if kinds:
            survey.kinds.add(block)
        if taken is not None:
            _check_taken(survey, source, block, taken)
        yield
    if survey.rows and survey.faulty == survey.rows:
        raise JobInputError(f"{source.name}: no row can be embedded; {first}")
    survey.repeated = ids.repeated()
    survey.faulty += len(survey.repeated)


def _check(survey: Survey, source: Source) -> None:
    name = source.name
    if not survey.rows:
        what = "has only blank lines" if survey.blank else "is empty"
        raise JobInputError(f"{name} {what}; put one text on each line")
    if len(survey.repeated) > min(survey.rows // 2, MOST_REPEATED):
        raise JobInputError(
            f"{name}: {len(survey.repeated):,} of {survey.rows:,} rows repeat an id of column {source.columns.id!r}; "
            "name the column that tells rows apart with id_column"
        )


def _check_taken(survey: Survey, source: Source, block: Block, column: str) -> None:
    if survey.numbered and any("id" in row.fields for row in block.rows):
        survey.numbered = False
    if (
        (source.columns.id is None and column == "id")
        or column in source.columns.names
        or any(column in row.fields for row in block.rows)
    ):
        raise JobInputError(
            f"{source.name} has a column {column!r} already; give vectors another name with vector_column"
        )
