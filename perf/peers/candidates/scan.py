"""A reply's base64 into rows, believing everything: that the order is right, and nothing is missing."""

from __future__ import annotations

import numpy as np
import pybase64

from perf.peers.candidates.batches import Rows

KEY = b'"embedding":"'


def decode(body: bytes | bytearray, rows: Rows) -> None:
    view, position = memoryview(body), 0
    for row in rows:
        start = body.index(KEY, position) + len(KEY)
        position = body.index(b'"', start)
        row[:] = np.frombuffer(pybase64.b64decode(view[start:position], validate=True), "<f4")
