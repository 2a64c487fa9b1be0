"""Cases 40 to 52: the body of a 200."""

from __future__ import annotations

import base64
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from aembed import (
    AuthenticationError,
    BadRequestError,
    Config,
    EmbedderFactory,
    Event,
    Limits,
    OtherModel,
    OverloadedError,
    QuotaExhaustedError,
    Reply,
    ReplyError,
)
from aembed.testing import LoopbackServer, Quirks, ScriptedProvider
from aembed.testing.faults import GzipBomb, HugeBody, Rewrite, Status
from tests.faults.case import DIM, Case, always, check, embedding
from tests.faults.privacy import KEY, TEXTS

UNUSABLE: dict[str, Any] = {"error": ReplyError, "attempts": 2, "requests": 2, "status": 200, "retryable": True}
TWICE: dict[str, Any] = {**UNUSABLE, "maybe_billed": 2, "probes": 1}
ONCE: dict[str, Any] = {"requests": 2, "maybe_billed": 1}
TOO_LARGE: dict[str, Any] = {**UNUSABLE, "attempts": 1, "requests": 1, "retryable": False, "maybe_billed": 1}
CHECKED: dict[str, Any] = {**TWICE, "status": None, "answered": True}
"""Found by the check of the numbers, above HTTP."""
WRONG_SERVER: dict[str, Any] = {**TWICE, "retryable": False, "probes": 0}
"""Without a sound answer before, the second unsound one ends the call."""
SECOND_OF_TWO: dict[str, Any] = {
    **TWICE,
    "requests": 3,
    "failed": [3, 4],
    "options": {"batch_size": 3, "limits": Limits(max_concurrency=1)},
}

Change = Callable[[list[dict[str, Any]]], Any]


def items(change: Change) -> Rewrite:
    """The good answer, its items changed."""

    def changed(body: dict[str, Any]) -> dict[str, Any]:
        found = change(body["data"])
        return {**body, "data": body["data"] if found is None else found}

    return Rewrite(changed)


def vector(*numbers: float) -> Rewrite:
    """The third vector is another, of these numbers."""
    encoded = base64.b64encode(np.array(numbers, "<f4").tobytes()).decode()
    return embedding_of_third(encoded)


def embedding_of_third(value: Any) -> Rewrite:

    def changed(data: list[dict[str, Any]]) -> None:
        data[min(2, len(data) - 1)]["embedding"] = value if len(data) > 1 else None  # a half of the batch is as bad

    return items(changed)


def of_length(count: int) -> list[float]:
    return [1.0] * count


BAD_BODIES: dict[str, tuple[Any, str]] = {
    "fault_40_no_json": (Status(200, b'{"data": [{"embedding"'), "not the JSON"),
    "fault_40_nothing": (Status(200), "not the JSON"),
    "fault_40_no_text": (Status(200, b'{"\x80": 1}'), "not the JSON"),
    "fault_42_html": (Status(200, b"<html>proxy</html>", {"content-type": "text/html"}), "not the JSON"),
    "fault_43_one_vector_less": (items(lambda data: data[:-1]), "4 vectors for 5 texts"),
    "fault_43_one_vector_more": (items(lambda data: [*data, data[0]]), "6 vectors for 5 texts"),
    "fault_44_an_index_twice": (
        items(lambda data: data[0].update(index=1)),
        "an index is missing, repeated or out of range",
    ),
    "fault_44_an_index_beyond": (
        items(lambda data: data[-1].update(index=len(data))),
        "an index is missing, repeated or out of range",
    ),
    "fault_44_an_index_below": (
        items(lambda data: data[0].update(index=-1)),
        "an index is missing, repeated or out of range",
    ),
    "fault_45_one_vector_longer": (vector(*of_length(DIM + 1)), f"dimension {DIM + 1} where {DIM} was expected"),
    "fault_46_nan": (vector(np.nan, *of_length(DIM - 1)), "NaN or infinity"),
    "fault_46_infinite": (vector(np.inf, *of_length(DIM - 1)), "NaN or infinity"),
    "fault_46_zeros": (vector(*[0.0] * DIM), "a vector of zeros"),
    "fault_47_null": (embedding_of_third(None), "exactly one vector per text"),
    "fault_47_nulls": (embedding_of_third([None] * DIM), ""),
    "fault_48_base64_cut": (embedding_of_third("AACAPwAAgD8"), ""),
    "fault_48_base64_of_half_a_number": (embedding_of_third(base64.b64encode(b"12345").decode()), "base64 is damaged"),
    "fault_48_base64_garbage": (embedding_of_third("!!!!" * DIM), "base64 is damaged"),
    "fault_50_no_data": (Rewrite(lambda body: {"object": "list"}), "not the JSON"),
    "fault_50_empty": (items(lambda data: []), "0 vectors for 5 texts"),
    "fault_50_no_vector_for_a_text": (
        items(lambda data: data[-1].pop("embedding") and None),
        "exactly one vector per text",
    ),
}


