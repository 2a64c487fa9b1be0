"""Cases 17 to 39: rejections by status, and their consequences."""

from __future__ import annotations

import base64
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from aembed import (
    AuthenticationError,
    BadRequestError,
    BadTextError,
    HttpSettings,
    Limits,
    ModelNotFoundError,
    OverloadedError,
    QuotaExhaustedError,
    TextTooLongError,
)
from aembed.testing import Authority, Caps, LoopbackServer
from aembed.testing.faults import Answer, Redirect, Stage, Status, Step
from aembed.testing.server import DIALECTS
from tests.faults.case import DIM, Case, always, attempt, check, embedding, messages, mock
from tests.faults.privacy import KEY, TEXTS, assert_private

REJECTED: dict[str, Any] = {"retryable": False, "attempts": 1}
ONE_BY_ONE: dict[str, Any] = {"batch_size": 2, "limits": Limits(max_concurrency=1)}
STOPPED: dict[str, Any] = {**REJECTED, "failed": [0, 1], "not_attempted": [2, 3, 4], "options": ONE_BY_ONE}
STOPPED_ONE: dict[str, Any] = {**REJECTED, "requests": 1}
FAILING: dict[str, Any] = {"error": OverloadedError, "attempts": 3, "requests": 3, "retryable": True, "probes": 1}


def said(message: str, code: str | None = None) -> dict[str, Any]:
    """An error as OpenAI words it. It repeats the key and a text, as some do."""
    return {"error": {"message": f"{message} (key {KEY}, sent {TEXTS[0]!r})", "type": code, "code": code}}


def rejected(status: int, message: str = "no", code: str | None = None) -> Any:
    return always(Status(status, said(message, code)))


@dataclass(frozen=True)
class RefuseWith:
    """Rejects every batch that holds the text, without naming its position."""

    text: str
    status: Status
    at: Stage = "headers"

    def play(self, good: Answer) -> Iterator[Step]:
        vector = base64.b64encode(mock([self.text])[0].tobytes())
        yield from self.status.play(good) if vector in good.body else [good.head() + good.body]


CASES = {
    "fault_17_bad_request": Case(
        faults=rejected(400, "unknown parameter"), error=BadRequestError, status=400, **REJECTED
    ),
    "fault_18_too_many_tokens": Case(faults=[Status(400, said("no", "max_tokens_per_request"))], requests=3),
    "fault_18_at_most_so_many": Case(faults=[Status(400, said("at most 2 inputs"))] * 2, requests=7),
    "fault_18_array_length": Case(server={"caps": Caps(inputs=2)}, requests=5),
    "fault_18_unprocessable": Case(
        faults=[Status(422, {"detail": [{"loc": ["body", "input"], "msg": "too many inputs", "type": "too_long"}]})],
        requests=3,
    ),
    "fault_19_one_bad_text_is_found": Case(
        faults=always(RefuseWith(TEXTS[3], Status(400, said("the content is not embeddable text")))),
        error=BadTextError,
        requests=range(3, 10),
        status=400,
        failed=[3],
        index=3,
        **REJECTED,
    ),
    "fault_19_one_bad_text_is_named": Case(
        faults=always(RefuseWith(TEXTS[1], Status(400, said("Invalid 'input[1]': the text is empty")))),
        error=BadTextError,
        requests=2,
        status=400,
        failed=[1],
        index=1,
        **REJECTED,
    ),
    "fault_20_key_refused": Case(faults=rejected(401), error=AuthenticationError, status=401, **STOPPED),
    "fault_20_forbidden": Case(faults=rejected(403), error=AuthenticationError, status=403, **STOPPED),
    "fault_21_payment_required": Case(faults=rejected(402), error=QuotaExhaustedError, status=402, **STOPPED),
    "fault_21_quota_spent": Case(
        faults=rejected(429, "spent", "insufficient_quota"), error=QuotaExhaustedError, status=429, **STOPPED
    ),
    "fault_22_no_such_model": Case(faults=rejected(404), error=ModelNotFoundError, status=404, **STOPPED),
    "fault_23_request_timeout": Case(faults=[Status(408)], requests=2),
    "fault_23_always_request_timeout": Case(faults=rejected(408), status=408, **FAILING),
    "fault_24_conflict": Case(faults=[Status(409)], requests=2),
    "fault_24_always_conflict": Case(faults=rejected(409), status=409, **FAILING),
    "fault_25_too_large": Case(faults=[Status(413)], requests=3),
    "fault_25_one_text_too_large": Case(
        faults=always(RefuseWith(TEXTS[2], Status(413, said("too large")))),
        error=TextTooLongError,
        requests=5,
        status=413,
        failed=[2],
        index=2,
        **REJECTED,
    ),
    "fault_26_failed_dependency": Case(faults=[Status(424)], requests=2),
    "fault_26_always_failed_dependency": Case(faults=rejected(424), status=424, **FAILING),
    "fault_27_server_busy": Case(faults=[Status(499), Status(503, said("server busy"))], requests=3),
    "fault_27_always_busy": Case(faults=rejected(503, "server busy"), status=503, **FAILING),
    **{f"fault_28_{code}": Case(faults=[Status(code)], requests=2) for code in (500, 502, 504)},
    **{f"fault_28_always_{code}": Case(faults=rejected(code), status=code, **FAILING) for code in (500, 502, 504)},
    "fault_28_not_implemented": Case(faults=rejected(501), error=BadRequestError, status=501, **STOPPED_ONE),
    "fault_37_do_not_retry": Case(
        faults=always(Status(503, headers={"x-should-retry": "false"})),
        error=OverloadedError,
        status=503,
        **REJECTED,
    ),
    "fault_37_do_retry": Case(
        faults=always(Status(400, said("try again"), {"x-should-retry": "true"})),
        error=BadRequestError,
        status=400,
        attempts=3,
        requests=3,
        retryable=True,
    ),
}


