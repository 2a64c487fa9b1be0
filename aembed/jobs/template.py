"""A text made of several columns: ``"{title}\\n\\n{abstract}"``."""

from __future__ import annotations

from collections.abc import Mapping
from string import Formatter
from typing import Any

from aembed.jobs.errors import JobInputError
from aembed.jobs.json_values import json_text


class Template:
    """A pattern with names of columns in braces; ``{{`` and ``}}`` are braces.

    Raises:
        JobInputError: the pattern is not valid, or names no column.
    """

    def __init__(self, pattern: str) -> None:
        try:
            parts = list(Formatter().parse(pattern))
        except ValueError as error:
            raise JobInputError(f"text={pattern!r} is not a template: {error}; write a brace as {{{{ or }}}}") from None
        for _, name, spec, conversion in parts:
            if name == "" or spec or conversion:
                raise JobInputError(
                    f"text={pattern!r} is not a template; give names of columns alone, as in '{{title}}'"
                )
        self._parts = [(literal, name) for literal, name, _, _ in parts]
        self.names = tuple(dict.fromkeys(name for _, name in self._parts if name))
        if not self.names:
            raise JobInputError(f"text={pattern!r} names no column; put names in braces, as in '{{title}}'")

    def fill(self, fields: Mapping[str, Any]) -> str:
        """The text of a row. A missing field is empty; a value that is not a string is written as in JSON."""
        return "".join(
            literal if name is None else f"{literal}{_text(fields.get(name))}" for literal, name in self._parts
        )

    def is_empty(self, fields: Mapping[str, Any]) -> bool:
        """True if every field it names is missing or blank."""
        return not any(_text(fields.get(name)).strip() for name in self.names)


def _text(value: Any) -> str:
    if isinstance(value, str):
        return value
    return "" if value is None else json_text(value).strip('"')