def outcome(name: str, says: str) -> dict[str, Any]:
    if says == "not the JSON":
        return WRONG_SERVER
    return CHECKED if "_46_" in name else TWICE


def at(name: str) -> dict[str, Any]:
    """The error names the text whose vector is wrong."""
    return {"index": 2} if name[:8] in {"fault_45", "fault_46", "fault_48"} else {}


CASES = {
    **{f"{name}_once": Case(faults=[fault], **ONCE) for name, (fault, _) in BAD_BODIES.items()},
    **{
        name: Case(faults=always(fault), says=says, **outcome(name, says), **at(name))
        for name, (fault, says) in BAD_BODIES.items()
    },
    "fault_95_a_login_page": Case(
        faults=always(Status(200, b"<html><title>Sign in</title>" + b"x" * 5000, {"content-type": "text/html"})),
        says="POST /v1/embeddings was answered with text/html, not the JSON .*; check base_url",
        **WRONG_SERVER,
    ),
    "fault_95_another_api": Case(
        faults=always(Status(200, {"status": "ok", "models": []}, {"content-type": "application/json"})),
        says="other JSON, not the JSON of this API .Object missing required field `data`.; check base_url",
        **WRONG_SERVER,
    ),
    "fault_95_a_field_of_another_type": Case(
        faults=always(Status(200, {"data": [{"index": "0"}]}, {"content-type": "application/json"})),
        says=r"not the JSON of this API .Expected `int . null`, got `str` - at `\$.data\[0\].index`.; check base_url",
        **WRONG_SERVER,
    ),
    "fault_95_in_many_batches": Case(
        faults=always(Status(200, b"<html>")),
        says="check base_url",
        **{**WRONG_SERVER, "failed": [0], "not_attempted": [1, 2, 3, 4]},
        options={"batch_size": 1, "limits": Limits(max_concurrency=1)},
    ),
    "fault_44_shuffled": Case(server={"quirks": Quirks(shuffled=True)}),
    "fault_44_backwards": Case(faults=always(items(lambda data: data[::-1]))),
    "fault_45_another_dimension_than_before": Case(
        faults=[None, *[items(lambda data: [{**item, "embedding": of_length(4)} for item in data])] * 4],
        says="dimension 4 where 8 was expected",
        **SECOND_OF_TWO,
    ),
    "fault_49_gzip_bomb": Case(faults=always(GzipBomb()), says="larger than the .* bytes", **TOO_LARGE),
    "fault_49_endless_body": Case(faults=always(HugeBody()), says="larger than the .* bytes", **TOO_LARGE),
    "fault_49_huge_and_honest": Case(
        faults=always(HugeBody(says_so=True)), says="larger than the .* bytes", **TOO_LARGE
    ),
    "fault_52_no_usage": Case(server={"quirks": Quirks(no_usage=True)}),
}


@pytest.mark.parametrize("case", CASES.values(), ids=CASES)
async def test_body(case: Case, caplog: pytest.LogCaptureFixture) -> None:
    await check(case, caplog)


async def test_fault_95_it_is_no_outage() -> None:
    """A server that is mended in the meantime is used at once."""
    faults = [Status(200, b"<html>")] * 3  # two of the first call, one of the second
    with LoopbackServer(dim=DIM, api_key=KEY, faults=faults) as server:
        async with embedding(server) as embedder:
            for _ in range(2):
                with pytest.raises(ReplyError, match="check base_url"):
                    await embedder.embed_documents(TEXTS)
            assert embedder.statistics().paused == 0.0
            await embedder.embed_documents(TEXTS)


