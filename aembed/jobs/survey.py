"""The first reading of the input: counts, sizes and repeated ids. Nothing is sent for it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field, fields

import numpy as np
from numpy.typing import NDArray

from aembed import Embedder
from aembed.jobs.column_types import ColumnTypes
from aembed.jobs.duplicates import SeenIds
from aembed.jobs.errors import JobInputError
from aembed.jobs.rows import Row, RowBlock
from aembed.jobs.source import JobSource
from aembed.jobs.threads import in_thread
from aembed.jobs.vocabulary import Vocabulary

MAX_REPEATED_ROWS = 1_000_000
REPEATED_ID = "an earlier row has the same id"


@dataclass(slots=True)
class Survey:
    """Content of the input."""

    rows: int = 0
    faulty: int = 0
    """Rows that cannot be embedded, those with a repeated id included."""
    blank: int = 0
    fingerprint: str = ""
    state: list[tuple[int, int]] = field(default_factory=list[tuple[int, int]])
    column_types: ColumnTypes = field(default_factory=ColumnTypes)
    numbered: bool = True
    """True if rows get their number as ``id``: no column identifies them, and none has that name."""
    unknown_tokens: float | None = None
    """The share of the tokens that the model does not know, in a sample; ``None`` where its tokenizer is not here."""
    repeated: NDArray[np.int64] = field(default_factory=lambda: np.empty(0, np.int64))

    @property
    def embeddable(self) -> int:
        """Rows that can be embedded."""
        return self.rows - self.faulty

    def reset(self) -> None:
        """Forget everything."""
        fresh = Survey()
        for each in fields(self):
            setattr(self, each.name, getattr(fresh, each.name))

    def judge(self, block: RowBlock) -> RowBlock:
        """The block with its repeated ids among the faults."""
        first, last = np.searchsorted(self.repeated, (block.start, block.start + len(block.rows)))
        for index in self.repeated[first:last].tolist():
            row = block.rows[index - block.start]
            row.fault, row.text = REPEATED_ID, ""
        return block


async def take_survey(
    survey: Survey, source: JobSource, embedder: Embedder, *, kinds: bool = False, taken: str | None = None
) -> None:
    """Read the input once for its fingerprint and once for its rows; with ``kinds`` also for the types of its columns.

    ``taken`` is the column that the vectors will be; ``None`` if the output has no columns. For a shard all rows are
    read once more: facts of the whole input are the same for every shard.

    Raises:
        JobInputError: it is not what its format says, no row of it can be embedded, or it has a column ``taken``.
    """
    while True:
        with SeenIds() as ids:
            look = _Look(survey, source, ids, Vocabulary(embedder), kinds=kinds, taken=taken)
            async for _ in in_thread(_steps(survey, source, look)):
                pass
        if not source.drop_torn_line():
            return
        survey.reset()


def _steps(survey: Survey, source: JobSource, look: _Look) -> Iterator[None]:
    survey.numbered = source.columns.id is None and "id" not in source.columns.names
    survey.state = source.state()
    for step in source.fingerprint():
        survey.fingerprint = step
        yield
    for block in source.all_blocks(whole=look.needs_fields):
        look.at(block)
        if source.reading.shard is None:
            _count(survey, block)
        del block  # or it would be in memory together with the next one
        yield
    repeated = look.check()
    if source.reading.shard is None:
        survey.repeated = repeated
    else:
        number, parts = source.reading.shard
        first, stop = (look.rows * part // parts for part in (number - 1, number))
        source.span = first, stop
        survey.repeated = repeated[(repeated >= first) & (repeated < stop)] - first
        for block in source.blocks():
            _count(survey, block)
            yield
    survey.faulty += len(survey.repeated)


def _count(survey: Survey, block: RowBlock) -> None:
    """The rows of the job."""
    survey.rows += len(block.rows)
    survey.blank += block.blank
    survey.faulty += sum(1 for row in block.rows if row.fault)


class _Look:
    """The whole input, for any shard of it."""

    def __init__(
        self, survey: Survey, source: JobSource, ids: SeenIds, vocabulary: Vocabulary, *, kinds: bool, taken: str | None
    ) -> None:
        self.rows = 0
        self._survey = survey
        self._source = source
        self._ids = ids
        self._vocabulary = vocabulary
        self._kinds = kinds
        self._taken = taken
        self._faulty = 0
        self._blank = 0
        self._first_fault = ""
        template = source.columns.template
        self._unseen = set() if template is None or source.columns.names else set(template.names)

    @property
    def needs_fields(self) -> bool:
        """True if the names of columns have to be found in the rows."""
        return (self._kinds or self._taken is not None) and not self._source.columns.names

    def at(self, block: RowBlock) -> None:
        """Look at the rows of a block."""
        self.rows += len(block.rows)
        self._blank += block.blank
        faulty = [row for row in block.rows if row.fault]
        self._faulty += len(faulty)
        if faulty and not self._first_fault:
            self._first_fault = self._described(faulty[0])
        if self._source.columns.id is not None:
            self._ids.add(block)
        self._vocabulary.sample(block)
        if self._kinds:
            self._survey.column_types.add(block)
        if self._taken is not None:
            self._check_taken(block, self._taken)
        if self._unseen:
            self._unseen.difference_update(*(row.fields for row in block.rows))

    def check(self) -> NDArray[np.int64]:
        """The rows with a repeated id.

        Raises:
            JobInputError: there is nothing to embed.
        """
        name = self._source.name
        if not self.rows:
            if self._source.columns.names:
                raise JobInputError(f"{name} has columns and no rows; give a file with rows")
            what = "has only blank lines" if self._blank else "is empty"
            raise JobInputError(f"{name} {what}; put one text on each line")
        if self._faulty == self.rows:
            raise JobInputError(f"{name}: no row can be embedded; {self._first_fault}")
        if self._unseen:
            raise JobInputError(
                f"{name}: no row has {' or '.join(map(repr, sorted(self._unseen)))}; check the template"
            )
        self._survey.unknown_tokens = self._vocabulary.unknown_share
        repeated = self._ids.repeated()
        if len(repeated) > min(self.rows // 2, MAX_REPEATED_ROWS):
            raise JobInputError(
                f"{name}: {len(repeated):,} of {self.rows:,} rows repeat an id of column {self._source.columns.id!r}; "
                "name a column without repeated values with id_column"
            )
        return repeated

    def _described(self, row: Row) -> str:
        fault = f"row {row.number}: {row.fault}"
        if row.fields and not set(self._source.columns.texts) & set(row.fields):
            fault += f"; it has {', '.join(map(repr, row.fields))}: name one with text_column"
        return fault

    def _check_taken(self, block: RowBlock, column: str) -> None:
        source = self._source
        names = set[str]().union(*[row.fields for row in block.rows])
        if self._survey.numbered and "id" in names:
            self._survey.numbered = False
        if (source.columns.id is None and column == "id") or column in source.columns.names or column in names:
            raise JobInputError(
                f"{source.name} has a column {column!r} already; give vectors another name with vector_column"
            )
