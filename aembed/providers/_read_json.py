"""A model's configuration file, which may be absent."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from aembed._errors import ConfigError

if TYPE_CHECKING:
    from pathlib import Path


def read_json(path: Path, *, default: Any) -> Any:
    """What the file holds, or ``default`` if there is none; :class:`ConfigError` if it is not JSON."""
    if not path.is_file():
        return default
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError) as error:
        raise ConfigError(f"{path} is not JSON: {error}") from error
