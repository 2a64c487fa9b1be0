"""Packages of an extra, imported where they are first needed; an error names the command that installs them."""

from __future__ import annotations

import importlib
import importlib.util
from pathlib import Path
from typing import Any

from aembed._errors import MissingExtraError


def load_package(name: str, *, extra: str) -> Any:
    """Import a package of ``aembed[extra]``, or raise :class:`MissingExtraError`."""
    try:
        return importlib.import_module(name)
    except ImportError as error:
        raise MissingExtraError(_message(name, extra)) from error


def package_directory(name: str, *, extra: str) -> Path:
    """Directory of an installed package, which is not imported, or raise :class:`MissingExtraError`."""
    spec = importlib.util.find_spec(name)
    if spec is None or spec.origin is None:
        raise MissingExtraError(_message(name, extra))
    return Path(spec.origin).parent


def _message(name: str, extra: str) -> str:
    return f'this model needs the package {name!r}, which is not installed: pip install "aembed[{extra}]"'
