"""``mistral``: Mistral's embeddings.

Mistral's models have no query mode and no prompts. The server rejects a text beyond the model's length, and has no
parameter for truncation. mistral-embed's vectors have unit length.

Sources: https://docs.mistral.ai/api/endpoint/embeddings and mistralai-python 3.7 ``models/embeddingrequest.py``
(``output_dimension``, ``encoding_format`` float or base64), https://docs.mistral.ai/capabilities/embeddings (1024;
code: 1536 by default, 3072 at most), https://mistral.ai/pricing by way of litellm's table,
https://help.mistral.ai/en/articles/424390 (limits are an organization's; nothing is said of single models). Errors,
all 400 with code 3210: "Too many inputs in request, split into more batches." beyond 256 (measured in May 2026 by
edgequake-llm; an earlier reading was 512), "Too many tokens overall, split into more batches." (chroma pull request
5597), beyond 16,384 (semantic-router issue 297), "Input id 0 has 9000 tokens, exceeding max 8192 tokens.". Code
1500 for an unknown model is (unconfirmed), its type is looked at too.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from aembed._errors import BatchTooLargeError, ModelNotFoundError, TextTooLongError
from aembed.http import ErrorDialect, HostedModel, HttpApi, RequestFeatures, openai_error

TEXT = HostedModel(dim=1024, price=0.10)
CODE = HostedModel(dim=1536, dimensions=range(1, 3073), price=0.15)

MODELS = {
    "mistral-embed": TEXT,
    "mistral-embed-2312": TEXT,
    "codestral-embed": CODE,
    "codestral-embed-2505": CODE,
}


ERRORS = ErrorDialect(
    parse=openai_error,
    patterns=(
        (r"(invalid|unknown).model|\b1500\b", ModelNotFoundError),
        (r"exceeding max \d+ tokens", TextTooLongError),
        (r"more batches|too many (inputs|tokens)", BatchTooLargeError),
    ),
)


def request(texts: Sequence[str], features: RequestFeatures) -> dict[str, Any]:
    return {"model": features.model, "input": texts, **features.fields(dimensions="output_dimension")}


MISTRAL = HttpApi(
    about="Mistral's embeddings.",
    key_variables=("MISTRAL_API_KEY",),
    base_url="https://api.mistral.ai/v1",
    request=request,
    errors=ERRORS,
    models=MODELS,
    default_model="mistral-embed",
    max_batch_texts=256,
    max_batch_tokens=16_384,
    max_text_tokens=8192,
)
