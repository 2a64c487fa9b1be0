"""``ollama``: models run by Ollama. ``"ollama:MODEL"``, by default on this machine.

Ollama scales every vector to unit length, and shortens it to ``dimensions`` whether or not the model was trained for
that: aembed rejects it for models known not to be. Ollama has no query mode, so a model's prompts (``"search_query: "``
for nomic-embed-text) are ``provider_options``. The first request may load the model. ``truncate`` is off, so that the
server rejects a text beyond the context; versions differ in the status (400, 413 or 500), not in the words.

Sources: https://github.com/ollama/ollama/blob/main/docs/api.md ("Generate embeddings") and ``server/routes.go`` of
the same repository (``EmbedHandler``: one bad text fails the batch, NaN is a 400, ``prompt_eval_count`` is the sum;
503 when the queue is full), ollama-python ``EmbedRequest``. Ollama has no cap on the texts of a request; 64 is ours.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any
from urllib.parse import urlsplit

import msgspec

from aembed._errors import BatchTooLargeError, ModelNotFoundError, OverloadedError, TextTooLongError
from aembed.http import (
    ErrorDialect,
    HttpApi,
    Prompts,
    ReplyFormat,
    RequestFeatures,
    VectorPositions,
    openai_error,
    token_count,
)


class OllamaOptions(Prompts):
    """``provider_options`` of ``ollama``."""

    keep_alive: str | float | None = None
    """Time that the model stays loaded after a request: ``"10m"``, seconds, -1 for ever. Not set: as Ollama is set."""
    num_ctx: int | None = None
    """Tokens of context the model is loaded with. Not set: as Ollama is set."""


class OllamaReply(msgspec.Struct):
    embeddings: list[list[float] | None]
    prompt_eval_count: Any = None


def vector_positions(reply: OllamaReply) -> VectorPositions:
    return range(len(reply.embeddings)), reply.embeddings


EMBEDDINGS = ReplyFormat(OllamaReply, vector_positions, lambda reply: token_count(reply.prompt_eval_count))

ERRORS = ErrorDialect(
    parse=openai_error,
    patterns=(
        (r"model .{1,200} not found|does not support embed", ModelNotFoundError),
        (r"input length exceeds|exceeds maximum context|larger than the max context", TextTooLongError),
        (r"too many inputs", BatchTooLargeError),
        (r"server busy|maximum pending requests", OverloadedError),
    ),
)


def request(texts: Sequence[str], features: RequestFeatures) -> dict[str, Any]:
    options: OllamaOptions = features.options
    body = {"model": features.model, "input": options.before(texts, features.kind), "truncate": False}
    body |= features.fields()
    if options.keep_alive is not None:
        body["keep_alive"] = options.keep_alive
    if options.num_ctx is not None:
        body["options"] = {"num_ctx": options.num_ctx}
    return body


def base_url(host: str) -> str:
    """``OLLAMA_HOST`` may leave out scheme and port, and be a listening address: ollama-python ``_parse_host``."""
    scheme, has_scheme, rest = host.rpartition("://")
    parts = urlsplit(f"//{rest}")
    name = parts.hostname or ""
    name = "127.0.0.1" if name in {"", "0.0.0.0", "::"} else name  # noqa: S104  # an address to listen on, not to call
    port = parts.port or {"http": 80, "https": 443}.get(scheme, 11434)
    return f"{scheme if has_scheme else 'http'}://{f'[{name}]' if ':' in name else name}:{port}{parts.path.rstrip('/')}"


OLLAMA = HttpApi(
    about="Models run by Ollama, by default on this machine.",
    key_variables=("OLLAMA_API_KEY",),
    base_url_variable="OLLAMA_HOST",
    as_base_url=base_url,
    own_hosts=("ollama.com",),
    base_url="http://localhost:11434",
    path="/api/embed",
    url_endings=("/api/embed", "/api", "/v1/embeddings", "/v1"),
    needs_key=False,
    request=request,
    reply=EMBEDDINGS,
    errors=ERRORS,
    options=OllamaOptions,
    hub_models=True,
    example_model="nomic-embed-text",
    max_batch_texts=64,
    max_concurrency=4,
    adaptive=True,
    timeout=120.0,
)
