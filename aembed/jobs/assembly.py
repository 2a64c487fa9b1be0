"""The third reading: rows and vectors become the outputs. Nothing is sent for it, so it can always be repeated."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from typing import BinaryIO

from msgspec import structs

from aembed.jobs.directory import JobDirectory
from aembed.jobs.keeping import KeptRows
from aembed.jobs.keys import write_head
from aembed.jobs.ledger import Ledger
from aembed.jobs.paths import KEYS, REJECTS, VECTORS, Output
from aembed.jobs.quantized import largest, stored
from aembed.jobs.record import OutputRecord
from aembed.jobs.rejects import RejectsFile
from aembed.jobs.rows import RowBlock
from aembed.jobs.source import JobSource
from aembed.jobs.survey import Survey
from aembed.jobs.vectors import VectorFile
from aembed.jobs.writers import Writer, open_writer


def part(name: str, number: int) -> str:
    """The file in the job's directory that becomes the output."""
    return name if number == 0 else f"{name}-{number}"


def content(outputs: Sequence[Output], number: int, record: OutputRecord) -> str:
    """The file that becomes an output: the first ``.npy`` in float32 is the job's own file of vectors."""
    plain = [at for at, output in enumerate(outputs) if output.format == "npy" and record.dtype == "float32"]
    return VECTORS if plain[:1] == [number] else f"output-{number}"


class Assembly:
    """Writes outputs, rejects, records and keys into the job's directory."""

    def __init__(
        self,
        outputs: Sequence[Output],
        directory: JobDirectory,
        source: JobSource,
        survey: Survey,
        ledger: Ledger,
        *,
        kept: Sequence[KeptRows],
    ) -> None:
        self._outputs = outputs
        self._directory = directory
        self._source = source
        self._survey = survey
        self._ledger = ledger
        self._kept = {rows.old.output: rows for rows in kept if len(rows)}

    def write(self, vectors: VectorFile, record: OutputRecord) -> Iterator[int]:
        """Write everything, block by block; yields the number of rows written."""
        if record.dtype == "int8" and record.limit is None:
            record = structs.replace(record, limit=largest(vectors, record.rows))
        names = [content(self._outputs, number, record) for number in range(len(self._outputs))]
        if record.rejected or any(name != VECTORS for name in names):
            yield from self._write_rows(vectors, record, names)
        if VECTORS in names:
            yield from self._keep_vectors(vectors, record, self._outputs[names.index(VECTORS)])
        self._write_keys(names)
        for number, output in enumerate(self._outputs):
            if output.record is not None:
                with self._directory.open(f"record-{number}", "w+b") as file:
                    file.write(self._record_of(output, record).encoded())
                    os.fsync(file.fileno())

    def _record_of(self, output: Output, record: OutputRecord) -> OutputRecord:
        """The record with the rows that this output keeps."""
        kept = len(self._kept.get(output, ()))
        return structs.replace(record, kept=kept, rows=record.rows + kept)

    def _keep_vectors(self, vectors: VectorFile, record: OutputRecord, output: Output) -> Iterator[int]:
        """Add kept rows to the job's own file of vectors, which is that output."""
        kept, at = self._kept.get(output), record.rows
        if kept is None:
            return
        vectors.resize(record.rows + len(kept))
        for some in kept.parts():
            vectors.write(at, some)
            at += len(some)
            yield record.rows

    def _write_rows(self, vectors: VectorFile, record: OutputRecord, names: Sequence[str]) -> Iterator[int]:
        with ExitStack() as files:
            made = [
                (output, files.enter_context(self._directory.open(name, "w+b", buffered=True)))
                for output, name in zip(self._outputs, names, strict=True)
                if name != VECTORS
            ]
            lines = files.enter_context(self._directory.open(REJECTS, "w+b", buffered=True))
            writers = [self._open_writer(output, file, record) for output, file in made]
            for writer in writers:
                files.callback(writer.release)
            whole = any(output.format != "npy" for output, _ in made)
            for block in self._source.blocks(whole=whole):
                self._write_block(self._survey.judge(block), vectors, record, RejectsFile(lines), writers)
                written = block.start + len(block.rows)
                del block  # otherwise two blocks would be in memory at once
                yield written
            for (output, _), writer in zip(made, writers, strict=True):
                for some in self._kept[output].parts() if output in self._kept else ():
                    writer.add(some)
                    yield record.rows
                writer.close()
            for file in (lines, *(file for _, file in made)):
                _sync(file)
        for number in range(1, len(self._outputs)):
            self._copy(REJECTS, part(REJECTS, number))

    def _open_writer(self, output: Output, file: BinaryIO, record: OutputRecord) -> Writer:
        kept = self._kept.get(output)
        old = None if kept is None else kept.old
        return open_writer(output, file, self._source, self._survey, self._record_of(output, record), kept=old)

    def _write_block(
        self,
        block: RowBlock,
        vectors: VectorFile,
        record: OutputRecord,
        rejects: RejectsFile,
        writers: Sequence[Writer],
    ) -> None:
        stop = block.start + len(block.rows)
        rejections = self._ledger.rejects(block.start, stop) if self._ledger.rejected else {}
        faulty = {at for at, row in enumerate(block.rows) if row.fault}
        rejected = faulty.union(index - block.start for index in rejections)
        for at in sorted(rejected.intersection(range(len(block.rows)))):
            row, rejection = block.rows[at], rejections.get(block.start + at)
            if row.fault:
                rejects.write(row, "InputError", row.fault, block.file)
            elif rejection is not None:
                rejects.write(row, rejection.error, rejection.message, block.file)
        kept = [at for at in range(len(block.rows)) if at not in rejected]
        if not writers or not block.rows:
            return
        rows = stored(vectors.read(block.start, stop), record.dtype, record.limit)
        for writer in writers:
            writer.write(block, kept, rows)

    def _write_keys(self, names: Sequence[str]) -> None:
        """Write the record of each output, because any of them may be moved away or made anew."""
        for number in range(1, len(names)):
            self._copy(KEYS, part(KEYS, number))
        for number, name in enumerate(names):
            with (
                self._directory.open(part(KEYS, number), "r+b", buffered=True) as file,
                self._directory.open(name, "rb") as output,
            ):
                kept = self._kept.get(self._outputs[number])
                if kept is not None:
                    file.seek(0, os.SEEK_END)
                    file.write(kept.keys.tobytes())
                    file.flush()
                write_head(file, output)
                _sync(file)

    def _copy(self, name: str, other: str) -> None:
        with (
            self._directory.open(name, "rb", buffered=True) as source,
            self._directory.open(other, "w+b", buffered=True) as target,
        ):
            shutil.copyfileobj(source, target, 2**16)
            _sync(target)


def _sync(file: BinaryIO) -> None:
    file.flush()
    os.fsync(file.fileno())
