"""Output whose encoding lacks a character: a likeness of it, or its number, and never an exception."""

from __future__ import annotations

import codecs
import io
import sys
import unicodedata

LIKENESS = "aembed.likeness"
"""Name of the error handler."""
ALIKE = {"\N{MICRO SIGN}": "u", "\N{BULLET}": "*", "\N{EM DASH}": "-", "\N{EN DASH}": "-"}
ALIKE |= dict(zip("▁▂▃▄▅▆▇█", "_.,-=+*#", strict=True))
SPINNER = range(0x2800, 0x2900)
"""Braille patterns, of which spinners are made."""


def _likeness(error: UnicodeError) -> tuple[str | bytes, int]:
    if not isinstance(error, UnicodeEncodeError):
        raise error
    missing = error.object[error.start : error.end]
    return "".join(_alike(character) for character in missing), error.end


def _alike(character: str) -> str:
    """The character in ASCII, which every encoding contains."""
    if ord(character) in SPINNER:
        return "*"
    plain = ALIKE.get(character) or unicodedata.normalize("NFKD", character).encode("ascii", "ignore").decode()
    return plain or character.encode("ascii", "backslashreplace").decode()


codecs.register_error(LIKENESS, _likeness)


def print_anything() -> None:
    """Let standard output and standard error print any character."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors=LIKENESS)
