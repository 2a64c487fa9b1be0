"""A server's words, fit to show: printable, short, and without any piece of a text or of a key.

Every string of a server that reaches a message, an event or a field of an error passes through here: messages and codes
of errors, request ids, models, hosts of redirects, names of encodings, a proxy's reasons.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from urllib.parse import quote

MAX_MESSAGE_CHARS = 300
"""Characters of a message that an error quotes."""
SEARCH_MARGIN_CHARS = 64
"""Characters searched beyond those, so that a secret across the cut is found too."""

ELLIPSIS = "[...]"

_STARRED = re.compile(r"\S*\*{3,}\S*")
"""A key that the server has masked: it still shows the beginning and end of the key."""

_COMMAND = re.compile(r"(?<!\S)::(?=\S)|##(?=\[)")
"""Commands to a CI service, at the beginning of a line, which a terminal may make of any word, or anywhere:
https://docs.github.com/actions/reference/workflow-commands-for-github-actions."""


def redact(words: str, texts: Iterable[str], secrets: Iterable[str], most: int = MAX_MESSAGE_CHARS) -> str:
    """The beginning of ``words``. Everything after a longer piece of a text or secret is left out with it."""
    words = _STARRED.sub(ELLIPSIS, _printable(words[: 8 * (most + SEARCH_MARGIN_CHARS)])[: most + SEARCH_MARGIN_CHARS])
    for secret in secrets:
        for written in {secret, quote(secret, safe="")}:
            words = _without(words, written, least=4, window=8, step=1)
    for text in texts:
        words = _without(words, text, least=3, window=16, step=8)
    return _COMMAND.sub(lambda found: " ".join(found[0]), words)[:most]


def _printable(words: str) -> str:
    """``words`` on one line, without characters that control a terminal or the direction of writing."""
    words = " ".join(words.split())
    return words if words.isprintable() else "".join(letter if letter.isprintable() else "?" for letter in words)


def _without(words: str, private: str, *, least: int, window: int, step: int) -> str:
    """``words`` without ``private``, in either case, and without pieces of it of ``window`` characters or more."""
    if not private.isprintable() or "  " in private:
        private = _printable(private)
    private, folded = _fold(private), _fold(words)
    if private in folded and len(private) >= least:
        # a short secret inside a longer word is a coincidence
        pattern = re.escape(private) if len(private) >= window else rf"(?<!\w){re.escape(private)}(?!\w)"
        words = _cut_out(words, folded, pattern)
        folded = _fold(words)
    if len(private) > window:
        for i in range(0, len(words) - window + 1, step):
            if folded[i : i + window] in private:  # the piece begins up to ``step`` characters earlier
                return words[: max(0, i - step + 1)] + ELLIPSIS
    return words


def _cut_out(words: str, folded: str, pattern: str) -> str:
    kept, end = [], 0
    for found in re.finditer(pattern, folded):
        kept += [words[end : found.start()], ELLIPSIS]
        end = found.end()
    return "".join([*kept, words[end:]])


def _fold(words: str) -> str:
    """Lower case, with every letter in its place."""
    small = words.lower()
    return small if len(small) == len(words) else "".join(x.lower() if len(x.lower()) == 1 else x for x in words)
