"""One case of the fault matrix, and the one check that all of them pass.

However a request ends: slots, connections, tasks, sockets and files are as before; each text is exactly one of
delivered, failed or not attempted; rows are in order and to the bit; errors are typed and carry the known facts; and no
key and no text is to be seen anywhere.
"""

from __future__ import annotations

import logging
import os
import re
import stat
from collections.abc import AsyncGenerator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from time import monotonic
from typing import Any, Literal, TypeAlias

import numpy as np
import pytest
from anyio.lowlevel import checkpoint

from aembed import AembedError, Config, Embedder, EmbedderFactory, EmbedResult, ProviderError, RetryPolicy
from aembed.providers.mock import MockOptions, MockProvider
from aembed.testing import LoopbackServer
from aembed.testing.faults import Fault
from tests.faults.privacy import KEY, TEXTS, assert_private

AT_ONCE = RetryPolicy(max_attempts=3, initial_delay=1e-6, max_delay=1e-6)
DIM = 8
OnError: TypeAlias = Literal["raise", "return"]
PATIENCE = 20.0
"""Seconds until a test gives up waiting for what must come; how fast it comes does not matter."""


@dataclass(frozen=True, kw_only=True)
class Case:
    """One fault of the server, and its required outcome."""

    faults: Sequence[Fault | None] | Callable[[int], Fault | None] = ()
    server: Mapping[str, Any] = field(default_factory=dict)
    options: Mapping[str, Any] = field(default_factory=dict)
    requests: int | range = 1
    """Attempts that reach the server; a range where it depends on how the culprit is looked for."""
    error: type[AembedError] | None = None
    """The error of the texts that fail; ``None``: all are delivered."""
    says: str = ""
    failed: Sequence[int] = range(len(TEXTS))
    not_attempted: Sequence[int] = ()
    status: int | None = None
    attempts: int = 1
    retryable: bool = False
    answered: bool = False
    """There was an answer, so that its request id is known; so it is wherever there is a status."""
    maybe_billed: int | None = 0
    """``None`` where it depends on how far the request came."""
    index: int | None = None
    probes: int = 0
    """Requests with a short text of aembed after the attempts: one of the texts might be at fault. They fail too."""

    @property
    def billed(self) -> int | None:
        return self.maybe_billed + self.probes if self.maybe_billed else self.maybe_billed


def always(fault: Fault) -> Callable[[int], Fault]:
    return lambda number: fault


async def check(case: Case, caplog: pytest.LogCaptureFixture, modes: Sequence[OnError] = ("raise", "return")) -> None:
    """Run a case both ways, with errors raised and with errors returned."""
    caplog.set_level(logging.DEBUG)
    for on_error in modes:
        with LoopbackServer("openai", dim=DIM, api_key=KEY, faults=case.faults, **case.server) as server:
            async with embedding(server, **case.options) as embedder:
                result, error = await attempt(embedder, on_error=on_error)
                assert_outcome(case, result, error)
                assert len(server.log) in as_range(case.requests, case.probes), [entry.status for entry in server.log]
                assert_private(error, result, embedder, embedder.statistics(), logged=messages(caplog))
                assert (embedder.statistics().in_flight, embedder.statistics().waiting) == (0, 0)


@asynccontextmanager
async def embedding(server: LoopbackServer, **options: Any) -> AsyncGenerator[Embedder]:
    """An embedder for the server. All that it opens is closed at the end."""
    files = open_files()
    async with EmbedderFactory(Config()) as factory:
        given = {"base_url": server.base_url, "api_key": KEY, "retry": AT_ONCE, **options}
        embedder = await factory.new_embedder(f"{server.dialect}:m", **given)
        yield embedder
        assert KEY not in repr(factory)
    await settled(lambda: server.counters.connections == 0, "connections are left open")
    await settled(lambda: open_files() <= files, "files or sockets are left open")


async def attempt(
    embedder: Embedder, texts: Sequence[str] = TEXTS, *, on_error: OnError = "raise", **more: Any
) -> tuple[EmbedResult, AembedError | None]:
    """The result, be it partial, and what ended the call."""
    try:
        return await embedder.embed(texts, on_error=on_error, **more), None
    except AembedError as error:
        assert error.partial is not None
        return error.partial, error


def assert_outcome(case: Case, result: EmbedResult, error: AembedError | None) -> None:
    failures = result.failures
    assert (error is None) == (case.error is None) or failures, "an error without a failure"
    assert_accounted_for(result, TEXTS)
    if case.error is None:
        assert error is None
        assert result.ok, failures
        assert case.billed in {None, result.usage.maybe_billed}
        return
    assert sorted(failures) == list(case.failed), failures
    assert list(result.not_attempted) == list(case.not_attempted)
    assert case.billed in {None, result.usage.maybe_billed}
    for failure in {id(failure): failure for failure in failures.values()}.values():
        assert type(failure) is case.error, repr(failure)
        assert re.search(case.says, str(failure)), str(failure)
        if case.index is not None:
            assert failure.index == case.index
        if isinstance(failure, ProviderError):
            assert failure.provider == "openai"
            assert (failure.status, failure.attempts) == (case.status, case.attempts)
            assert failure.retryable is case.retryable
            answered = case.answered or case.status is not None
            assert (failure.request_id or "").startswith("req-") == answered


def assert_accounted_for(result: EmbedResult, texts: Sequence[str]) -> None:
    """Each text is exactly one of the three, and those that are delivered have their vector, in their place."""
    delivered = np.flatnonzero(~np.isnan(result.vectors).any(axis=1)) if result.vectors.size else np.array([], int)
    together = [*delivered.tolist(), *result.failures, *result.not_attempted]
    assert sorted(together) == list(range(len(texts)))
    if len(delivered):
        np.testing.assert_array_equal(result.vectors[delivered], mock(texts)[delivered])


def mock(texts: Sequence[str]) -> np.ndarray[Any, Any]:
    """The replies of a loopback server."""
    answer = MockProvider(MockOptions(dim=DIM)).embed(texts, kind="document")
    try:
        answer.send(None)
    except StopIteration as done:
        vectors: np.ndarray[Any, Any] = done.value.vectors
        return vectors
    raise AssertionError("the mock waited")


def messages(caplog: pytest.LogCaptureFixture) -> list[str]:
    return [f"{record.getMessage()} {record.exc_text or ''}" for record in caplog.records]


def as_range(count: int | range, probes: int) -> range:
    return range(count + probes, count + probes + 1) if isinstance(count, int) else count


async def settled(reached: Callable[[], bool], otherwise: str) -> None:
    """Run the loop, and the server's thread, until it is so."""
    end = monotonic() + PATIENCE
    while not reached():
        assert monotonic() < end, otherwise
        await checkpoint()


def open_files() -> int:
    """Sockets, pipes and files; 0 where the system does not count them. Not devices: uvloop opens one for itself."""
    directory = Path("/dev/fd")
    return sum(map(_is_open, directory.iterdir())) if directory.is_dir() else 0


def _is_open(descriptor: Path) -> bool:
    try:
        return not stat.S_ISCHR(os.fstat(int(descriptor.name)).st_mode)
    except OSError:  # that of the directory itself, or closed meanwhile
        return False
