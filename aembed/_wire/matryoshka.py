"""Open models of Matryoshka training: the head of their vectors is a vector too.

Servers of open models differ: some shorten vectors, some reject ``dimensions``, some ignore it. In the last two cases
aembed shortens the vectors of a model in this table. A model without that training loses far more than the numbers cut
off; common ones are listed with their only dimension.

Sources: the models' cards and https://www.nomic.ai/blog/posts/nomic-embed-matryoshka (any dimension from 64 to 768),
https://ai.google.dev/gemma/docs/embeddinggemma/model_card, https://github.com/QwenLM/Qwen3-Embedding ("MRL support";
any from 32), https://www.mixedbread.com/blog/mxbai-embed-large-v1, Snowflake's blog on arctic-embed-m-v1.5 and 2.0
(256 besides the whole).
"""

from __future__ import annotations

from collections.abc import Mapping

from aembed._wire.catalogue import HostedModel

SMALL, BASE, LARGE = HostedModel(dim=384), HostedModel(dim=768), HostedModel(dim=1024)
NOMIC = HostedModel(dim=768, dimensions=range(64, 769))
GEMMA = HostedModel(dim=768, dimensions=(128, 256, 512, 768))

OPEN_MODELS: Mapping[str, HostedModel] = {
    "nomic-embed-text": NOMIC,  # Ollama's name for v1.5
    "nomic-embed-text-v1.5": NOMIC,
    "nomic-embed-text-v2-moe": HostedModel(dim=768, dimensions=(256, 768)),
    "mxbai-embed-large": HostedModel(dim=1024, dimensions=(128, 256, 512, 768, 1024)),
    "mxbai-embed-large-v1": HostedModel(dim=1024, dimensions=(128, 256, 512, 768, 1024)),
    "snowflake-arctic-embed-m-v1.5": HostedModel(dim=768, dimensions=(256, 768)),
    "snowflake-arctic-embed-m-v2.0": HostedModel(dim=768, dimensions=(256, 768)),
    "snowflake-arctic-embed-l-v2.0": HostedModel(dim=1024, dimensions=(256, 1024)),
    "snowflake-arctic-embed2": HostedModel(dim=1024, dimensions=(256, 1024)),  # Ollama's name for l-v2.0
    "embeddinggemma": GEMMA,
    "embeddinggemma-300m": GEMMA,
    "qwen3-embedding-0.6b": HostedModel(dim=1024, dimensions=range(32, 1025)),
    "qwen3-embedding-4b": HostedModel(dim=2560, dimensions=range(32, 2561)),
    "qwen3-embedding-8b": HostedModel(dim=4096, dimensions=range(32, 4097)),
    "jina-embeddings-v3": HostedModel(dim=1024, dimensions=range(32, 1025)),
    "nomic-embed-text-v1": BASE,
    "all-minilm": SMALL,
    "all-minilm-l6-v2": SMALL,
    "all-minilm-l12-v2": SMALL,
    "all-mpnet-base-v2": BASE,
    "bge-m3": LARGE,
    "bge-small-en-v1.5": SMALL,
    "bge-base-en-v1.5": BASE,
    "bge-large-en-v1.5": LARGE,
    "multilingual-e5-small": SMALL,
    "multilingual-e5-base": BASE,
    "multilingual-e5-large": LARGE,
}


def open_model(name: str) -> HostedModel | None:
    """The facts of a model, by the name that a hub, Ollama or a directory gives it.

    ``"nomic-ai/nomic-embed-text-v1.5"``, ``"qwen3-embedding:0.6b"``, ``"all-minilm:latest"``.
    """
    model, _, tag = name.rpartition("/")[2].lower().partition(":")
    return OPEN_MODELS.get(f"{model}-{tag}") or OPEN_MODELS.get(model)
