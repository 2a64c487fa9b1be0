"""Arbitrary bytes at everything that reads what a server sends: an error of ours or a sound answer, nothing else."""

from __future__ import annotations

import asyncio
import base64
import json
import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from aembed import AembedError, Config, EmbedderFactory, ProviderError, ReplyError, RetryPolicy
from aembed._wire.api_errors import ErrorDialect, api_error, parse_error
from aembed._wire.decode import decode
from aembed._wire.error_body import error_in_200
from aembed._wire.model_echo import SEARCHED_BYTES, echoed_model
from aembed._wire.openai_format import OPENAI_ERRORS, OPENAI_REPLY
from aembed._wire.quota_headers import duration, quota_hints, retry_after
from aembed._wire.reply_format import ReplyFormat
from aembed.providers import cohere, google, jina, mistral, ollama, tei, voyage
from aembed.testing import LoopbackServer
from aembed.testing.faults import Answer, End, Stage, Step
from tests.faults.case import DIM
from tests.faults.privacy import KEY, TEXTS
from tests.loops import run
from tests.wire.fake import Headers, answer

ROWS = np.array([[0.5, -1.0, 3.0], [2.0, 0.25, 1e-3]], np.float32)
NUMBERS = ROWS.tolist()
BASE64 = [base64.b64encode(row.astype("<f4").tobytes()).decode() for row in ROWS]


def found(module: Any, kind: type[Any]) -> list[Any]:
    return [value for value in vars(module).values() if isinstance(value, kind)]


PROVIDERS = [cohere, google, jina, mistral, ollama, tei, voyage]
FORMATS: list[ReplyFormat[Any]] = [
    OPENAI_REPLY,
    *(each for module in PROVIDERS for each in found(module, ReplyFormat)),
]
DIALECTS: list[ErrorDialect] = [
    OPENAI_ERRORS,
    *(dialect for module in PROVIDERS for dialect in found(module, ErrorDialect)),
]

BODIES: list[bytes] = [
    json.dumps(body).encode()
    for body in (
        {
            "data": [{"index": i, "embedding": row} for i, row in enumerate(NUMBERS)],
            "model": "m",
            "usage": {"total_tokens": 3},
        },
        {"data": [{"index": 1 - i, "embedding": row} for i, row in enumerate(BASE64)], "usage": {"prompt_tokens": 3}},
        {"data": [{"embedding": NUMBERS[0]}, {"embedding": BASE64[1]}]},
        {"embeddings": {"float": NUMBERS}, "meta": {"billed_units": {"input_tokens": 3}}},
        {"embeddings": {"base64": BASE64}, "texts": ['"embedding": "AAAA"', "[1, 2]"]},
        {"embeddings": NUMBERS, "prompt_eval_count": 3},
        {"embeddings": [{"values": row} for row in NUMBERS], "usageMetadata": {"promptTokenCount": 3}},
        NUMBERS,
        {"error": {"message": "Invalid 'input[1]': too long", "type": "invalid_request_error", "code": 429}},
        {"detail": [{"loc": ["body", "input"], "msg": "field required", "type": "missing"}]},
    )
]
PIECES = [
    b'"embedding"',
    b'"',
    b"\\",
    b"[",
    b"]",
    b"{",
    b"}",
    b",",
    b":",
    b"null",
    b"NaN",
    b"1e999",
    b"-",
    b"\xff",
    b"\0",
]
PIECES += [
    b"AAAA",
    b'"embedding":"',
    b"[[",
    b"]]",
    b'"index":',
    b"-1",
    b"99999999999999999999",
    b"true",
    b"\xed\xa0\x80",
]


@st.composite
def mutated(draw: st.DrawFn, corpus: list[bytes] = BODIES) -> bytes:
    """Something that was right once, with pieces cut out, put in, doubled or replaced."""
    body = draw(st.sampled_from(corpus))
    for _ in range(draw(st.integers(0, 6))):
        start = draw(st.integers(0, len(body)))
        stop = min(len(body), start + draw(st.integers(0, 12)))
        piece = draw(st.sampled_from(PIECES) | st.binary(max_size=4) | st.just(body[start:stop] * 2))
        body = body[:start] + piece + body[stop:]
    return body


SENT = st.one_of(mutated(), st.binary(max_size=200))


@given(body=SENT, reply_format=st.sampled_from(FORMATS), placed=st.booleans())
@example(body=b"[" * 100_000, reply_format=OPENAI_REPLY, placed=False)
@example(body=b'{"data":' + b"[" * 5000, reply_format=OPENAI_REPLY, placed=True)
def test_the_decoder_gives_rows_or_raises(body: bytes, reply_format: ReplyFormat[Any], placed: bool) -> None:
    rows = np.full((2, 3), np.nan, np.float32) if placed else None
    try:
        decoded = decode(body, reply_format, 2, rows)
    except ReplyError as error:
        assert error.index in {None, 0, 1}
        return
    assert decoded.vectors.shape[0] == 2
    assert decoded.vectors.shape[1] > 0
    assert decoded.vectors.dtype == np.float32
    assert decoded.vectors is rows or rows is None
    assert decoded.tokens is None or 0 <= decoded.tokens < 2**53


