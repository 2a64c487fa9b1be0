"""The second reading: remaining rows are embedded, in the order of the replies."""

from __future__ import annotations

import re
import time
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from typing import TypeAlias

import anyio
import anyio.to_thread

from aembed import AembedError, BadRequestError, BadTextError, Embedder, EmbedResult, InputError, ProviderError
from aembed.jobs.budget import Budget
from aembed.jobs.chunks import CHUNK_BYTES, Cutter, RowChunk
from aembed.jobs.ledger import Ledger
from aembed.jobs.rows import RowBlock
from aembed.jobs.source import JobSource
from aembed.jobs.survey import Survey
from aembed.jobs.threads import in_thread, task_group

CHUNKS_AHEAD = 2
"""Chunks that wait besides those in flight, of which there are as many as the account takes at once."""
CHUNKS_HERE = 2
"""Chunks in flight for a model in this process. They share its threads, so that more would all end late."""
MAX_ALIKE_REJECTIONS = 20
"""Texts rejected in the same words, with no other accepted, from which on the cause is not the texts."""


LookUp: TypeAlias = Callable[[RowBlock], Sequence[int] | None]
"""Row of an earlier output that has the vector of each row of a block, or -1. Each block comes once."""


async def embed_rows(
    embedder: Embedder,
    source: JobSource,
    survey: Survey,
    ledger: Ledger,
    look_up: LookUp,
    *,
    max_cost: float | None = None,
) -> None:
    """Embed every row that is not done, and whose text is not in an earlier output.

    A row that is rejected is noted, and nothing is begun that would pass ``max_cost``. Any other failure ends the job,
    and is raised: an :class:`AembedError` of the provider, an ``OSError`` of the disk. Finished rows are kept, also
    when this is cancelled.
    """
    cutter = Cutter(embedder.spec, ledger.dim, paced=True)
    chunks = _chunks(source, survey, ledger, cutter, look_up)
    budget = Budget(max_cost, embedder.spec, ledger)
    await _ChunksUnderWay(embedder, ledger, budget, cutter).run(in_thread(chunks))


def _chunks(
    source: JobSource, survey: Survey, ledger: Ledger, cutter: Cutter, look_up: LookUp
) -> Iterator[list[RowChunk]]:
    """The chunks that each block completes."""
    for block in source.blocks():
        survey.judge(block)
        known = look_up(block)
        done: list[RowChunk] = []
        for left in ledger.earlier.gaps(block.start, block.start + len(block.rows)):
            some = slice(left.start - block.start, left.stop - block.start)
            done += cutter.add(left.start, block.rows[some], None if known is None else known[some])
        del block  # otherwise two blocks would be in memory at once
        yield done
    yield cutter.flush()


class _ChunksUnderWay:
    """Embeds a bounded number of chunks at once."""

    def __init__(self, embedder: Embedder, ledger: Ledger, budget: Budget, cutter: Cutter) -> None:
        self._budget = budget
        self._cutter = cutter
        self._embedder = embedder
        self._ledger = ledger
        self._disk = anyio.Lock()
        self._ended = deque[tuple[RowChunk, EmbedResult | None]]()
        self._most = 0
        """Chunks that may be under way, as the account said when there were so many."""
        self._running = 0
        self._is_answered = False
        """A request has ended well: the settings are right, and others may follow side by side."""
        self._bytes = 0
        self._first_rejected: list[str] | None = None if ledger.done else []
        """Why the texts were rejected, as long as no other was accepted."""
        self._one_ended = anyio.Event()

    async def run(self, blocks: in_thread[list[RowChunk]]) -> None:
        async with task_group() as tasks:
            async for chunks in blocks:
                for chunk in chunks:
                    while not self._has_room(chunk):
                        self._one_ended = anyio.Event()
                        await self._one_ended.wait()
                    if not self._budget.allows(chunk):
                        raise self._budget.passed()
                    self._budget.begin(chunk)
                    self._running += 1
                    self._bytes += chunk.size
                    tasks.start_soon(self._embed_and_store, chunk)

    def _has_room(self, chunk: RowChunk) -> bool:
        if not self._running:
            return True
        if not self._is_answered or not self._budget.allows(chunk):  # chunks in flight may cost less than estimated
            return False
        if not self._fits(chunk):
            here = self._embedder.spec.pads
            self._most = CHUNKS_HERE if here else self._embedder.statistics().slots + CHUNKS_AHEAD
        return self._fits(chunk)

    def _fits(self, chunk: RowChunk) -> bool:
        return self._running < self._most and self._bytes + chunk.size <= self._most * CHUNK_BYTES

    async def _embed_and_store(self, chunk: RowChunk) -> None:
        """Embed a chunk and store its vectors. The first failure ends the job."""
        began = time.monotonic()
        result = await self._embed(chunk)
        if chunk.texts:
            self._is_answered = True
            self._cutter.pace(time.monotonic() - began)
        with anyio.CancelScope(shield=True):  # it is paid for
            self._ended.append((chunk, result))
            async with self._disk:
                if self._ended:
                    await anyio.to_thread.run_sync(self._store)
        self._budget.end(chunk)
        self._running -= 1
        self._bytes -= chunk.size
        self._one_ended.set()

    def _store(self) -> None:
        """Store all finished chunks in one step, since a thread hop takes longer than writing a chunk."""
        while self._ended:
            self._ledger.keep(*self._ended.popleft())

    async def _embed(self, chunk: RowChunk) -> EmbedResult | None:
        if not chunk.texts:
            return None
        result = await self._embedder.embed(chunk.texts, on_error="return")
        for error in result.failures.values():
            if not _is_isolated(error) and not isinstance(error, (InputError, BadTextError)):  # no text is the cause
                raise error
        self._check_first(chunk, result)
        return result

    def _check_first(self, chunk: RowChunk, result: EmbedResult) -> None:
        """If all of the first texts are rejected in the same words, the texts are hardly the cause."""
        failures = list(result.failures.values())
        alike = all(type(failure) is BadTextError or _is_isolated(failure) for failure in failures)
        if len(failures) < len(chunk.texts) or not alike:
            self._first_rejected = None  # a text that is too long is that in the same words, and its own fault
        if self._first_rejected is None:
            return
        self._first_rejected += [re.sub(r"\d+", "", str(failure.args[0])) for failure in failures]
        if len(self._first_rejected) < MAX_ALIKE_REJECTIONS or len(set(self._first_rejected)) > 1:
            return
        first = failures[0]
        assert isinstance(first, ProviderError), "they all are"
        raise BadRequestError(
            f"the first {len(self._first_rejected)} texts are all rejected for the same reason, and the job stops: "
            f"{first.args[0]}; check the model's settings",
            provider=first.provider,
            status=first.status,
            request_id=first.request_id,
        ) from first


def _is_isolated(error: AembedError) -> bool:
    """True if the server fails with this text and works for others."""
    return isinstance(error, ProviderError) and error.isolated
