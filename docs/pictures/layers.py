"""The way of a call through the layers: ``python docs/pictures/layers.py`` writes ``docs/_static/layers.svg``."""

from __future__ import annotations

from pathlib import Path

from boxes import Arrow, Box, picture

LAYERS = [
    ("Embedder", "embed_query, embed_documents, stream_documents"),
    ("cache", "hits end here; a text in flight is waited for"),
    ("micro-batcher", "concurrent small calls share a request"),
    ("plan and fan out", "batches by texts, tokens and bytes"),
    ("retry", "backoff outside the queue: a sleeping retry holds no slot"),
    ("gate", "a slot first, then quota; queries before documents"),
    ("timeout and reply check", "one attempt; nothing unchecked is cached"),
    ("provider", "HTTP API or local model"),
]
WIDTH, STEP = 420, 66


def main() -> None:
    """Draw it."""
    parts: list[Box | Arrow] = []
    for row, (name, note) in enumerate(LAYERS):
        parts.append(Box(10, 8 + row * STEP, name, note, width=WIDTH))
        if row:
            parts.append(Arrow([(WIDTH / 2, 8 + row * STEP - 20), (WIDTH / 2, 8 + row * STEP)]))
    svg = picture("Layers of a call", parts, width=WIDTH + 20, height=len(LAYERS) * STEP + 4)
    Path(__file__).parents[1].joinpath("_static", "layers.svg").write_text(svg, encoding="utf-8")


if __name__ == "__main__":
    main()
