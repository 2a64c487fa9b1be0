"""The input: the rows of one file or several, read in order as often as needed."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Iterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, BinaryIO

import anyio.to_thread
from xxhash import xxh3_128

from aembed.jobs.columns import Columns
from aembed.jobs.errors import JobInputError
from aembed.jobs.foreign import HEAD_BYTES, foreign
from aembed.jobs.inputs import ENDINGS, InputFile, Inputs, open_inputs
from aembed.jobs.pieces import Splitter
from aembed.jobs.readers import READERS
from aembed.jobs.reading import InputFormat, Reading
from aembed.jobs.rows import RowBlock
from aembed.jobs.spool import reading_errors
from aembed.jobs.streams import is_compressed, open_text


@dataclass(slots=True)
class JobSource:
    """An open input whose columns are known."""

    name: str
    """The input in messages."""
    files: list[InputFile]
    format: InputFormat
    columns: Columns
    reading: Reading
    splitter: Splitter | None = None
    """Cuts texts into pieces, if they are to be rows."""
    span: tuple[int, int] | None = None
    """The rows of the shard, where there is one: from the first to before the second."""

    def blocks(self, *, whole: bool = False) -> Iterator[RowBlock]:
        """The rows of the job, from the start; ``whole`` with the fields that are neither text nor id.

        Raises:
            JobInputError: a file is not of its format.
        """
        if self.span is None:
            yield from self.all_blocks(whole=whole)
            return
        first, stop = self.span
        for block in self.all_blocks(whole=whole):
            if block.start >= stop:
                return
            part = _cut(block, first, stop)
            if part.rows:
                part.start -= first
                yield part

    def all_blocks(self, *, whole: bool = False) -> Iterator[RowBlock]:
        """The rows of all shards."""
        reader = READERS[self.format]
        read = reader.whole if whole else reader.rows
        conform = _conformer(self) if whole and self.format == "parquet" and len(self.files) > 1 else None
        taken = rows = 0
        most = self.reading.limit
        for file in self.files:
            with reading_errors(file.name), file.opened() as raw:
                for part in read(file.name, self.stream(file, raw), self.reading, file.columns):
                    part.start = taken
                    block = part if most is None else _cut(part, 0, most)
                    if len(self.files) > 1:
                        _renumber(block, file)
                    if conform is not None:
                        block.batch = conform(block.batch)
                    del part
                    taken += len(block.rows)
                    if self.splitter is None:
                        yield block
                    else:
                        for piece in self.splitter.split(block, self.columns):
                            piece.start = rows
                            rows += len(piece.rows)
                            yield piece
                    del block  # or it would be in memory together with the next one
                    if taken == most:
                        return

    def check_pages(self) -> None:
        """Look at the columns that are not embedded, before anything is paid: they will be read for the output.

        Raises:
            JobInputError: they take too much memory.
        """
        if self.format == "parquet":
            from aembed.jobs.readers.parquet import check_pages

            for file in self.files:
                with file.opened() as raw:
                    check_pages(file.name, raw, self.reading, None)

    def fingerprint(self) -> Iterator[str]:
        """The hash of all bytes, or of all rows where only some are read, in several steps; the last step has it."""
        digest = xxh3_128()
        if self.reading.limit is None:
            for file in self.files:
                found = ""
                for found in file.fingerprint(file.size):  # noqa: B007 (the last one is the fingerprint)
                    yield ""
                digest.update(found.encode())
        else:
            for block in self.all_blocks():
                for row in block.rows:
                    digest.update(repr((row.number, row.id, row.text, row.fault)).encode("utf-8", "surrogatepass"))
                yield ""
        yield digest.hexdigest()

    def identity(self, fingerprint: str) -> str:
        """The fingerprint, with the size of a file that may grow."""
        return f"{fingerprint}:{self.files[0].size}" if self._may_grow else fingerprint

    def shorten(self, identity: str) -> Iterator[None]:
        """Read only the bytes that ``identity`` was made of, if they are the beginning of the file still."""
        fingerprint, _, size = identity.partition(":")
        file = self.files[0]
        if not self._may_grow or not size or int(size) >= file.size:
            return
        longer, file.size = file.size, int(size)
        now = ""
        for now in self.fingerprint():  # noqa: B007 (the last one is the fingerprint)
            yield
        if now != fingerprint:
            file.size = longer

    @property
    def _may_grow(self) -> bool:
        return len(self.files) == 1 and self.format != "parquet" and self.reading.limit is None

    def state(self) -> list[tuple[int, int]]:
        """Size and time of the last write of each file."""
        return [file.state() for file in self.files]

    def drop_torn_line(self) -> bool:
        """Leave out a last line that was being written when the file was opened. True if there is one."""
        if self.format == "parquet" or self.reading.encoding is not None:
            return False
        torn = [self._drop_torn_line(file) for file in self.files]
        return any(torn)

    def _drop_torn_line(self, file: InputFile) -> bool:
        if file.state()[0] <= file.size:
            return False
        with file.opened() as raw:
            if is_compressed(raw.read(4)):
                return False
            start = raw.seek(max(0, file.size - self.reading.max_row_bytes))
            end = start + raw.read(file.size - start).rfind(b"\n") + 1
        is_torn = start < end < file.size
        if is_torn:
            file.size = end
        return is_torn

    def has_grown(self) -> bool:
        """True if a file has more bytes now than this job reads."""
        return any(file.state()[0] > file.size for file in self.files)

    def close(self) -> None:
        for file in self.files:
            file.close()

    def stream(self, file: InputFile, raw: BinaryIO) -> BinaryIO:
        """The open file as its reader takes it."""
        return raw if self.format == "parquet" else open_text(raw, file.size, self.reading.encoding)


@asynccontextmanager
async def open_source(
    given: Inputs, reading: Reading, *, outputs: Sequence[Path] = ()
) -> AsyncGenerator[JobSource, None]:
    """Open the input and look at the beginning of its files.

    Raises:
        JobInputError: a file cannot be read, is of another format, or lacks a column.
    """
    files = await open_inputs(given, outputs=outputs, asked=reading.input_format)
    try:
        yield await anyio.to_thread.run_sync(look_at, files, reading)
    finally:
        for file in files:
            file.close()


def look_at(files: list[InputFile], reading: Reading) -> JobSource:
    """Find out the format and the columns.

    Raises:
        JobInputError: files of different formats, not of the format that their names or the options say, or without
            a column that is used.
    """
    formats: dict[InputFormat, InputFile] = {_format(file, reading): file for file in files}
    if len(formats) > 1:
        listed = " and ".join(f"{file.name} is {name}" for name, file in formats.items())
        raise JobInputError(f"the input has several formats: {listed}; give files of one format, or input_format")
    chosen = next(iter(formats))
    source = JobSource(_name(files), files, chosen, Columns(), reading)
    for file in files:
        with reading_errors(file.name), file.opened() as raw:
            stream = source.stream(file, raw)
            _check_kind(file, stream, chosen)
            file.columns = READERS[chosen].columns(file.name, stream, reading)
    if chosen != "csv" and (reading.delimiter or reading.quoting):
        option = "delimiter" if reading.delimiter else "quoting"
        raise JobInputError(f'{source.name} is read as {chosen}; {option} is for input_format="csv"')
    if chosen == "parquet" and len(files) > 1:
        schema_of(source)  # files that do not go together are found before anything is paid for
    names = dict.fromkeys(name for file in files for name in file.columns.names)
    source.columns = replace(files[0].columns, names=tuple(names))
    return source


def schema_of(source: JobSource) -> Any:
    """The Arrow schema of a Parquet input: that of its file, or one that holds the columns of all its files.

    Raises:
        JobInputError: two files have columns of one name and types that do not go together.
    """
    from aembed.jobs.arrow import pyarrow
    from aembed.jobs.readers.parquet import open_parquet

    schemas = []
    for file in source.files:
        with file.opened() as raw:
            schemas.append(open_parquet(file.name, raw).schema_arrow)
    if len(schemas) == 1:
        return schemas[0]
    pa = pyarrow()
    try:
        return pa.unify_schemas([schema.remove_metadata() for schema in schemas], promote_options="permissive")
    except (pa.ArrowException, ValueError) as error:
        raise JobInputError(f"{source.name}: the files have columns that do not go together: {error}") from None


def _conformer(source: JobSource) -> Any:
    from aembed.jobs.arrow import conformed

    schema = schema_of(source)
    return lambda batch: conformed(batch, schema)


def _format(file: InputFile, reading: Reading) -> InputFormat:
    if reading.input_format is not None:
        return next(known for known in READERS if known == reading.input_format)
    if file.ending == "json":
        raise JobInputError(f"{file.name}: JSON is read line by line, one object on each; name it .jsonl if it is that")
    return ENDINGS.get(file.ending, "text")


def _check_kind(file: InputFile, stream: BinaryIO, chosen: InputFormat) -> None:
    """Reject a file that is not text, JSONL or CSV."""
    head = stream.read(HEAD_BYTES)
    stream.seek(0)
    if chosen == "parquet" and head.startswith(b"PAR1"):
        return
    kind, remedy = foreign(head)
    if kind:
        raise JobInputError(f"{file.name} is {kind}, not {'Parquet' if chosen == 'parquet' else 'text'}. {remedy}")


def _name(files: list[InputFile]) -> str:
    return files[0].name if len(files) == 1 else f"{files[0].name} and {len(files) - 1} more"


def _renumber(block: RowBlock, file: InputFile) -> None:
    """Rows of several files are numbered on; ``number`` stays the place in the file."""
    block.file = file.name
    if file.columns.id is None:
        for index, row in enumerate(block.rows, block.start + 1):
            row.id = index


def _cut(block: RowBlock, first: int, stop: int) -> RowBlock:
    """The rows of a block from ``first`` to before ``stop``."""
    begin, end = max(0, first - block.start), max(0, min(len(block.rows), stop - block.start))
    if (begin, end) == (0, len(block.rows)):
        return block
    start = block.start + begin
    batch = None if block.batch is None else block.batch.slice(begin, max(0, end - begin))
    return RowBlock(start, block.rows[begin:end], blank=block.blank, batch=batch, file=block.file)
