"""Cases 1 to 16: what happens to connections."""

from __future__ import annotations

import socket
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import anyio
import pytest

from aembed import (
    ConnectError,
    DeadlineError,
    Event,
    HttpSettings,
    Limits,
    ReplyError,
    RequestTimeoutError,
    RetryScheduled,
)
from aembed._wire.dialer import Address
from aembed.testing import Authority, Caps, LoopbackServer
from aembed.testing.faults import (
    BadChunk,
    Close,
    EndlessHeaders,
    Garbage,
    Hang,
    Reset,
    SlowBody,
    StaleKeepAlive,
    Surplus,
    Truncate,
    Understate,
)
from tests.faults.case import DIM, Case, always, assert_outcome, attempt, check, embedding, messages, mock, settled
from tests.faults.privacy import KEY, TEXTS, assert_private
from tests.wire.ports import full

FAILING: dict[str, Any] = {"error": ConnectError, "attempts": 3, "requests": 3, "retryable": True}
BROKEN: dict[str, Any] = {**FAILING, "probes": 1}
UNUSABLE: dict[str, Any] = {
    "error": ReplyError,
    "attempts": 2,
    "requests": 2,
    "retryable": True,
    "maybe_billed": 2,
    "probes": 1,
}
SHORT: dict[str, Any] = {"options": {"timeout": 0.05}}
SILENT: dict[str, Any] = {"options": {"http": HttpSettings(read_timeout=0.05)}}
TIMED_OUT: dict[str, Any] = {**FAILING, "requests": range(4), "error": RequestTimeoutError, "maybe_billed": 3}
"""On a busy machine the time may be over before the server has got the request."""

CASES = {
    "fault_04_reset_before_the_request": Case(faults=[Reset("accept")], requests=2, maybe_billed=None),
    "fault_04_reset_before_every_request": Case(faults=always(Reset("accept")), **BROKEN, maybe_billed=None),
    "fault_06_reset_before_headers": Case(faults=[Reset("headers")], requests=2, maybe_billed=1),
    "fault_06_always_reset_before_headers": Case(faults=always(Reset("headers")), **BROKEN, maybe_billed=3),
    "fault_06_closed_before_headers": Case(faults=[Close("headers")] * 2, requests=3, maybe_billed=2),
    "fault_07_reset_in_the_body": Case(faults=[Reset("body")], requests=2, maybe_billed=1),
    "fault_07_always_reset_in_the_body": Case(faults=always(Reset("body")), **BROKEN, maybe_billed=3),
    "fault_08_truncated": Case(faults=[Truncate()], requests=2, maybe_billed=1),
    "fault_08_always_truncated": Case(faults=always(Truncate()), **BROKEN, maybe_billed=3),
    "fault_09_length_too_small": Case(faults=[Understate()], requests=2, maybe_billed=1),
    "fault_09_length_always_too_small": Case(faults=always(Understate()), **UNUSABLE),
    "fault_10_malformed_chunks": Case(faults=[BadChunk()], requests=2, maybe_billed=1),
    "fault_10_always_malformed_chunks": Case(faults=always(BadChunk()), **UNUSABLE),
    "fault_11_silence_after_the_request": Case(faults=always(Hang("headers")), **SILENT, **TIMED_OUT),
    "fault_11_silence_in_the_body": Case(faults=always(Hang("body")), **SILENT, **TIMED_OUT),
    "fault_11_a_flood_of_headers": Case(faults=always(EndlessHeaders()), **UNUSABLE),
    "fault_11_a_header_now_and_then": Case(faults=always(EndlessHeaders(0.01)), **SHORT, **TIMED_OUT),
    "fault_12_one_byte_at_a_time": Case(faults=always(SlowBody(0.01)), **SHORT, **TIMED_OUT),
    "fault_16_garbage": Case(faults=[Garbage()], requests=2, maybe_billed=1),
    "fault_16_always_garbage": Case(faults=always(Garbage()), **UNUSABLE),
}


@pytest.mark.parametrize("case", CASES.values(), ids=CASES)
async def test_transport(case: Case, caplog: pytest.LogCaptureFixture) -> None:
    await check(case, caplog)


async def unreachable(caplog: pytest.LogCaptureFixture, says: str, **options: Any) -> None:
    """No connection at all: three attempts, none of them billed."""
    server = LoopbackServer()  # never started
    case = Case(error=ConnectError, attempts=3, retryable=True, says=says)
    caplog.set_level("DEBUG")
    events: list[Event] = []
    async with embedding(server, on_event=events.append, **options) as embedder:
        result, error = await attempt(embedder)
        assert_outcome(case, result, error)
        assert len([event for event in events if isinstance(event, RetryScheduled)]) == 2
        assert_private(error, result, events, logged=messages(caplog))


