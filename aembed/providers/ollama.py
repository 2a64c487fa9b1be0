"""``ollama``: models run by Ollama. ``"ollama:MODEL"``, by default on this machine.

Ollama normalises every vector, and shortens and normalises again where ``dimensions`` is asked for, whether or not the
model was trained for it: of models known not to be, that is refused here. It has no query
mode, so prompts that a model wants (``"search_query: "`` for nomic-embed-text) are given as ``provider_options``. The
first request may have to load the model. ``truncate`` is off, so that a text beyond the context is refused; versions
disagree on the status (400, 413 or 500), the words are the same.

Sources: https://github.com/ollama/ollama/blob/main/docs/api.md ("Generate embeddings") and ``server/routes.go`` of
the same repository (``EmbedHandler``: one bad text fails the batch, NaN is a 400, ``prompt_eval_count`` is the sum;
503 when the queue is full), ollama-python ``EmbedRequest``. Ollama has no cap on the texts of a request; 64 is ours.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import msgspec

from aembed._errors import BatchTooLargeError, ConfigError, ModelNotFoundError, OverloadedError, TextTooLongError
from aembed._types import Kind, ModelSpec, Provider, Source
from aembed._wire.access import bearer
from aembed._wire.api import Api, Asked
from aembed._wire.decode import Places, Shape, token_count
from aembed._wire.endpoint import root
from aembed._wire.matryoshka import checked_dimensions
from aembed._wire.openai_shape import read_error
from aembed._wire.prompts import Prompts
from aembed._wire.provider import HttpProvider
from aembed._wire.refusal import Dialect

BASE_URL = "http://localhost:11434"


class OllamaOptions(Prompts):
    """``provider_options`` of ``ollama``."""

    keep_alive: str | float | None = None
    """How long the model stays loaded after a request: ``"10m"``, seconds, -1 for ever. Not set: as Ollama is set."""
    num_ctx: int | None = None
    """Tokens of context the model is loaded with. Not set: as Ollama is set."""


class Embeddings(msgspec.Struct):
    embeddings: list[list[float]]
    prompt_eval_count: Any = None


def places(reply: Embeddings) -> Places:
    return range(len(reply.embeddings)), reply.embeddings


EMBEDDINGS = Shape(Embeddings, places, lambda reply: token_count(reply.prompt_eval_count))

ERRORS = Dialect(
    read=read_error,
    meanings=(
        (r"model .{1,200} not found|does not support embed", ModelNotFoundError),
        (r"input length exceeds|exceeds maximum context|larger than the max context", TextTooLongError),
        (r"too many inputs", BatchTooLargeError),
        (r"server busy|maximum pending requests", OverloadedError),
    ),
)


async def open_provider(source: Source) -> Provider:
    """``"ollama:MODEL"``; ``provider_options`` are the fields of :class:`OllamaOptions`."""
    model = source.model
    if model is None:
        raise ConfigError("name a model that you have pulled: 'ollama:nomic-embed-text'")
    options = OllamaOptions.from_table(source.options)
    dim = source.dimensions
    source = checked_dimensions(source, model)

    def request(texts: Sequence[str], kind: Kind, asked: Asked) -> dict[str, Any]:
        body = {"model": model, "input": options.before(texts, kind), "truncate": False, **asked.fields()}
        if options.keep_alive is not None:
            body["keep_alive"] = options.keep_alive
        if options.num_ctx is not None:
            body["options"] = {"num_ctx": options.num_ctx}
        return body

    api = Api(
        url=f"{root(source, BASE_URL, '/api/embed', '/api', '/v1/embeddings', '/v1')}/api/embed",
        headers=bearer(source),
        request=request,
        shape=EMBEDDINGS,
        dialect=ERRORS,
    )
    spec = ModelSpec(
        name=model,
        provider=source.provider,
        dim=dim,
        max_batch_texts=64,
        max_concurrency=4,
        adaptive=True,
        timeout=120.0,
    )
    return HttpProvider(api, spec, source)
