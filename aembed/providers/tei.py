"""``tei``: Hugging Face's text-embeddings-inference, through its own ``/embed``. By default on this machine.

A TEI server runs one model, so the name after ``tei:`` is a label; as the model's own name it says which dimensions may
be asked for. Vectors have unit length unless ``normalize`` is turned off. Prompts are the model's own, chosen by their
names in its configuration. ``truncate`` is off, so that a text beyond the model's length is refused (as 413, and as 422
since 1.9, like a batch that is too large; the words differ). ``dimensions`` is for servers from 1.8 on that run a
Matryoshka model; older ones ignore it, and are found out by their reply.

Sources: https://github.com/huggingface/text-embeddings-inference, ``docs/openapi.json`` (request, reply, 413, 422, 424,
429), ``core/src/tokenization.rs`` ("must have less than N tokens"), ``router/src/http/server.rs`` ("batch size N >
maximum allowed batch size M", 32 by default; usage in the header ``x-compute-tokens``). ``dimensions`` is in the main
branch and not in the openapi.json of 1.7.1; that it came with 1.8 is (unconfirmed).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from aembed._errors import BadRequestError, BadTextError, BatchTooLargeError, OverloadedError, TextTooLongError
from aembed._settings.base import Settings
from aembed._types import Kind, ModelSpec, Provider, Source
from aembed._wire.access import bearer
from aembed._wire.api import Api, Asked
from aembed._wire.decode import Places, Shape
from aembed._wire.endpoint import root
from aembed._wire.matryoshka import checked_dimensions
from aembed._wire.openai_shape import read_error
from aembed._wire.provider import HttpProvider
from aembed._wire.refusal import Dialect

BASE_URL = "http://localhost:8080"


class TeiOptions(Settings):
    """``provider_options`` of ``tei``."""

    query_prompt_name: str | None = None
    document_prompt_name: str | None = None
    """Keys of ``prompts`` in the model's sentence-transformers configuration. Not set: no prompt."""
    normalize: bool = True


def places(reply: list[list[float]]) -> Places:
    return range(len(reply)), reply


ARRAYS = Shape(list[list[float]], places, tokens=lambda _: None)

ERRORS = Dialect(
    read=read_error,
    meanings=(
        (r"less than \d+ (tokens|characters)", TextTooLongError),
        (r"prompt.?name", BadRequestError),
        (r"cannot be empty", BadTextError),
        (r"batch size", BatchTooLargeError),
        (r"overloaded", OverloadedError),
    ),
)


async def open_provider(source: Source) -> Provider:
    """``"tei"``; ``provider_options`` are the fields of :class:`TeiOptions`."""
    options = TeiOptions.from_table(source.options)
    dim = source.dimensions
    source = checked_dimensions(source, source.model or "")
    prompt_names = {"query": options.query_prompt_name, "document": options.document_prompt_name}

    def request(texts: Sequence[str], kind: Kind, asked: Asked) -> dict[str, Any]:
        body = {"inputs": texts, "truncate": False, "normalize": options.normalize, **asked.fields()}
        if prompt_names[kind] is not None:
            body["prompt_name"] = prompt_names[kind]
        return body

    api = Api(
        url=f"{root(source, BASE_URL, '/embed', '/v1/embeddings', '/v1')}/embed",
        headers=bearer(source),
        request=request,
        shape=ARRAYS,
        dialect=ERRORS,
        tokens_header="x-compute-tokens",
    )
    spec = ModelSpec(
        name=source.model or "tei",
        provider=source.provider,
        dim=dim,
        max_batch_texts=32,
        max_concurrency=8,
        adaptive=True,
        timeout=60.0,
    )
    return HttpProvider(api, spec, source)
