"""``tei``: Hugging Face's text-embeddings-inference, through its own ``/embed``. By default on this machine.

A TEI server runs one model, so the name after ``tei:`` is a label; if it is the model's name, ``dimensions`` is checked
against it. Vectors have unit length unless ``normalize`` is off. Prompts are those of the model's configuration, chosen
by name. ``truncate`` is off, so that the server rejects a text beyond the model's length (with 413, since 1.9 with 422,
like a batch that is too large; the words differ). Servers from 1.8 on take ``dimensions`` for Matryoshka models; older
ones ignore it, which shows in the reply.

Sources: https://github.com/huggingface/text-embeddings-inference, ``docs/openapi.json`` (request, reply, 413, 422, 424,
429), ``core/src/tokenization.rs`` ("must have less than N tokens"), ``router/src/http/server.rs`` ("batch size N >
maximum allowed batch size M", 32 by default; usage in the header ``x-compute-tokens``). ``dimensions`` is in the main
branch and not in the openapi.json of 1.7.1; that it came with 1.8 is (unconfirmed).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from aembed._errors import BadRequestError, BadTextError, BatchTooLargeError, OverloadedError, TextTooLongError
from aembed.http import (
    ErrorDialect,
    HttpApi,
    ProviderOptions,
    ReplyFormat,
    RequestFeatures,
    VectorPositions,
    openai_error,
)


class TeiOptions(ProviderOptions):
    """``provider_options`` of ``tei``."""

    query_prompt_name: str | None = None
    document_prompt_name: str | None = None
    """Keys of ``prompts`` in the model's sentence-transformers configuration. Not set: no prompt."""
    normalize: bool = True


def vector_positions(reply: list[list[float] | None]) -> VectorPositions:
    return range(len(reply)), reply


ARRAYS = ReplyFormat(list[list[float] | None], vector_positions)

ERRORS = ErrorDialect(
    parse=openai_error,
    patterns=(
        (r"less than \d+ (tokens|characters)", TextTooLongError),
        (r"prompt.?name", BadRequestError),
        (r"cannot be empty", BadTextError),
        (r"batch size", BatchTooLargeError),
        (r"overloaded", OverloadedError),
    ),
)


def request(texts: Sequence[str], features: RequestFeatures) -> dict[str, Any]:
    options: TeiOptions = features.options
    body = {"inputs": texts, "truncate": False, "normalize": options.normalize, **features.fields()}
    prompt = options.query_prompt_name if features.kind == "query" else options.document_prompt_name
    return body if prompt is None else {**body, "prompt_name": prompt}


TEI = HttpApi(
    about="A model run by Hugging Face's Text Embeddings Inference.",
    base_url="http://localhost:8080",
    path="/embed",
    url_endings=("/embed", "/v1/embeddings", "/v1"),
    needs_key=False,
    request=request,
    reply=ARRAYS,
    errors=ERRORS,
    tokens_header="x-compute-tokens",
    options=TeiOptions,
    hub_models=True,
    default_model="tei",
    max_batch_texts=32,
    max_concurrency=8,
    adaptive=True,
    timeout=60.0,
)