TASKS = "Input should be 'retrieval.query', 'retrieval.passage' or 'text-matching'"
SETTINGS: dict[str, tuple[int, Any]] = {
    "fault_94_of_pydantic": (422, {"detail": [{"type": "literal_error", "loc": ["body", "task"], "msg": TASKS}]}),
    "fault_94_forbidden": (400, {"error": {"message": "Extra inputs are not permitted", "param": "task"}}),
    "fault_94_of_jina": (422, {"detail": "Validation errors in 1 fields", "errors": [{"field": "task", "msg": TASKS}]}),
    "fault_94_of_tei": (422, {"error": "Input validation error: `default-prompt-name` is set to `q` but no prompts"}),
    "fault_94_in_words": (400, {"detail": TASKS}),
}
CASES |= {
    name: Case(faults=always(Status(status, body)), error=BadRequestError, status=status, says="", **STOPPED_ONE)
    for name, (status, body) in SETTINGS.items()
}


@pytest.mark.parametrize("case", CASES.values(), ids=CASES)
async def test_status(case: Case, caplog: pytest.LogCaptureFixture) -> None:
    if case.failed != range(len(TEXTS)) and not case.not_attempted:  # the rest is delivered if nothing is raised
        await check(case, caplog, modes=["return"])
    else:
        await check(case, caplog)


async def test_fault_18_a_batch_size_that_was_too_large_is_remembered() -> None:
    with LoopbackServer("openai", dim=DIM, api_key=KEY, caps=Caps(inputs=2)) as server:
        async with embedding(server) as embedder:
            await embedder.embed_documents(TEXTS)
            rejected_before = server.counters.statuses[400]
            assert rejected_before > 0
            assert (await embedder.embed_documents(TEXTS) == mock(TEXTS)).all()
            assert server.counters.statuses[400] == rejected_before


async def test_fault_25_too_long_for_the_model(caplog: pytest.LogCaptureFixture) -> None:
    """The server names the text, which costs one request more and the others nothing."""
    texts = [*TEXTS[:4], TEXTS[4] + " word" * 200]
    with LoopbackServer("openai", dim=DIM, api_key=KEY, caps=Caps(text_tokens=100)) as server:
        async with embedding(server) as embedder:
            result, error = await attempt(embedder, texts, on_error="return")
            assert error is None
            assert list(result.failures) == [4]
            assert type(result.failures[4]) is TextTooLongError
            assert result.failures[4].index == 4
            assert server.counters.requests == 2
            assert_private(result.failures[4], result)


async def test_fault_27_a_busy_server_gets_less_at_once() -> None:
    """The batch size that the server digests is learnt: a self-hosted TEI."""
    with LoopbackServer("tei", dim=DIM, faults=[None] * 40 + [Status(503, {"error": "busy"})]) as server:
        async with embedding(server, base_url=server.base_url, batch_size=1) as embedder:
            for _ in range(8):
                await embedder.embed_documents(TEXTS)
            before = embedder.statistics().slots
            await embedder.embed_documents(TEXTS)
            assert 0 < embedder.statistics().slots <= before
            assert server.counters.statuses[503] == 1


KEYS = {"google": "x-goog-api-key", "azure": "api-key"}


@pytest.mark.parametrize("code", [301, 302, 303, 307, 308])
@pytest.mark.parametrize("dialect", DIALECTS)
async def test_fault_38_no_redirect_is_followed(code: int, dialect: str, caplog: pytest.LogCaptureFixture) -> None:
    """No key of any name reaches another host, since nothing does."""
    caplog.set_level("DEBUG")
    with LoopbackServer() as other:
        faults = always(Redirect(f"{other.url}/v1/embeddings?{KEY}", code))
        with LoopbackServer(dialect, dim=DIM, faults=faults) as server:
            async with embedding(server) as embedder:
                result, error = await attempt(embedder)
                assert type(error) is BadRequestError
                assert (error.status, error.attempts, error.retryable) == (code, 1, False)
                assert error.provider == dialect
                assert "the server redirects to 127.0.0.1, and redirects are not followed" in str(error)
                assert_private(error, result, embedder, logged=messages(caplog))
            assert KEYS.get(dialect, "authorization") in server.log[0].header_names
            assert len(server.log) == 1
        assert (other.counters.connections_opened, other.counters.requests) == (0, 0)


async def test_fault_39_https_does_not_become_http(tmp_path: Path) -> None:
    authority = Authority()
    http = HttpSettings(ca_file=authority.write(tmp_path / "ca.pem"))
    with LoopbackServer() as plain:
        faults = always(Redirect(plain.base_url + "/embeddings"))
        with LoopbackServer(dim=DIM, tls=authority.context(), faults=faults) as server:
            async with embedding(server, http=http) as embedder:
                result, error = await attempt(embedder)
                assert type(error) is BadRequestError
                assert_private(error, result)
        assert plain.counters.connections_opened == 0
