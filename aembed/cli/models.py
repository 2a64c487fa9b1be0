"""``aembed models`` and ``aembed download``: models that run in this process, and their files."""

from __future__ import annotations

import sys
from collections.abc import Mapping

from rich.console import Console
from rich.table import Table
from rich.text import Text

from aembed.cli.errors import say
from aembed.providers.hub import download_model
from aembed.providers.known_models import KNOWN_MODELS, KnownModel

_COLUMNS = ("model", "dimension", "languages", "tokens", "MB", "pooling", "checked")
_CHECKED = {"vectors": "vectors compared", "rules": "rules only"}
_NOTE = (
    "checked: 'vectors compared' with another implementation; 'rules only': pooling, length and prompts are read "
    "correctly from the model's configuration as published, but its vectors were not compared."
)


def print_models() -> None:
    """A table on a terminal; lines with tabs in a pipe."""
    rows = [_cells(model) for model in KNOWN_MODELS]
    if not sys.stdout.isatty():
        say("\n".join("\t".join(row) for row in rows))
        return
    table = Table(*_COLUMNS)
    for row in rows:
        table.add_row(*map(Text, row))
    console = Console()
    console.print(table)
    console.print(_NOTE, style="dim")


def _cells(model: KnownModel) -> tuple[str, ...]:
    length = f"{model.max_tokens:,}" if model.max_tokens else "no limit"
    checked = _CHECKED[model.checked]
    return model.model, str(model.dim), model.languages, length, str(model.megabytes), model.pooling, checked


async def download(model: str, options: Mapping[str, object] | None) -> str:
    """Download a model; the sentence that reports it."""
    done = await download_model(model, provider_options=options)
    return f"{done.model}: {done.size / 1e6:,.1f} MB at revision {done.revision}, in {done.directory}"
