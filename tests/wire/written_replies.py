"""Replies with vectors, written in any valid way."""

from __future__ import annotations

import base64
import json
from typing import Any

import numpy as np
from hypothesis import strategies as st

from aembed._types import Vectors
from aembed._wire.decode import Decoded, decode
from aembed._wire.openai_format import OPENAI_REPLY


def encoded(row: Vectors) -> str:
    return base64.b64encode(row.astype("<f4").tobytes()).decode()


def written(row: Vectors) -> list[float]:
    return [float(value) for value in row]


def reply(*embeddings: Any, **more: Any) -> bytes:
    data = [{"object": "embedding", "index": i, "embedding": embedding} for i, embedding in enumerate(embeddings)]
    return json.dumps({"object": "list", "data": data, "model": "m", **more}).encode()


def decoded(body: bytes, count: int, rows: Vectors | None = None) -> Decoded:
    return decode(body, OPENAI_REPLY, count, rows)


floats = st.floats(width=32, allow_nan=False, allow_infinity=False)


@st.composite
def matrices(draw: st.DrawFn) -> Vectors:
    n, dim = draw(st.integers(1, 5)), draw(st.integers(1, 7))
    return np.array(draw(st.lists(floats, min_size=n * dim, max_size=n * dim)), np.float32).reshape(n, dim)
