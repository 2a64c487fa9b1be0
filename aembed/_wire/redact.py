"""A server's own words, without any piece of a text or of a key in them."""

from __future__ import annotations

import re
from collections.abc import Iterable

MOST = 300
"""Characters of a message that are quoted."""
MARGIN = 64
"""Looked at beyond those, so that no piece is left because the end of it was cut off."""

GAP = "[...]"

_STARRED = re.compile(r"\S*\*{3,}\S*")
"""A key that the server has masked itself: it still shows how the key begins and ends."""


def redact(words: str, texts: Iterable[str], secrets: Iterable[str]) -> str:
    """The beginning of ``words``; what comes behind a longer piece of a text or secret is left out with it."""
    words = _STARRED.sub(GAP, " ".join(words.split())[: MOST + MARGIN])
    for secret in secrets:
        words = _without(words, secret, least=4, window=8, step=1)
    for text in texts:
        words = _without(words, text, least=3, window=16, step=8)
    return words[:MOST]


def _without(words: str, private: str, *, least: int, window: int, step: int) -> str:
    if not private.isprintable() or "  " in private:
        private = " ".join(private.split())
    if private in words and len(private) >= least:
        # a short one is no word of its own within a longer one
        pattern = re.escape(private) if len(private) >= window else rf"(?<!\w){re.escape(private)}(?!\w)"
        words = re.sub(pattern, GAP, words)
    if len(private) > window:
        for i in range(0, len(words) - window + 1, step):
            if words[i : i + window] in private:  # it begins up to a step before
                return words[: max(0, i - step + 1)] + GAP
    return words