async def test_fault_01_the_name_is_not_known(
    caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def nobody(host: str, port: int) -> Sequence[Address]:
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")

    monkeypatch.setattr("aembed._wire.dialer.resolve", nobody)
    await unreachable(caplog, "the name 'nowhere.example' cannot be resolved", base_url="https://nowhere.example/v1")


async def test_fault_02_no_server_listens(caplog: pytest.LogCaptureFixture) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        port = taken.getsockname()[1]
        await unreachable(caplog, f"no connection to 127.0.0.1:{port}", base_url=f"http://127.0.0.1:{port}/v1")


async def test_fault_03_connecting_takes_too_long(caplog: pytest.LogCaptureFixture) -> None:
    with full() as port:
        settings = HttpSettings(connect_timeout=0.02)
        await unreachable(caplog, "within connect_timeout", base_url=f"http://127.0.0.1:{port}/v1", http=settings)


@pytest.mark.parametrize("times", [1, 5])
async def test_fault_05_reset_while_the_request_is_sent(times: int, caplog: pytest.LogCaptureFixture) -> None:
    """An embedding call may be repeated; that it may be paid for twice is counted."""
    caplog.set_level("DEBUG")
    texts = [text + " and so on" * 200_000 for text in TEXTS]
    with LoopbackServer("openai", dim=DIM, api_key=KEY, caps=Caps(), faults=[Reset("request")] * times) as server:
        async with embedding(server) as embedder:
            result, error = await attempt(embedder, texts)
            assert_private(error, result, logged=messages(caplog))
            assert result.usage.requests == min(times + 1, 3 + 1), "three attempts, and one to see whether it works"
            assert result.usage.maybe_billed == min(times, 3 + 1)
            if times == 1:
                assert error is None
                assert (result.vectors == mock(texts)).all()
            else:
                assert isinstance(error, ConnectError)
                assert error.maybe_billed
                assert error.attempts == 3


async def test_fault_09_bytes_after_an_answer_are_not_the_next_one(caplog: pytest.LogCaptureFixture) -> None:
    with LoopbackServer("openai", dim=DIM, api_key=KEY, faults=always(Surplus())) as server:
        async with embedding(server) as embedder:
            for _ in range(3):
                result, error = await attempt(embedder)
                assert_outcome(Case(), result, error)
            assert server.counters.connections_opened == 3, "a connection with leftovers was used again"


@pytest.mark.parametrize("on_error", ["raise", "return"])
async def test_fault_12_the_deadline_covers_all(on_error: Any, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("DEBUG")
    case = Case(error=DeadlineError, says="within its deadline of 0.05 s")
    with LoopbackServer("openai", dim=DIM, api_key=KEY, faults=always(SlowBody(0.01))) as server:
        async with embedding(server) as embedder:
            result, error = await attempt(embedder, on_error=on_error, deadline=0.05)
            assert_outcome(case, result, error)
            assert (error is None) == (on_error == "return")
            assert_private(error, result, logged=messages(caplog))
            assert server.counters.requests <= 1


async def test_fault_13_a_stale_connection_costs_nothing(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("DEBUG")
    events: list[Event] = []
    with LoopbackServer("openai", dim=DIM, api_key=KEY, faults=[StaleKeepAlive(), None, StaleKeepAlive()]) as server:
        async with embedding(server, on_event=events.append) as embedder:
            for _ in range(4):
                result, error = await attempt(embedder)
                assert_outcome(Case(), result, error)
                assert result.usage.requests == 1
            assert server.counters.requests == 4
            assert server.counters.connections_opened == 3
        assert not any(isinstance(event, RetryScheduled) for event in events)
        assert_private(None, events, logged=messages(caplog))


async def test_fault_14_a_call_waits_for_a_slot_under_its_deadline() -> None:
    with LoopbackServer("openai", dim=DIM, api_key=KEY, faults=[Hang()]) as server:
        async with embedding(server, limits=Limits(max_concurrency=1)) as embedder:
            with anyio.CancelScope() as first:
                async with anyio.create_task_group() as tasks:
                    tasks.start_soon(embedder.embed_documents, TEXTS)
                    await settled(lambda: server.counters.requests == 1, "no request")
                    result, error = await attempt(embedder, deadline=0.05)
                    assert_outcome(Case(error=DeadlineError, failed=[], not_attempted=range(len(TEXTS))), result, error)
                    assert_private(error, result, embedder)
                    assert embedder.statistics().in_flight == 1
                    assert server.counters.requests == 1
                    first.cancel()
            result, error = await attempt(embedder)
            assert_outcome(Case(), result, error)


WRONG = {
    "untrusted": "; set ca_file",
    "expired": ": its certificate has expired; it must be renewed, unless this machine's clock is wrong",
    "another host": ": its certificate is for another name; check base_url",
}


@pytest.mark.parametrize("wrong", WRONG)
async def test_fault_15_no_trust_no_request(wrong: str, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """One attempt, and no downgrade."""
    caplog.set_level("DEBUG")
    authority = Authority()
    context = authority.context(
        "another.example" if wrong == "another host" else "127.0.0.1", expired=wrong == "expired"
    )
    trusted = (Authority() if wrong == "untrusted" else authority).write(tmp_path / "ca.pem")
    case = Case(error=ConnectError, attempts=1, says=f"no trusted TLS connection to 127.0.0.1{WRONG[wrong]}")
    with LoopbackServer("openai", dim=DIM, api_key=KEY, tls=context) as server:
        async with embedding(server, http=HttpSettings(ca_file=trusted)) as embedder:
            result, error = await attempt(embedder)
            assert_outcome(case, result, error)
            assert_private(error, result, logged=messages(caplog))
            assert server.counters.requests == 0


async def test_fault_15_a_trusted_certificate_serves(tmp_path: Path) -> None:
    authority = Authority()
    with LoopbackServer("openai", dim=DIM, api_key=KEY, tls=authority.context()) as server:
        async with embedding(server, http=HttpSettings(ca_file=authority.write(tmp_path / "ca.pem"))) as embedder:
            result, error = await attempt(embedder)
            assert_outcome(Case(), result, error)
        assert server.counters.requests == 1


async def test_fault_15_a_server_without_tls_gets_no_request(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """https to a plain port."""
    with LoopbackServer("openai", dim=DIM, api_key=KEY) as server:
        base_url, http = server.base_url.replace("http:", "https:"), HttpSettings(connect_timeout=0.05)
        async with embedding(server, base_url=base_url, http=http) as embedder:
            result, error = await attempt(embedder)
            assert isinstance(error, ConnectError)
            assert_private(error, result, logged=messages(caplog))
        assert server.counters.requests == 0
