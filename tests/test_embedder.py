"""What users hold: vectors in input order, whole results, honest errors."""

from __future__ import annotations

import numpy as np

from aembed import EmbedderFactory


async def test_documents_come_in_input_order(factory: EmbedderFactory) -> None:
    embedder = await factory.new_embedder("mock", batch_size=3)
    texts = [f"text {i}" for i in range(20)]
    vectors = await embedder.embed_documents(texts)
    assert vectors.shape == (20, 128)
    assert vectors.dtype == np.float32
    for text, vector in zip(texts, vectors, strict=True):
        np.testing.assert_array_equal(vector, await embedder.embed_query(text))
