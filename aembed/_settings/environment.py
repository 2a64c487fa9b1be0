"""The variables of the environment that are aembed's own: ``AEMBED_`` and the name of a field.

Two underscores lead into a table: ``AEMBED_RETRY__MAX_ATTEMPTS``. A table or list may be given whole, as JSON. An empty
variable counts as unset. Unknown names are ignored, for they may be those that Kubernetes
creates for a service called ``aembed``; a near miss of a known name causes a warning.
"""

from __future__ import annotations

import json
import sys
import warnings
from collections.abc import Iterable, Mapping

from pydantic import BaseModel

from aembed._errors import ConfigError, closest
from aembed._settings.base import field_type, tables
from aembed._settings.layers import merged

PREFIX = "AEMBED_"
CONFIG = "AEMBED_CONFIG"
"""Variable that names the file."""
MIN_SIMILARITY = 0.8
"""Similarity, 0 to 1, at which a name counts as a misspelling of a known one."""

Path = tuple[str, ...]


def read_variables(environ: Mapping[str, str], model: type[BaseModel]) -> tuple[dict[str, object], dict[Path, str]]:
    """The table that the variables set, and the variable of each path.

    Raises:
        ConfigError: a table that is not JSON.
    """
    table: dict[str, object] = {}
    variables: dict[Path, str] = {}
    near: dict[str, str] = {}
    for name in sorted(environ):
        if not name.upper().startswith(PREFIX) or name.upper() == CONFIG or not environ[name].strip():
            continue
        path = tuple(name[len(PREFIX) :].lower().split("__"))
        kind = _find(model, path, name, near)
        if kind is not None:
            variables[path] = name
            table = merged(table, _nested(path, _value(name, environ[name], kind)))
    if near:
        hints = [f"{name}, did you mean {known}?" for name, known in near.items()]
        warnings.warn(f"ignored variables of the environment: {' '.join(hints)}", stacklevel=_level_of_caller())
    return table, variables


def _level_of_caller() -> int:
    """Stack level of the line that loads the configuration. A worker thread does not know it, and names aembed."""
    caller = sys._getframe(3).f_globals.get("__name__", "")
    return 2 if caller.startswith(("anyio.", "asyncio.", "concurrent.")) else 3


def _find(model: type[BaseModel], path: Path, name: str, near: dict[str, str]) -> object:
    """The annotation of the field. ``None`` if there is none; a known name that is nearly it goes into ``near``."""
    kind: object = model
    for depth, part in enumerate(path):
        inner = field_type(kind, part)
        if inner is None:
            close = _in_table(kind, part) or closest(part, _names(kind, depth), cutoff=MIN_SIMILARITY)
            if close is not None:
                near[name] = PREFIX + "__".join([*path[:depth], close, *path[depth + 1 :]]).upper()
            return None
        kind = inner
    return kind


def _in_table(kind: object, part: str) -> str | None:
    """The field of a table that is meant where one of two underscores is missing, as in ``retry_max_attempts``."""
    for name in _names(kind, depth=1):
        field = part.removeprefix(f"{name}_")
        if field != part and any(field in table.model_fields for table in tables(field_type(kind, name))):
            return f"{name}__{field}"
    return None


def _names(kind: object, depth: int) -> Iterable[str]:
    known = [name for model in tables(kind) for name in model.model_fields]
    return known if depth else [*known, "config"]


def _value(name: str, text: str, kind: object) -> object:
    """A text, which the field's validation reads; where it begins like JSON and a table may be, what that says."""
    is_table = any(tables(kind)) or field_type(kind, "any") is not None
    if not (is_table and text.lstrip().startswith(("{", "["))):
        return text
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        raise ConfigError(f"{name}: not valid JSON; give a table as JSON, or one variable per field") from None


def _nested(path: Path, value: object) -> dict[str, object]:
    for name in reversed(path):
        value = {name: value}
    return value  # type: ignore[return-value]
