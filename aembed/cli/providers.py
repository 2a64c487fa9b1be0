"""Output of ``aembed providers``: each provider, a description, and its state on this machine."""

from __future__ import annotations

import inspect
import re
import sys
from dataclasses import dataclass

from rich.console import Console
from rich.table import Table
from rich.text import Text

from aembed import AembedError, Config, ConfigError, EmbedderFactory, MissingExtraError, Registry
from aembed.cli.errors import say
from aembed.http import HttpApi
from aembed.providers.known_models import ENGLISH, KNOWN_MODELS


@dataclass(frozen=True, slots=True)
class ProviderRow:
    name: str
    state: str
    about: str


async def look_at_providers() -> list[ProviderRow]:
    """Open each provider by its name alone, which shows missing packages."""
    registry = Registry()
    async with EmbedderFactory(Config(), registry=registry) as factory:
        return [ProviderRow(name, await _state(factory, name), _about(registry, name)) for name in registry.names()]


async def _state(factory: EmbedderFactory, name: str) -> str:
    try:
        embedder = await factory.new_embedder(name)
    except MissingExtraError as error:
        return str(error)
    except AembedError as error:
        return f"installed; {error}"
    dim, language = embedder.spec.dim, embedder.spec.language
    known = ["" if dim is None else f"{dim} dimensions", f"{language} only{_multilingual(name)}" if language else ""]
    return ", ".join(["ready", *filter(None, known)])


def _multilingual(provider: str) -> str:
    """The smallest model of the provider for other languages."""
    others = [each for each in KNOWN_MODELS if each.model.startswith(f"{provider}:") and each.languages != ENGLISH]
    if not others:
        return ""
    smallest = min(others, key=lambda each: each.megabytes)
    return f" (for {smallest.languages} languages: {smallest.model})"


def _about(registry: Registry, name: str) -> str:
    """Description of an HTTP API, else the first sentence of the module that opens the provider."""
    try:
        opener = registry.get(name)
    except ConfigError:
        return ""
    if isinstance(opener, HttpApi) and opener.about:
        return opener.about.replace("``", "")
    module = inspect.getmodule(opener)
    paragraph = " ".join((inspect.getdoc(module) or "").partition("\n\n")[0].split())
    sentence = re.split(r"(?<=\.) (?=[A-Z])", paragraph, maxsplit=1)[0]
    sentence = sentence.removeprefix(f"``{name}``: ").replace("``", "")
    return sentence[:1].upper() + sentence[1:]


def print_rows(rows: list[ProviderRow]) -> None:
    """A table on a terminal; lines with tabs in a pipe."""
    if not sys.stdout.isatty():
        say("\n".join(f"{row.name}\t{row.state}\t{row.about}" for row in rows))
        return
    table = Table("provider", "state", "description")
    for row in rows:
        table.add_row(*map(Text, (row.name, row.state, row.about)))
    Console().print(table)
