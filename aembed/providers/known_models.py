"""Models of the Hugging Face hub that are known to work, with the facts that choose one.

Facts come from the models' cards and from the table of fastembed 0.9.1 (dimension, length, pooling); sizes are those of
the file that is downloaded. ``checked`` says what was verified: ``vectors`` where they were compared with another
implementation's; ``rules`` where pooling, length and prompts are read from configuration files as the authors publish
them, with a toy's weights, because the tests cannot download the model.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

Checked = Literal["vectors", "rules"]


@dataclass(frozen=True, slots=True)
class KnownModel:
    """One model: its name, and its properties as published."""

    model: str
    """Name for ``new_embedder``: ``"local:organisation/model"``."""
    dim: int
    languages: str
    max_tokens: int
    megabytes: int
    pooling: str
    """Pooling of the tokens' vectors into one, and ``unit`` where that has length 1."""
    prompts: Mapping[str, str] = field(default_factory=dict[str, str])
    """Prompts by kind that the authors ask for; used where the repository's configuration has none."""
    checked: Checked = "rules"

    @property
    def repo(self) -> str:
        """The repository on the hub, or the name of a packaged model."""
        return self.model.partition(":")[2]


ENGLISH, MANY, FIFTY = "English", "about 100", "about 50"
_E5 = {"query": "query: ", "document": "passage: "}  # https://huggingface.co/intfloat/multilingual-e5-small, "FAQ"
_NOMIC = {"query": "search_query: ", "document": "search_document: "}

KNOWN_MODELS: tuple[KnownModel, ...] = (
    KnownModel("local:all-MiniLM-L6-v2", 384, ENGLISH, 256, 23, "mean, unit", checked="vectors"),
    KnownModel("local:sentence-transformers/all-MiniLM-L6-v2", 384, ENGLISH, 256, 90, "mean, unit", checked="vectors"),
    KnownModel("local:BAAI/bge-small-en-v1.5", 384, ENGLISH, 512, 133, "cls, unit"),
    KnownModel("local:BAAI/bge-base-en-v1.5", 768, ENGLISH, 512, 436, "cls, unit"),
    KnownModel("local:BAAI/bge-large-en-v1.5", 1024, ENGLISH, 512, 1340, "cls, unit"),
    KnownModel("local:mixedbread-ai/mxbai-embed-large-v1", 1024, ENGLISH, 512, 1340, "cls"),
    KnownModel("local:Snowflake/snowflake-arctic-embed-xs", 384, ENGLISH, 512, 90, "cls, unit"),
    KnownModel("local:Snowflake/snowflake-arctic-embed-m-v1.5", 768, ENGLISH, 512, 436, "cls, unit"),
    KnownModel("local:thenlper/gte-base", 768, ENGLISH, 512, 436, "mean, unit"),
    KnownModel("local:nomic-ai/nomic-embed-text-v1.5", 768, ENGLISH, 8192, 547, "mean", _NOMIC),
    KnownModel("local:intfloat/multilingual-e5-small", 384, MANY, 512, 470, "mean, unit", _E5),
    KnownModel("local:intfloat/multilingual-e5-base", 768, MANY, 512, 1110, "mean, unit", _E5),
    KnownModel("local:sentence-transformers/paraphrase-multilingual-MiniLM-L12-v2", 384, FIFTY, 128, 471, "mean"),
    KnownModel("static:wordllama", 256, ENGLISH, 0, 16, "mean, unit", checked="vectors"),
    KnownModel("static:minishlab/potion-base-8M", 256, ENGLISH, 512, 30, "mean, unit"),
    KnownModel("static:minishlab/potion-retrieval-32M", 512, ENGLISH, 512, 129, "mean, unit"),
    KnownModel("static:minishlab/potion-multilingual-128M", 256, MANY, 512, 512, "mean, unit"),
)
"""Packaged models first in each group, then those of the hub, small before large."""


def known_model(repo: str) -> KnownModel | None:
    """The entry of a repository; its name may be in any case."""
    return next((each for each in KNOWN_MODELS if each.repo.lower() == repo.lower()), None)