@given(st.sampled_from(BODIES[:8]))
def test_an_unchanged_reply_is_read_by_one_of_them(body: bytes) -> None:
    """The mutations below start from these, so they must be valid."""
    read = []
    for reply_format in FORMATS:
        try:
            read.append(decode(body, reply_format, 2, None).vectors)
        except ReplyError:
            continue
    assert any(np.array_equal(vectors, ROWS) or np.array_equal(vectors, ROWS[::-1]) for vectors in read)


NUMBER_LIKE = st.from_regex(r"[-+]?[0-9.eE_ ]{0,12}(ms|s|m|h|d|inf|nan)?[0-9a-z]{0,3}", fullmatch=True)
VALUES = (
    st.text(max_size=60)
    | NUMBER_LIKE
    | st.sampled_from(["1_0", "\u0661", "0x10", "1e308", "-0", "9" * 41, "6m0s", "1d" * 25])
)
NAMES = ["retry-after", "retry-after-ms", "date", "x-request-id", "x-should-retry"]
NAMES += [f"x-ratelimit-{what}-{unit}" for what in ("limit", "remaining", "reset") for unit in ("requests", "tokens")]
HEADERS = st.dictionaries(st.sampled_from(NAMES), VALUES).map(Headers)


def is_sensible(number: float | None) -> bool:
    return number is None or (math.isfinite(number) and number >= 0)


@given(headers=HEADERS, value=VALUES)
def test_headers_say_sensible_numbers_or_nothing(headers: Headers, value: str) -> None:
    assert is_sensible(retry_after(headers))
    assert is_sensible(duration(value))
    hints = quota_hints(headers)
    if hints is not None:
        assert all(is_sensible(getattr(hints, name)) for name in hints.__slots__)


@given(
    body=SENT | st.builds(lambda text: json.dumps({"error": {"message": text}}).encode(), st.text()),
    status=st.integers(400, 599),
    headers=HEADERS,
    dialect=st.sampled_from(DIALECTS),
    echo=st.sampled_from(["", KEY, TEXTS[0]]),
)
def test_any_rejection_is_an_error_of_ours(
    body: bytes, status: int, headers: Headers, dialect: ErrorDialect, echo: str
) -> None:
    if echo:
        body = json.dumps({"error": {"message": f"{body!r} {echo}"}, "detail": echo, "message": echo}).encode()
    response = answer(body, status, **headers)
    parsed = parse_error(response, dialect, TEXTS, [KEY])
    error = api_error(response, parsed, dialect, provider="p", texts=TEXTS)
    assert isinstance(error, ProviderError)
    assert error.status == status
    assert KEY not in f"{error} {error!r}"
    assert TEXTS[0] not in f"{error} {error!r}"
    assert is_sensible(error.retry_after)
    named = error_in_200(answer(body))
    assert named is None or 400 <= named.status <= 599


@given(SENT | st.binary(min_size=SEARCHED_BYTES, max_size=3 * SEARCHED_BYTES))
def test_the_model_of_any_answer_is_a_short_name_or_none(body: bytes) -> None:
    echo = echoed_model(body)
    assert echo is None or 0 < len(echo.name) <= 200


@dataclass(frozen=True)
class Raw:
    """These bytes, and the end."""

    data: bytes
    at: Stage = "headers"

    def play(self, good: Answer) -> Iterator[Step]:
        yield self.data
        yield End.CLOSED


def http(body: bytes, *headers: str) -> bytes:
    lines = ["HTTP/1.1 200 OK", "content-type: application/json", f"content-length: {len(body)}", *headers]
    return "\r\n".join(lines).encode() + b"\r\n\r\n" + body


WIRE = [http(BODIES[0]), http(BODIES[1], "x-ratelimit-limit-requests: 10"), http(b"{}", "transfer-encoding: chunked")]
WIRE += [b"HTTP/1.1 429 No\r\nretry-after: 0\r\ncontent-length: 0\r\n\r\n", http(b"\x1f\x8b", "content-encoding: gzip")]


@given(mutated(WIRE))
@example(b"HTTP/1.1 100 Continue\r\n\r\n" * 3 + WIRE[0])
@example(b"HTTP/1.1 101 Switching\r\nupgrade: h2c\r\nconnection: upgrade\r\n\r\n\0\0")
@example(b"HTTP/1.1 204 No\r\n\r\n")
@example(b"HTTP/0.9 200 OK\r\n\r\n" + BODIES[0])
@pytest.mark.filterwarnings("ignore:openai answered with the model")
def test_any_bytes_on_the_wire_are_an_error_or_an_answer(data: bytes) -> None:
    async def ask() -> None:
        async with EmbedderFactory(Config()) as factory:
            options: dict[str, Any] = {
                "base_url": server.base_url,
                "retry": RetryPolicy(max_attempts=1),
                "timeout": 20.0,
            }
            embedder = await factory.new_embedder("openai:m", **options)
            result = None
            try:
                result = await embedder.embed(["one", "two"])
            except AembedError as error:
                assert error.partial is not None
            if result is not None:
                assert np.isfinite(result.vectors).all()
            assert (embedder.statistics().in_flight, embedder.statistics().waiting) == (0, 0)

    with LoopbackServer(dim=DIM, faults=[Raw(data)]) as server:
        run(ask(), loop_factory=asyncio.new_event_loop)
