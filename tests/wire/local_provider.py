"""An OpenAI-like provider over a local server, and vectors in its replies."""

from __future__ import annotations

import base64
from typing import Any

import numpy as np

from aembed._types import Source
from tests.wire.fake import Fake

URL = "http://localhost:8000/v1"
ONE = np.array([[1.0, 2.0]], np.float32)


def vectors(*rows: Any, **more: Any) -> dict[str, Any]:
    return {"data": [{"index": i, "embedding": row} for i, row in enumerate(rows)], **more}


def encoded(*values: float) -> str:
    return base64.b64encode(np.array(values, "<f4").tobytes()).decode()


def local(fake: Fake, **settings: Any) -> Source:
    return fake.source("openai:m", key=None, base_url=URL, **settings)
