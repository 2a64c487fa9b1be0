"""The packaged model's own graph against the fused one, a thread each: ``python -m perf.local.graph``.

Processor time, interleaved, so that other programs on the machine disturb it little.
"""

from __future__ import annotations

import random
import time
from statistics import median
from typing import TYPE_CHECKING

import numpy as np

from aembed.providers._model_dir import ModelFiles
from aembed.providers._onnx import Encoder
from aembed.providers._packaged.minilm import load_minilm
from perf.local.model_files import ONNX, package

if TYPE_CHECKING:
    from pathlib import Path

SHAPES = ((13, 1), (13, 29), (40, 9), (100, 3), (200, 1), (256, 1))
"""Tokens a text, and texts a run: one query, then runs of at most 384 tokens."""
ROUNDS = 25


def main() -> None:
    path = package(ONNX) / "model.onnx"
    files = ModelFiles(name="all-MiniLM-L6-v2", onnx=path, tokenizer=path)
    models: dict[str, Path | bytes] = {"packaged": path, "fused": load_minilm(path)}
    encoders = {name: Encoder(model, files, threads=1, pad_id=0) for name, model in models.items()}
    order, numbers = random.Random(1), np.random.default_rng(1)
    for tokens, texts in SHAPES:
        seconds: dict[str, list[float]] = {name: [] for name in encoders}
        for _ in range(ROUNDS):
            ids = list(numbers.integers(1000, 30_000, (texts, tokens)))
            for name in order.sample(list(encoders), len(encoders)):
                start = time.thread_time()
                encoders[name].run(ids)
                seconds[name].append(time.thread_time() - start)
        gain = median(a / b for a, b in zip(seconds["packaged"], seconds["fused"], strict=True))
        print(f"{texts:3} texts of {tokens:3} tokens: fused {1e3 * median(seconds['fused']):6.2f} ms, {gain:.3f}x")


if __name__ == "__main__":
    main()
