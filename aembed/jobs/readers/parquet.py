"""Parquet, through pyarrow. Columns that are not needed are not read."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from typing import Any, BinaryIO

from aembed.jobs.arrow import parquet_file, pyarrow, release_memory
from aembed.jobs.arrow_values import plain_values
from aembed.jobs.columns import Columns, columns_of_file
from aembed.jobs.errors import JobInputError
from aembed.jobs.readers.pages import dictionary_bytes, page_bytes
from aembed.jobs.reading import Reading
from aembed.jobs.rows import BLOCK_BYTES, BLOCK_ROWS, Row, RowBlock, make_row

PAGE_ROWS = 8
"""The pages read at once may have so many times the bytes of the longest row; they take half as much again."""
ORDINARY_BYTES = 2**22
"""A column whose pages have no more is never rejected: pyarrow and others write pages of about 1 MB."""
REPEATED_BYTES = 2**25
"""Bytes of a batch if each of its values were as large as the dictionary that it comes from."""


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
    """Reject pages that would take too much memory; of columns ``names``, or of all. Each column has one in memory.

    Raises:
        JobInputError: together they have more than ``PAGE_ROWS`` times ``max_row_bytes``.
    """
    most, metadata = PAGE_ROWS * reading.max_row_bytes, open_parquet(name, file).metadata
    for number in range(metadata.num_row_groups):
        chunks = _chunks(metadata.row_group(number), names)
        if sum(chunk.total_uncompressed_size for chunk in chunks) <= most:
            continue
        sizes = {chunk.path_in_schema: page_bytes(file, chunk) for chunk in chunks}
        large = {column: size for column, size in sizes.items() if size > ORDINARY_BYTES}
        found = sum(large.values())
        if found > most:
            which = " and ".join(map(repr, large))
            raise JobInputError(
                f"{name}: the largest page of column {which} has {found:,} bytes, more than the {most:,} that are read "
                "at once. Write the file with smaller pages (pyarrow: write_batch_size=16), "
                f"or give max_row_bytes={-(-found // PAGE_ROWS)}"
            )


def _chunks(group: Any, names: Sequence[str] | None) -> list[Any]:
    """The column chunks of a row group; a column of structs has several."""
    chunks = map(group.column, range(group.num_columns))
    return [
        chunk
        for chunk in chunks
        if names is None or chunk.path_in_schema in names or chunk.path_in_schema.partition(".")[0] in names
    ]


def read_parquet(name: str, file: BinaryIO, reading: Reading, columns: Columns) -> Iterator[RowBlock]:
    """Rows with their text and id."""
    return _blocks(name, file, columns, columns.used)


def read_whole_parquet(name: str, file: BinaryIO, reading: Reading, columns: Columns) -> Iterator[RowBlock]:
    """Blocks with everything the file has, as Arrow batches."""
    return _blocks(name, file, columns, None)


def open_parquet(name: str, file: BinaryIO) -> Any:
    file.seek(0)
    path = f"/proc/self/fd/{file.fileno()}"
    native = pyarrow().OSFile(path) if os.path.exists(path) else file  # a Python file's pages are copied once more
    try:
        return parquet_file(native)
    except (pyarrow().ArrowException, OSError) as error:
        raise JobInputError(f"{name} is not Parquet: {error}") from None


def _blocks(name: str, file: BinaryIO, columns: Columns, wanted: Sequence[str] | None) -> Iterator[RowBlock]:
    start = size = 0
    try:
        for batch in _batches(file, open_parquet(name, file), wanted):
            size += batch.nbytes
            block = RowBlock(start, _rows(batch, start, columns), batch=batch if wanted is None else None)
            start += batch.num_rows
            del batch  # or it would be in memory together with the next one
            yield block
            del block
            if size >= BLOCK_BYTES:
                release_memory()
                size = 0
    except (pyarrow().ArrowException, OSError) as error:
        raise JobInputError(f"{name} cannot be read beyond row {start}: {error}") from None


def _rows(batch: Any, start: int, columns: Columns) -> list[Row]:
    used = columns.used
    records = zip(*(_values(batch.column(name), is_text=name in columns.texts) for name in used), strict=True)
    return [
        make_row(number, dict(zip(used, values, strict=True)), columns)
        for number, values in enumerate(records, start + 1)
    ]


def _values(array: Any, *, is_text: bool) -> list[Any]:
    """Plain values. A text that is not UTF-8 stays bytes: it must not be embedded as something else."""
    if not is_text:
        return plain_values(array)
    if pyarrow().types.is_dictionary(array.type):
        array = array.dictionary_decode()
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


def _batches(raw: BinaryIO, file: Any, wanted: Sequence[str] | None) -> Iterator[Any]:
    """Batches of so many rows that, as long as rows are alike, none is much larger than a block may be.

    Some hundred bytes of file may be gigabytes of rows, if many rows repeat a value of the dictionary: those count as
    if every row had its largest value. Reading strings as dictionaries is no cure: pyarrow then keeps all
    strings of a row group in memory, those included that are in no dictionary.
    """
    metadata = file.metadata
    for number in range(metadata.num_row_groups):
        group = metadata.row_group(number)
        row_bytes = group.total_byte_size // max(1, group.num_rows)
        repeated = sum(dictionary_bytes(raw, chunk) for chunk in _chunks(group, wanted))
        size = max(1, min(BLOCK_ROWS, BLOCK_BYTES // max(1, row_bytes), REPEATED_BYTES // max(1, repeated)))
        yield from file.iter_batches(
            batch_size=size, row_groups=[number], columns=None if wanted is None else list(wanted), use_threads=False
        )
