"""Packages of the extras: measuring needs none of them, so each is looked for where it is first used."""

from __future__ import annotations

import importlib.util

from aembed import MissingExtraError


def need(package: str, extra: str, purpose: str) -> None:
    """Raises MissingExtraError where ``package`` is not installed, naming the extra that brings it."""
    try:
        found = importlib.util.find_spec(package)
    except ValueError:  # a module that was replaced by None, or by a stand-in without a spec
        found = None
    if found is None:
        raise MissingExtraError(f'{purpose} needs {package}, which is not installed: pip install "aembed[{extra}]"')
