"""Merges layers of settings field by field: keyword over profile over configuration over default."""

from __future__ import annotations

from collections.abc import Mapping

from aembed._settings.base import Settings
from aembed._settings.values import as_bool

SettingsTable = Mapping[str, object]

GUARDS = {"public_only"}
"""An upper layer switches these on, and never off."""
KEYS = {"api_key", "api_key_file"}
"""A key takes the place of another, however that is given."""


def as_table(options: SettingsTable) -> dict[str, object]:
    """The keywords of a call, with nested settings as tables of the fields that were set."""
    return {name: value.table() if isinstance(value, Settings) else value for name, value in options.items()}


def merged(lower: SettingsTable, upper: SettingsTable) -> dict[str, object]:
    """Both, the upper field winning. Tables merge within; a plain ``True`` leaves the table it switches on."""
    both = {name: value for name, value in lower.items() if not (name in KEYS and KEYS & upper.keys())}
    return both | {name: _joined(name, lower.get(name), value) for name, value in upper.items()}


def _joined(name: str, below: object, value: object) -> object:
    if isinstance(below, Mapping):
        if isinstance(value, Mapping):
            return merged(below, value)
        return below if as_bool(value) is True else value
    return below if name in GUARDS and as_bool(below) is True else value
