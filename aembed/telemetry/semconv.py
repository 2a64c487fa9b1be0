"""Names of the OpenTelemetry semantic conventions for generative AI, in one place: they are not stable yet.

Two generations exist, and the first is emitted:

    part        released (up to 1.41)                     in preparation, in semantic-conventions-genai
    span        ``embeddings {model}``                    the same
    duration    ``gen_ai.client.operation.duration``      ``gen_ai.client.embeddings.duration``
    tokens      ``gen_ai.client.token.usage``             ``gen_ai.client.embeddings.operation.input_tokens``
    exception   span status and ``error.type``            log event ``gen_ai.client.operation.exception``

A test compares them with what ``opentelemetry-util-genai`` emits.
"""

from __future__ import annotations

from types import MappingProxyType

SCHEMA_URL = "https://opentelemetry.io/schemas/1.37.0"
"""Schema that util-genai declares for the same names."""

OPERATION = "embeddings"

OPERATION_NAME = "gen_ai.operation.name"
PROVIDER_NAME = "gen_ai.provider.name"
REQUEST_MODEL = "gen_ai.request.model"
RESPONSE_MODEL = "gen_ai.response.model"
RESPONSE_ID = "gen_ai.response.id"
DIMENSION_COUNT = "gen_ai.embeddings.dimension.count"
INPUT_TOKENS = "gen_ai.usage.input_tokens"
TOKEN_TYPE = "gen_ai.token.type"  # noqa: S105  # the name of an attribute
SERVER_ADDRESS = "server.address"
SERVER_PORT = "server.port"
ERROR_TYPE = "error.type"

OPERATION_DURATION = "gen_ai.client.operation.duration"
TOKEN_USAGE = "gen_ai.client.token.usage"  # noqa: S105  # the name of a metric

DURATION_BUCKETS = (0.01, 0.02, 0.04, 0.08, 0.16, 0.32, 0.64, 1.28, 2.56, 5.12, 10.24, 20.48, 40.96, 81.92)
"""Seconds, as the conventions advise."""
TOKEN_BUCKETS = tuple(4**power for power in range(14))
"""Tokens, as the conventions advise."""

EMBEDDING_CONTEXT = "opentelemetry.genai.client.embedding.context"
"""Context key under which an embedding span in progress is announced: spans inside it would count the call twice."""

PROVIDERS = MappingProxyType(
    {
        "azure": "azure.ai.openai",
        "bedrock": "aws.bedrock",
        "google": "gcp.gemini",
        "mistral": "mistral_ai",
        "vertex": "gcp.vertex_ai",
    }
)
"""Values of ``gen_ai.provider.name`` that differ from aembed's name of the provider; custom values are allowed."""


def provider_name(provider: str) -> str:
    """Value of ``gen_ai.provider.name``."""
    return PROVIDERS.get(provider, provider)
