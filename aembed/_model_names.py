"""Which ``provider:model`` was meant by a name that is none: used for the hint in an error alone."""

from __future__ import annotations

import difflib
import importlib
from collections.abc import Collection, Mapping
from functools import cache

CATALOGUES = ("openai", "cohere", "google", "jina", "mistral", "voyage")
"""Providers with a table of their models. A model of two is the first one's."""
NEAR = 0.85
"""How alike two names of models are, of 1, that one is taken for a slip in writing the other."""


def meant(model: str, providers: Collection[str]) -> str:
    """``"; did you mean 'openai:text-embedding-3-small'?"``, or "" where nothing is near."""
    for mark in (":", "/"):
        provider, found, name = model.partition(mark)
        if found and name and provider.lower() in providers:
            return _hint(f"{provider.lower()}:{name}")
    known = _catalogue()
    close = difflib.get_close_matches(model.rpartition("/")[2].lower(), known, n=1, cutoff=NEAR)
    if close:
        return _hint(f"{known[close[0]]}:{close[0]}")
    if model.count("/") == 1 and ":" not in model:  # as models of the Hugging Face hub are called
        return f"; did you mean 'tei:{model}', or 'openai:{model}', with the base_url of a server that runs it?"
    return ""


def _hint(name: str) -> str:
    return f"; did you mean {name!r}?"


@cache
def _catalogue() -> Mapping[str, str]:
    """Model -> provider."""
    models: dict[str, str] = {}
    for provider in reversed(CATALOGUES):
        table = importlib.import_module(f"aembed.providers.{provider}").MODELS
        models |= dict.fromkeys(table, provider)
    return models
