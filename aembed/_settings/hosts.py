"""The hosts of each provider: where its key may go, and where what it documents of models and quotas holds."""

from __future__ import annotations

from urllib.parse import urlsplit

OWN_HOSTS = {
    "azure": (
        ".openai.azure.com",
        ".services.ai.azure.com",
        ".cognitiveservices.azure.com",
        ".api.cognitive.microsoft.com",
        # Azure Government
        ".openai.azure.us",
        ".services.ai.azure.us",
        ".cognitiveservices.azure.us",
        ".api.cognitive.microsoft.us",
    ),
    "cohere": ("api.cohere.com", "api.cohere.ai"),
    "google": ("generativelanguage.googleapis.com",),
    "jina": ("api.jina.ai",),
    "mistral": ("api.mistral.ai",),
    "ollama": ("ollama.com",),
    # us, eu, au, in, jp and others: https://developers.openai.com/api/docs/guides/data-residency
    "openai": ("api.openai.com", ".api.openai.com"),
    # keys made in MongoDB Atlas: https://www.mongodb.com/docs/api/doc/atlas-embedding-and-reranking-api
    "voyage": ("api.voyageai.com", "ai.mongodb.com"),
}
"""Behind a dot, any host below. Azure's: https://learn.microsoft.com/azure/ai-services/cognitive-services-custom-subdomains
and https://learn.microsoft.com/azure/azure-government/compare-azure-government-global-azure."""


def is_own_host(provider: str, base_url: str | None) -> bool:
    """True if ``base_url`` leads to the provider's own servers, as ``None`` does."""
    if base_url is None:
        return True
    host = urlsplit(base_url).hostname or ""
    return any(host == known or (known[0] == "." and host.endswith(known)) for known in OWN_HOSTS.get(provider, ()))
