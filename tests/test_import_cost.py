"""``import aembed`` brings in nothing heavy. How long it takes is measured by ``python -m perf.imports``."""

from __future__ import annotations

import subprocess
import sys

import pytest

HEAVY = {
    "aembed.providers",
    "aembed.testing",
    "aiohttp",
    "aiometer",
    "httptools",
    "httpx",
    "msgspec",
    "onnxruntime",
    "pybase64",
    "pydantic_settings",
    "requests",
    "rich",
    "safetensors",
    "sqlite3",
    "tokenizers",
    "typer",
    "uvloop",
    "wordllama",
    "xxhash",
}

OPEN_MOCK = """
import asyncio
from aembed import Config, EmbedderFactory
async def main():
    async with EmbedderFactory(Config()) as factory:
        await (await factory.new_embedder("mock")).embed_query("text")
asyncio.run(main())
"""


def loaded_by(code: str) -> set[str]:
    command = [sys.executable, "-c", f"{code}\nimport sys; print(*sys.modules)"]
    return set(subprocess.run(command, check=True, capture_output=True, text=True).stdout.split())


def test_import_loads_no_provider_and_nothing_it_needs() -> None:
    assert loaded_by("import aembed") & HEAVY == set()


@pytest.mark.parametrize("wanted", ["aembed.providers.mock", "xxhash"])
def test_modules_are_loaded_when_their_provider_is_opened(wanted: str) -> None:
    assert wanted in loaded_by(OPEN_MOCK)


def test_one_provider_loads_no_other() -> None:
    others = HEAVY - {"aembed.providers", "xxhash"} | {"aembed.providers.local", "aembed.providers.static"}
    assert loaded_by(OPEN_MOCK) & others == set()
