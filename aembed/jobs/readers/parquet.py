"""Parquet, through pyarrow. Columns that are not needed are not read."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, BinaryIO

from aembed.jobs.arrow import pyarrow, the_parquet
from aembed.jobs.arrow_values import plain_values
from aembed.jobs.columns import Columns, columns_of_file
from aembed.jobs.errors import JobInputError
from aembed.jobs.readers.pages import largest_page
from aembed.jobs.reading import Reading
from aembed.jobs.rows import BLOCK, BLOCK_BYTES, Block, Row, make_row

PAGES_BYTES = 2**20
"""Read from the file at a time."""
PAGE_ROWS = 4
"""A page may have so many times the bytes of the longest row. Reading one takes up to seven times its size."""


def parquet_columns(name: str, file: BinaryIO, reading: Reading) -> Columns:
    for option in ("encoding", "delimiter", "quoting"):
        if getattr(reading, option) is not None:
            raise JobInputError(f"{name} is Parquet, which has no {option}; leave {option} out")
    types = pyarrow().types
    schema = open_parquet(name, file).schema_arrow
    columns = columns_of_file(name, schema.names, reading)
    check_pages(name, file, reading, columns.used)
    if columns.template is not None:
        return columns
    kind = schema.field(columns.text).type
    strings = (types.is_string, types.is_large_string, types.is_string_view, types.is_dictionary)
    if not any(holds(kind) for holds in strings):
        raise JobInputError(f"{name}: the column {columns.text!r} holds {kind}, not strings; name another text column")
    return columns


def check_pages(name: str, file: BinaryIO, reading: Reading, names: Sequence[str] | None) -> None:
    """Reject a page that would take too much memory; of columns ``names``, or of all.

    Raises:
        JobInputError: a page has more than ``PAGE_ROWS`` times ``max_row_bytes``.
    """
    most, metadata = PAGE_ROWS * reading.max_row_bytes, open_parquet(name, file).metadata
    for group in map(metadata.row_group, range(metadata.num_row_groups)):
        for chunk in map(group.column, range(group.num_columns)):
            column = chunk.path_in_schema
            used = names is None or column.partition(".")[0] in names
            found = largest_page(file, chunk) if used and chunk.total_uncompressed_size > most else 0
            if found > most:
                raise JobInputError(
                    f"{name}: a page of column {column!r} has {found:,} bytes, more than the {most:,} that are read "
                    "at once. Write the file with smaller pages (pyarrow: write_batch_size=16), "
                    f"or give max_row_bytes={-(-found // PAGE_ROWS)}"
                )


def read_parquet(name: str, file: BinaryIO, reading: Reading, columns: Columns) -> Iterator[Block]:
    """Rows with their text and id."""
    return _blocks(name, file, columns, columns.used)


def read_whole_parquet(name: str, file: BinaryIO, reading: Reading, columns: Columns) -> Iterator[Block]:
    """Blocks with everything the file has, as Arrow batches."""
    return _blocks(name, file, columns, None)


def open_parquet(name: str, file: BinaryIO, *, once: Sequence[str] = ()) -> Any:
    """``once``: columns of strings that come as dictionaries, each value once, however often the rows repeat it."""
    file.seek(0)
    try:
        # pages are read as they are needed; whole columns of a row group at once would fill the memory
        return the_parquet().ParquetFile(
            file, pre_buffer=False, buffer_size=PAGES_BYTES, read_dictionary=list(once) or None
        )
    except (pyarrow().ArrowException, OSError) as error:
        raise JobInputError(f"{name} is not Parquet: {error}") from None


def _blocks(name: str, file: BinaryIO, columns: Columns, wanted: Sequence[str] | None) -> Iterator[Block]:
    start = 0
    try:
        once = () if wanted is None else columns.texts  # some hundred bytes of file may be gigabytes of rows
        for batch in _batches(open_parquet(name, file, once=list(once)), wanted):
            records = zip(
                *(_values(batch.column(name), is_text=name in columns.texts) for name in columns.used), strict=True
            )
            rows: list[Row] = [
                make_row(number, dict(zip(columns.used, values, strict=True)), columns)
                for number, values in enumerate(records, start + 1)
            ]
            yield Block(start, rows, batch=batch if wanted is None else None)
            start += len(rows)
    except (pyarrow().ArrowException, OSError) as error:
        raise JobInputError(f"{name} cannot be read beyond row {start}: {error}") from None


def _values(array: Any, *, is_text: bool) -> list[Any]:
    """Plain values. A text that is not UTF-8 stays bytes: it must not be embedded as something else."""
    if not is_text:
        return plain_values(array)
    if pyarrow().types.is_dictionary(array.type):
        each = _values(array.dictionary, is_text=True)
        return [None if index is None else each[index] for index in array.indices.to_pylist()]
    try:
        values: list[Any] = array.to_pylist()
    except UnicodeDecodeError:
        return [_text(scalar) for scalar in array]
    return values


def _text(scalar: Any) -> str | bytes | None:
    try:
        text: str | None = scalar.as_py()
    except UnicodeDecodeError:
        value: bytes = scalar.cast(pyarrow().binary()).as_py()
        return value
    return text


def _batches(file: Any, wanted: Sequence[str] | None) -> Iterator[Any]:
    """Batches of so many rows that, as long as rows are alike, none is much larger than a block may be."""
    metadata = file.metadata
    for number in range(metadata.num_row_groups):
        group = metadata.row_group(number)
        row_bytes = group.total_byte_size // max(1, group.num_rows)
        size = max(1, min(BLOCK, BLOCK_BYTES // max(1, row_bytes)))
        yield from file.iter_batches(
            batch_size=size, row_groups=[number], columns=None if wanted is None else list(wanted), use_threads=False
        )
