"""Texts -> vectors as JSON. The mock's vectors, so that a client's result can be checked to the bit."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec
import numpy as np
import pybase64

from aembed import Vectors
from aembed.providers.mock import MockOptions, MockProvider


class VectorEncoder:
    """Encodes float32 vectors as base64 strings or as numbers that name them exactly; remembers them."""

    def __init__(self, *, seed: int = 0, cache_bytes: int = 2**29) -> None:
        self._seed = seed
        self._room = cache_bytes
        self._known: dict[tuple[int, bool], dict[str, bytes]] = {}
        self._mocks: dict[int, MockProvider] = {}

    def encode(self, texts: Sequence[str], dim: int, *, base64: bool) -> list[bytes]:
        """One piece of JSON per text: a string with its quotes, or an array."""
        known = self._known.setdefault((dim, base64), {})
        pieces = [known.get(text) for text in texts]
        if None not in pieces:
            return pieces  # type: ignore[return-value]  # all are there
        missing = list(dict.fromkeys(text for text, piece in zip(texts, pieces, strict=True) if piece is None))
        new = dict(zip(missing, _pieces(self._vectors(missing, dim), base64=base64), strict=True))
        size = sum(map(len, new.values()))
        if size <= self._room:
            self._room -= size
            known.update(new)
        return [new[text] if piece is None else piece for text, piece in zip(texts, pieces, strict=True)]

    def _vectors(self, texts: Sequence[str], dim: int) -> Vectors:
        mock = self._mocks.get(dim)
        if mock is None:
            mock = self._mocks[dim] = MockProvider(MockOptions(dim=dim, seed=self._seed))
        answer = mock.embed(texts, kind="document")
        try:
            answer.send(None)
        except StopIteration as done:  # a mock without latency never waits
            vectors: Vectors = done.value.vectors
            return vectors
        raise AssertionError("the mock waited")


def _pieces(vectors: Vectors, *, base64: bool) -> list[bytes]:
    if base64:
        rows = vectors.astype("<f4", copy=False)
        return [b'"%b"' % pybase64.b64encode(row.data) for row in rows]
    return [msgspec.json.encode(row) for row in vectors.astype(np.float64).tolist()]
