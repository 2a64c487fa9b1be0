"""A job on the disk: journal -> embed -> assemble -> put in place. Each step starts from the files of the last."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import closing, suppress

import anyio
import anyio.to_thread
from msgspec import structs

from aembed import AembedError, Embedder
from aembed.jobs.assembly import Assembly
from aembed.jobs.directory import JobDirectory, opened_directory
from aembed.jobs.embedding import embed_rows
from aembed.jobs.errors import JobInputError, JobOutputError, JobStoppedError
from aembed.jobs.existing import ExistingOutput
from aembed.jobs.journal import Header, JobTotals, Journal
from aembed.jobs.keeping import KeptRows
from aembed.jobs.keys import KeysFile, keys_in
from aembed.jobs.ledger import Ledger
from aembed.jobs.memory import give_back_memory
from aembed.jobs.monitor import Monitor
from aembed.jobs.paths import JOURNAL, KEYS, VECTORS, JobPaths, is_full, is_part, output_errors, why
from aembed.jobs.placing import check_replaceable, is_whole, put_in_place, state
from aembed.jobs.record import OutputRecord
from aembed.jobs.reuse import EarlierOutput
from aembed.jobs.rows import RowBlock
from aembed.jobs.source import JobSource
from aembed.jobs.threads import in_thread
from aembed.jobs.vectors import VectorFile
from aembed.jobs.wanted import UpdateOptions
from aembed.jobs.writers import parquet_schema

SPARE_BYTES = 2**20
"""Bytes to leave free, since a file system needs some for itself."""


class JobRun:
    """One run of a job."""

    def __init__(
        self,
        paths: JobPaths,
        source: JobSource,
        *,
        embedder: Embedder,
        monitor: Monitor,
        wanted: UpdateOptions,
        header: Header,
        record: OutputRecord,
        origin: ExistingOutput | None = None,
        kept: Sequence[ExistingOutput] = (),
    ) -> None:
        self._paths = paths
        self._source = source
        self._embedder = embedder
        self._monitor = monitor
        self._wanted = wanted
        self._header = header
        self._record = record
        """The record of the outputs, as far as it is known in advance."""
        self._origin = origin
        self._kept = kept

    async def run(self) -> JobTotals:
        """Bring the job to its end. If it fails before anything was done, nothing is left of it."""
        paths = self._paths
        with output_errors(paths.name), opened_directory(paths.directory, paths.name, is_part) as directory:
            journal = Journal(directory)
            finished = False
            try:
                totals = await self._run(directory, journal)
                finished = True
                return totals
            finally:
                over = finished or journal.is_over
                journal.close()
                if over:  # the journal last, because it says whose directory this is
                    directory.unlink(
                        *(name for name in directory.names() if is_part(name) and name != JOURNAL), JOURNAL
                    )

    async def _run(self, directory: JobDirectory, journal: Journal) -> JobTotals:
        totals = journal.totals()
        replaced = [] if totals is None else totals.replaced
        outputs = self._paths.outputs
        await anyio.to_thread.run_sync(lambda: check_replaceable(outputs, replaced, force=self._wanted.force))
        if totals is not None:
            ours, over = journal.header() == self._header, not directory.has(VECTORS)
            if ours and (over or self._puts_in_place(totals, directory)):
                return totals
            if over:
                journal.clear()  # it is another job's, and that is complete
        journal.begin(self._header)
        try:
            return await self._fill(directory, journal)
        except (AembedError, OSError, MemoryError) as error:
            raise self._stopped(error, journal) from error

    def _puts_in_place(self, totals: JobTotals, directory: JobDirectory) -> bool:
        """Resume a run that had written everything. False if it was for other outputs, or is damaged."""
        record = structs.replace(self._record, rejected=totals.rejected)
        ours = totals.asked == self._asked() and is_whole(self._paths.outputs, directory, record)
        if ours:
            put_in_place(self._paths.outputs, directory, record)
        return ours

    def _asked(self) -> list[str]:
        return [self._wanted.dtype, self._wanted.vector_column, *(output.path.name for output in self._paths.outputs)]

    def _check_keeping(self) -> None:
        """Reject rows that could not be kept, before anything is paid for."""
        wanted, there = self._wanted, {old.output for old in self._kept}
        for output in self._paths.outputs:
            if wanted.keep and not wanted.force and output not in there and output.path.exists():
                raise JobOutputError(
                    f"{output.name} was changed since aembed wrote it, and its rows cannot be kept; update "
                    "without keep=True"
                )
        for old in self._kept:
            if old.output.format == "parquet":
                parquet_schema(self._source, self._monitor.survey, old)

    async def _fill(self, directory: JobDirectory, journal: Journal) -> JobTotals:
        self._check_keeping()
        ids = self._source.columns.id is not None
        header, monitor, survey = self._header, self._monitor, self._monitor.survey
        earlier = None
        if self._origin is not None:
            rejects = not self._wanted.retry
            earlier = EarlierOutput(self._origin.output, self._origin.record, directory, rejects=rejects)
            async for _ in in_thread(earlier.prepare()):
                pass
        with (
            closing(VectorFile(directory.open(VECTORS, "r+b"), header.rows, header.dim)) as vectors,
            closing(KeysFile(directory.open(KEYS, "w+b", buffered=True), ids=ids)) as keys,
        ):
            ledger = monitor.ledger = Ledger(journal, vectors, header.dim, earlier)
            async for _ in in_thread(ledger.recover()):
                pass

            def look_up(block: RowBlock) -> Sequence[int] | None:
                found = keys.add(block)
                return None if earlier is None else earlier.find(found).tolist()

            self._check_space(directory, header.rows - ledger.done)
            monitor.phase = "embedding"
            try:
                await embed_rows(self._embedder, self._source, survey, ledger, look_up, max_cost=self._wanted.max_cost)
                monitor.phase = "writing"
                give_back_memory()
                keys.finish(ledger.rejected_rows())
                ledger.sync()
                record = structs.replace(
                    self._record,
                    rejected=survey.faulty + ledger.rejected,
                    truncated=ledger.truncated,
                    tokens=ledger.tokens,
                    requests=ledger.requests,
                )
                kept = [KeptRows(old, keys_in(directory.path / KEYS)) for old in self._kept]
                assembly = Assembly(self._paths.outputs, directory, self._source, survey, ledger, kept=kept)
                async for written in in_thread(assembly.write(vectors, record)):
                    monitor.written = written
                monitor.written = header.rows
            finally:
                with anyio.CancelScope(shield=True), suppress(OSError):
                    await anyio.to_thread.run_sync(ledger.sync)
        await self._check_unchanged(journal)
        replaced = [state(output) for output in self._paths.outputs]
        totals = JobTotals(
            record.rejected,
            ledger.tokens,
            ledger.requests,
            ledger.truncated,
            ledger.reused,
            replaced,
            kept=max(map(len, kept), default=0),
            asked=self._asked(),
        )
        journal.append(totals)
        journal.sync()
        put_in_place(self._paths.outputs, directory, record)
        return totals

    def _check_space(self, directory: JobDirectory, rows: int) -> None:
        """Reject vectors that the disk cannot hold, before any is paid for."""
        free, needed = directory.free_bytes(), rows * self._header.dim * 4
        if needed and needed + SPARE_BYTES > free:
            raise JobStoppedError(
                f"no space for {self._paths.name}: {rows} x {self._header.dim} float32 take {_size(needed)}, and "
                f"{_size(free)} are free there; free some, or choose another place"
            )

    async def _check_unchanged(self, journal: Journal) -> None:
        """Reject an input whose rows have changed under the job. Rows appended to it are for the next run."""
        source, survey = self._source, self._monitor.survey
        self._monitor.grown = source.has_grown()
        if source.state() == survey.state:
            return
        now = ""
        async for now in in_thread(source.fingerprint()):  # noqa: B007 (the last one is the fingerprint)
            pass
        if now != survey.fingerprint:
            journal.clear()
            raise JobInputError(f"{source.name} was changed while it was read; run again when nothing writes to it")

    def _stopped(self, error: AembedError | OSError | MemoryError, journal: Journal) -> AembedError | MemoryError:
        """The error itself if nothing was done, else one that says how to resume."""
        full = isinstance(error, OSError) and is_full(error)
        if isinstance(error, OSError) and not isinstance(error, AembedError):
            said = f"the output {self._paths.name} {why(error)}"
            failure: AembedError | MemoryError = JobOutputError(said)
        else:
            failure, said = error, str(error) or "not enough memory"
        done = 0 if self._monitor.ledger is None or journal.is_empty else self._monitor.ledger.done
        if not (done or full):
            return failure
        rows = self._header.rows
        kept = f"{done:,} of {rows:,} rows are done: run the same job again to resume"
        return JobStoppedError(f"{said}; {kept}", done=done, rows=rows)


def _size(count: int) -> str:
    for unit, size in (("GB", 10**9), ("MB", 10**6), ("kB", 10**3)):
        if count >= size:
            return f"{count / size:,.1f} {unit}"
    return f"{count} bytes"
