"""``acme``: a made-up embeddings API, as a third-party package brings it to aembed."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import msgspec

from aembed import BadTextError, QuotaExhaustedError, TextTooLongError
from aembed.http import ErrorBody, ErrorDialect, HostedModel, HttpApi, QuotaHeaders, ReplyFormat, RequestFeatures


class Answer(msgspec.Struct):
    rows: list[list[float]]
    used: int


def request(texts: Sequence[str], features: RequestFeatures) -> dict[str, Any]:
    return {"engine": features.model, "texts": texts, "for": features.kind, **features.fields(dimensions="size")}


ACME = HttpApi(
    about="A made-up API.",
    key_variables=("ACME_API_KEY",),
    base_url_variable="ACME_BASE_URL",
    base_url="https://api.acme.example/v2",
    path="/vectors",
    key_header="x-acme-key",
    request=request,
    reply=ReplyFormat(Answer, lambda answer: (range(len(answer.rows)), answer.rows), lambda answer: answer.used),
    errors=ErrorDialect(
        parse=lambda body: ErrorBody(body["fault"], body["because"], retry_after=body.get("wait_s")),
        patterns=[("TOO_LONG", TextTooLongError), ("UNSPEAKABLE", BadTextError), ("BROKE", QuotaExhaustedError)],
    ),
    quota_headers=(QuotaHeaders(requests="acme-{}-calls"),),
    models={"acme-1": HostedModel(dim=4, dimensions=(2, 4), price=0.5)},
    default_model="acme-1",
    max_batch_texts=3,
)
