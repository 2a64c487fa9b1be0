"""OpenTelemetry and real embedders: spans in the trace of the caller, metrics of gates."""

from __future__ import annotations

import asyncio
import gc

import pytest
from opentelemetry import trace
from opentelemetry.sdk.trace import ReadableSpan

from aembed import Config, EmbedderFactory, InputError, Kind, Limits, ModelSpec, OverloadedError, Reply, telemetry
from aembed.testing import ScriptedProvider
from tests.engine.call import AT_ONCE, TEXTS
from tests.scripted import expected
from tests.telemetry.otel import Sdk, id_of, sdk


def factory_of(made: Sdk, *, attempts: bool = False) -> EmbedderFactory:
    listener = telemetry.opentelemetry(made.tracer_provider, made.meter_provider, attempts=attempts)
    return EmbedderFactory(Config(), listeners=[listener])


def spans(made: Sdk, name: str) -> list[ReadableSpan]:
    return [span for span in made.spans if span.name == name]


class Traced:
    """A provider whose client makes another span, as an instrumented HTTP client does."""

    spec = ModelSpec(name="traced", provider="traced", dim=8)

    def __init__(self, made: Sdk) -> None:
        self._tracer = made.tracer_provider.get_tracer("http")

    async def embed(self, texts: list[str], /, *, kind: Kind) -> Reply:
        with self._tracer.start_as_current_span("POST"):
            return Reply(await expected(texts), 3)

    async def aclose(self) -> None: ...


@pytest.mark.parametrize("options", [{}, {"cache": True}, {"merge": True}], ids=["nothing", "cache", "merge"])
async def test_spans_nest_from_the_caller_to_the_http_client(options: dict[str, bool]) -> None:
    made = sdk()
    tracer = made.tracer_provider.get_tracer("app")
    async with factory_of(made) as factory:
        embedder = await factory.new_embedder(Traced(made), **options)  # type: ignore[arg-type]
        with tracer.start_as_current_span("request") as request:
            await embedder.embed_documents(TEXTS)
    (call,) = spans(made, "embeddings traced")
    (post,) = spans(made, "POST")
    assert call.parent == request.get_span_context()
    parent = request if "cache" in options else call  # with a cache the span begins once a request has served the call
    assert id_of(post.parent) == id_of(parent.get_span_context())
    assert call.attributes is not None
    assert call.attributes["gen_ai.usage.input_tokens"] == 3


async def test_concurrent_calls_keep_their_spans_apart() -> None:
    made = sdk()
    tracer = made.tracer_provider.get_tracer("app")

    async with factory_of(made) as factory:
        embedder = await factory.new_embedder("mock")

        async def one(number: int) -> int:
            with tracer.start_as_current_span("request") as request:
                await embedder.embed_query(f"{number}")
                assert trace.get_current_span() is request
                return request.get_span_context().span_id

        parents = await asyncio.gather(*(one(number) for number in range(20)))
    assert sorted(span.parent.span_id for span in spans(made, "embeddings mock") if span.parent) == sorted(parents)


@pytest.mark.virtual_time
async def test_a_merged_request_links_to_its_calls() -> None:
    made = sdk()
    async with factory_of(made) as factory:
        embedder = await factory.new_embedder(ScriptedProvider(latency=1.0), merge=True)
        await asyncio.gather(*(embedder.embed_query(f"{number}") for number in range(5)))
    calls = {id_of(span.get_span_context()) for span in spans(made, "embeddings scripted")}
    (shared,) = spans(made, "embeddings shared scripted")
    assert shared.parent is None
    assert len(shared.links) == 4
    assert {id_of(link.context) for link in shared.links} < calls


async def test_failed_attempts_are_children_and_the_call_has_the_error_of_its_end() -> None:
    made = sdk()
    async with factory_of(made, attempts=True) as factory:
        embedder = await factory.new_embedder(ScriptedProvider([OverloadedError("busy")]), retry=AT_ONCE)
        await embedder.embed_query("one")
        with pytest.raises(InputError):
            await embedder.embed_query(" ")
    attempts = spans(made, "embeddings attempt")
    done, wrong = spans(made, "embeddings scripted")
    assert [span.attributes["aembed.attempt"] for span in attempts if span.attributes] == [1, 2]
    assert all(span.parent == done.get_span_context() for span in attempts)
    assert wrong.attributes is not None
    assert wrong.attributes["error.type"] == "InputError"


async def test_no_span_and_no_metric_holds_a_text() -> None:
    made = sdk()
    secret = "a-text-nobody-else-may-read"
    async with factory_of(made, attempts=True) as factory:
        embedder = await factory.new_embedder("mock", merge=True, cache=True)
        await asyncio.gather(*(embedder.embed_documents([secret, f"{number}"]) for number in range(3)))
    data = made.reader.get_metrics_data()
    assert data is not None
    assert made.spans
    assert secret not in "".join(span.to_json() for span in made.spans) + data.to_json()


async def test_the_state_of_gates_is_read_when_metrics_are_collected() -> None:
    made = sdk()
    async with factory_of(made) as factory:
        embedder = await factory.new_embedder(ScriptedProvider(), limits=Limits(requests_per_minute=60))
        await embedder.embed_query("one")
        (limit,) = made.points("aembed.quota.limit")
        (remaining,) = made.points("aembed.quota.remaining")
        assert (limit.value, limit.attributes["aembed.resource"]) == (60, "requests")
        assert remaining.value == pytest.approx(59, abs=0.5)
        assert [point.value for point in made.points("aembed.requests.in_flight")] == [0]
        assert [point.value for point in made.points("aembed.queue.length")] == [0]
    del factory, embedder
    gc.collect()
    assert made.points("aembed.quota.limit") == []
