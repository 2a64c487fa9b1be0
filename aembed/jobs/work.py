"""What a job does on the disk: journal -> embed -> assemble -> put in place. Each step starts from what is there."""

from __future__ import annotations

from contextlib import closing, suppress

import anyio
import anyio.to_thread

from aembed import AembedError, Embedder
from aembed.jobs.assembly import assemble
from aembed.jobs.embedding import embed_rows
from aembed.jobs.errors import JobInputError, JobOutputError, JobStoppedError
from aembed.jobs.journal import Header, Journal, Totals
from aembed.jobs.ledger import Ledger
from aembed.jobs.monitor import Monitor
from aembed.jobs.place import Place, leave, occupied, output_errors, why
from aembed.jobs.source import Source
from aembed.jobs.steps import in_thread
from aembed.jobs.vectors import VectorFile


async def work(place: Place, source: Source, header: Header, embedder: Embedder, monitor: Monitor) -> Totals:
    """Bring the job to its end. If it fails before anything was done, nothing is left of it."""
    with output_errors(place.name), occupied(place):
        journal = Journal(place.journal)
        finished = False
        try:
            totals = _placed(place, journal, header)
            if totals is None:
                resuming = journal.begin(header)
                if not resuming:
                    place.vectors.unlink(missing_ok=True)
                totals = await _fill(place, source, journal, header, embedder, monitor=monitor)
                place.finish(rejected=totals.rejected > 0)
            finished = True
            return totals
        finally:
            over = finished or journal.is_empty
            journal.close()
            if over:
                place.clear()
                leave(place)


def _placed(place: Place, journal: Journal, header: Header) -> Totals | None:
    """The totals, if the last run died when the output was in its place already."""
    totals = journal.totals() if place.is_placed else None
    if totals is not None and journal.header() != header:
        journal.clear()  # it is another job's, and that is complete
        return None
    return totals


async def _fill(
    place: Place, source: Source, journal: Journal, header: Header, embedder: Embedder, *, monitor: Monitor
) -> Totals:
    with closing(VectorFile(place.vectors, header.rows, header.dim)) as vectors:
        ledger = monitor.ledger = Ledger(journal, vectors, header.dim)
        async for _ in in_thread(ledger.recover()):
            pass
        place.check_space(header.rows - ledger.done, header.dim)
        monitor.phase = "embedding"
        try:
            await embed_rows(embedder, source, monitor.survey, ledger)
            monitor.phase = "writing"
            column = header.settings.get("vector_column", "")
            steps = assemble(place, source, monitor.survey, ledger, vectors, column=column)
            async for written in in_thread(steps):
                monitor.written = written
            monitor.written = header.rows
        except (AembedError, OSError, MemoryError) as error:
            raise _stopped(error, place, ledger, header) from error
        finally:
            with anyio.CancelScope(shield=True), suppress(OSError):
                await anyio.to_thread.run_sync(ledger.sync)
    await _check_unchanged(source, monitor, journal)
    totals = Totals(monitor.survey.faulty + ledger.refused, ledger.tokens, ledger.requests, ledger.truncated)
    journal.append(totals)
    journal.sync()
    return totals


async def _check_unchanged(source: Source, monitor: Monitor, journal: Journal) -> None:
    """Reject an input whose rows have changed under the job. Rows appended to it are for the next run."""
    monitor.grown = source.has_grown()
    if source.state() == monitor.survey.state:
        return
    now = ""
    async for now in in_thread(source.fingerprint()):  # noqa: B007 (the last one is the fingerprint)
        pass
    if now != monitor.survey.fingerprint:
        journal.clear()
        raise JobInputError(f"{source.name} was changed while it was read; run again when nothing writes to it")


def _stopped(
    error: AembedError | OSError | MemoryError, place: Place, ledger: Ledger, header: Header
) -> AembedError | MemoryError:
    """The error itself if nothing was done, else one that says how to go on."""
    if isinstance(error, OSError) and not isinstance(error, AembedError):
        said = f"the output {place.name} {why(error)}"
        failure: AembedError | MemoryError = JobOutputError(said)
    else:
        failure, said = error, str(error) or "not enough memory"
    if not ledger.done:
        return failure
    kept = f"{ledger.done:,} of {header.rows:,} rows are kept: run the same job again to go on"
    return JobStoppedError(f"{said}; {kept}", done=ledger.done, rows=header.rows)