async def test_fault_95_after_a_good_answer_it_is_an_accident() -> None:
    with LoopbackServer(dim=DIM, api_key=KEY, faults=[None, *[Status(200, b"<html>")] * 4]) as server:
        async with embedding(server) as embedder:
            await embedder.embed_documents(TEXTS)
            with pytest.raises(ReplyError) as caught:
                await embedder.embed_documents(TEXTS)
            assert (caught.value.retryable, caught.value.fatal) == (True, False)


ANOTHER = always(Rewrite(lambda body: {**body, "model": "another"}))


async def test_fault_51_another_model_is_an_event_each_time_and_logged_once(caplog: pytest.LogCaptureFixture) -> None:
    events: list[Event] = []
    with LoopbackServer(dim=DIM, api_key=KEY, faults=ANOTHER) as server:
        async with embedding(server, on_event=events.append) as embedder:
            for _ in range(3):
                await embedder.embed_documents(TEXTS)
    assert [event.answered for event in events if isinstance(event, OtherModel)] == ["another"] * 3
    (record,) = [record for record in caplog.records if record.name == "aembed"]
    assert record.levelname == "WARNING"
    assert "'another' where 'm' was asked for" in record.message


@pytest.mark.parametrize("name", ["m", "M", "m-2", "m:latest", "maker/m"])
async def test_fault_51_the_same_model_by_a_longer_name(name: str, caplog: pytest.LogCaptureFixture) -> None:
    await check(Case(faults=always(Rewrite(lambda body: {**body, "model": name}))), caplog)


async def test_fault_51_another_model_is_an_error_if_strict(caplog: pytest.LogCaptureFixture) -> None:
    says = "answered with the model 'another' instead of 'm'"
    await check(Case(faults=ANOTHER, options={"strict": True}, says=says, **TOO_LARGE), caplog)


def error(**fields: Any) -> Status:
    return Status(200, {"error": {"message": f"no: {TEXTS[0]} with {KEY}", **fields}})


FATAL: dict[str, Any] = {"attempts": 1, "retryable": False}
HIDDEN = {
    "fault_41_a_status_in_the_body": Case(
        faults=always(error(code=503)),
        error=OverloadedError,
        status=503,
        attempts=3,
        requests=3,
        retryable=True,
        probes=1,
    ),
    "fault_41_a_status_as_words": Case(
        faults=always(error(status="502")),
        error=OverloadedError,
        status=502,
        attempts=3,
        requests=3,
        retryable=True,
        probes=1,
    ),
    "fault_41_quota": Case(
        faults=always(error(code="insufficient_quota")), error=QuotaExhaustedError, status=500, **FATAL
    ),
    "fault_41_key": Case(faults=always(error(code="invalid_api_key")), error=AuthenticationError, status=401, **FATAL),
    "fault_41_request": Case(
        faults=always(error(type="invalid_request_error")), error=BadRequestError, status=400, **FATAL
    ),
    "fault_41_only_words": Case(
        faults=always(Status(200, {"error": "upstream gone"})),
        error=OverloadedError,
        status=500,
        attempts=3,
        requests=3,
        retryable=True,
        probes=1,
    ),
    "fault_41_once": Case(faults=[error(code=500)], requests=2),
}


@pytest.mark.parametrize("case", HIDDEN.values(), ids=HIDDEN)
async def test_an_error_in_an_answer_of_200(case: Case, caplog: pytest.LogCaptureFixture) -> None:
    await check(case, caplog)


@pytest.mark.virtual_time
@pytest.mark.parametrize(("tokens_per_minute", "waits"), [(100, True), (1_000_000, False)])
async def test_fault_52_without_usage_the_estimate_counts(tokens_per_minute: int, waits: bool) -> None:
    vectors = np.ones((1, DIM), np.float32)
    provider = ScriptedProvider([Reply(vectors, tokens=None)] * 40)
    async with EmbedderFactory(Config()) as factory:
        embedder = await factory.new_embedder(provider, limits=Limits(tokens_per_minute=tokens_per_minute))
        for text in TEXTS * 8:
            result = await embedder.embed([text], kind="query", deadline=1e9)
            assert result.usage.tokens is None
        assert (provider.calls[-1].started - provider.calls[0].started > 1.0) is waits
        assert embedder.statistics().tokens == 0
