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


LOAD_A_FUNCTION = """
import asyncio
from aembed import bench
async def main():
    async def nothing():
        pass
    report = await bench.load(nothing, arrivals=bench.constant(rate=100), duration=0.1, drain=0.1)
    assert report.traffic.ok == 10
asyncio.run(main())
"""


@pytest.mark.parametrize("code", ["import aembed.bench", LOAD_A_FUNCTION], ids=["import", "run"])
def test_measuring_a_plain_function_loads_nothing_of_embedders(code: str) -> None:
    loaded = loaded_by(code)
    assert loaded & {"pydantic", "anyio"} == set()
    assert {name for name in loaded if name.startswith(("aembed._settings", "aembed._engine", "aembed._gate"))} == set()


def test_every_public_name_is_there_in_a_fresh_process() -> None:
    loaded = loaded_by("from aembed import *; import aembed; assert set(aembed.__all__) <= set(globals())")
    assert {"aembed._embedder", "aembed._factory"} <= loaded


def test_names_are_listed_before_their_first_use() -> None:
    assert "pydantic" not in loaded_by("import aembed; assert set(aembed.__all__) <= set(dir(aembed))")


def test_a_name_that_does_not_exist_loads_nothing() -> None:
    assert "pydantic" not in loaded_by("import aembed; assert not hasattr(aembed, 'Embeder')")
