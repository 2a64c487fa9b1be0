"""The tests that LangChain asks of every integration."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from typing import Any

import pytest

pytest.importorskip("langchain_core", reason="needs the extra langchain")
pytest.importorskip("langchain_tests")

from langchain_tests.integration_tests import EmbeddingsIntegrationTests
from langchain_tests.unit_tests import EmbeddingsUnitTests

from aembed.integrations.langchain import AembedEmbeddings


class TestStandardUnit(EmbeddingsUnitTests):
    """Without a call."""

    @property
    def embeddings_class(self) -> type[AembedEmbeddings]:
        return AembedEmbeddings

    @property
    def embedding_model_params(self) -> dict[str, Any]:
        return {"model": "mock"}


class TestStandardIntegration(EmbeddingsIntegrationTests):
    """With a model that answers."""

    @property
    def embeddings_class(self) -> type[AembedEmbeddings]:
        return AembedEmbeddings

    @property
    def embedding_model_params(self) -> dict[str, Any]:
        return {"model": "local"}

    @pytest.fixture
    async def model(self) -> AsyncGenerator[AembedEmbeddings]:
        embeddings = AembedEmbeddings(**self.embedding_model_params)
        yield embeddings
        await embeddings.aclose()
