"""Long texts as several rows: one for each piece, with the piece's number and its character span."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

from aembed import Embedder, TextSize
from aembed.jobs.columns import Columns
from aembed.jobs.errors import JobInputError
from aembed.jobs.rows import BLOCK_BYTES, BLOCK_ROWS, Row, RowBlock

Measure: TypeAlias = Callable[[Sequence[str]], Sequence[TextSize]]

PIECE_COLUMNS = ("piece", "start", "end")
"""Columns that a row of a piece has besides those of its row: number from 0, first character, and end."""


@dataclass(frozen=True, slots=True)
class Splitter:
    """Cuts rows into pieces that fit the model; every reading of the input cuts the same."""

    measure: Measure

    def split(self, block: RowBlock, columns: Columns) -> Iterator[RowBlock]:
        """The rows of ``block`` as blocks of pieces. The text column holds the piece.

        Raises:
            JobInputError: a column of the input has the name of one that is added.
        """
        taken = set(PIECE_COLUMNS) & {*columns.names, *(name for row in block.rows for name in row.fields)}
        if taken:
            raise JobInputError(f"the input has a column {min(taken)!r}, which pieces of texts need; rename it")
        pieces: list[Row] = []
        owners: list[int] = []
        size = 0
        for owner, piece, weight in self._pieces(block, columns):
            pieces.append(piece)
            owners.append(owner)
            size += weight
            if len(pieces) == BLOCK_ROWS or size >= BLOCK_BYTES:
                yield _block(block, pieces, owners, columns)
                pieces, owners, size = [], [], 0
        if pieces or not block.rows:
            yield _block(block, pieces, owners, columns)
        # blank lines are those of the whole block: they are counted once

    def _pieces(self, block: RowBlock, columns: Columns) -> Iterator[tuple[int, Row, int]]:
        good = [row.text for row in block.rows if not row.fault]
        sizes = iter(self.measure(good) if good else ())
        for owner, row in enumerate(block.rows):
            if row.fault:
                row.piece = 0
                yield owner, row, 0
                continue
            spans = [(start, end) for start, end in next(sizes).pieces if not _is_blank(row.text[start:end])]
            for number, (start, end) in enumerate(spans):
                text = row.text[start:end]
                shown = {} if columns.template is not None else {columns.text: text}
                fields = {**row.fields, **shown, **dict(zip(PIECE_COLUMNS, (number, start, end), strict=True))}
                yield owner, Row(row.number, row.id, text, fields, piece=number), len(row.text)


def splitter_for(embedder: Embedder) -> Splitter:
    """The splitter for a model.

    Raises:
        JobInputError: the length of its longest text is not known.
    """
    spec, (size,) = embedder.spec, embedder.measure(["text"])
    if spec.max_text_tokens is None and not size.exact:
        raise JobInputError(
            f'the longest text that {spec.provider}:{spec.name} takes is not known, and overlong="rows" needs it; '
            'use overlong="split", which averages the pieces of a text that is rejected'
        )
    return Splitter(embedder.measure)


def with_pieces(schema: Any, columns: Columns) -> Any:
    """The Arrow schema of a Parquet input whose rows are cut into pieces."""
    from aembed.jobs.arrow import pyarrow

    pa = pyarrow()
    if columns.template is None:
        at = schema.get_field_index(columns.text)
        schema = schema.set(at, pa.field(columns.text, pa.string()))
    for name in PIECE_COLUMNS:
        schema = schema.append(pa.field(name, pa.int64()))
    return schema


def _is_blank(text: str) -> bool:
    return not text or text.isspace()


def _block(block: RowBlock, pieces: list[Row], owners: list[int], columns: Columns) -> RowBlock:
    batch = None if block.batch is None else _batch(block.batch, pieces, owners, columns)
    blank, block.blank = block.blank, 0
    return RowBlock(block.start, pieces, blank=blank, batch=batch, file=block.file)


def _batch(batch: Any, pieces: list[Row], owners: list[int], columns: Columns) -> Any:
    """The rows of a Parquet file, each as often as it has pieces."""
    from aembed.jobs.arrow import array_of, pyarrow

    pa = pyarrow()
    schema = with_pieces(batch.schema, columns)
    arrays = []
    for field, array in zip(schema, batch.columns, strict=False):
        if field.name == columns.text and columns.template is None:
            arrays.append(array_of([piece.text or None for piece in pieces], field.type))
        else:  # slices, because pyarrow's take does not know all types
            arrays.append(pa.concat_arrays([array.slice(owner, 1) for owner in owners]))
    added = [[piece.fields.get(name) for piece in pieces] for name in PIECE_COLUMNS]
    arrays += [array_of(values, pa.int64()) for values in added]
    return pa.RecordBatch.from_arrays(arrays, schema=schema)
