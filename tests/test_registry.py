"""Names and openers: registered, installed or built in; found at once, imported late."""

from __future__ import annotations

import json
import subprocess
import sys
import zipfile
from concurrent.futures import Future, ThreadPoolExecutor
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest

from aembed import Config, ConfigError, EmbedderFactory, Provider, Registry, Source
from aembed.testing import ScriptedProvider


async def open_scripted(source: Source) -> Provider:
    return ScriptedProvider(dim=source.dimensions or 8)


async def test_a_registered_opener_opens() -> None:
    registry = Registry()
    registry.register("mine", open_scripted)
    async with EmbedderFactory(Config(), registry=registry) as factory:
        assert (await (await factory.new_embedder("mine", dimensions=5)).embed_query("text")).shape == (5,)


async def test_an_opener_can_be_named_and_is_imported_on_first_use() -> None:
    registry = Registry()
    registry.register("mine", "tests.test_registry:open_scripted")
    async with EmbedderFactory(Config(), registry=registry) as factory:
        assert (await factory.new_embedder("mine")).spec.dim == 8


@pytest.mark.parametrize(
    ("opener", "is_loaded"),
    [
        (open_scripted, True),
        ("tests.test_registry:open_scripted", True),
        ("tests.no_such_module:open_scripted", False),
        (None, False),
    ],
)
def test_it_is_known_whether_an_opener_has_to_be_imported(opener: Any, *, is_loaded: bool) -> None:
    registry = Registry()
    if opener is not None:
        registry.register("mine", opener)
    assert registry.is_loaded("mine") == is_loaded


def test_a_name_is_taken_once_unless_replacing_is_meant() -> None:
    registry = Registry()
    registry.register("mine", open_scripted)
    with pytest.raises(ConfigError, match="'mine' is already registered; pass replace=True"):
        registry.register("mine", open_scripted)
    with pytest.raises(ConfigError, match="'mock' is already registered"):
        registry.register("mock", open_scripted)
    registry.register("mock", open_scripted, replace=True)
    assert registry.get("mock") is open_scripted


@pytest.mark.parametrize("name", ["", "a:b", " a", "a\n"])
def test_a_name_must_be_usable_before_a_colon(name: str) -> None:
    with pytest.raises(ConfigError, match="not usable in 'name:model'"):
        Registry().register(name, open_scripted)


@pytest.mark.parametrize("target", ["no_such_module:open", "tests.test_registry:no_such_opener", "tests.test_registry"])
def test_an_opener_that_cannot_be_imported_says_where_it_points(target: str) -> None:
    registry = Registry()
    registry.register("mine", target)
    with pytest.raises(ConfigError, match=f"'mine' points to '{target}', which cannot be imported"):
        registry.get("mine")


def test_registries_are_independent() -> None:
    one, two = Registry(), Registry()
    one.register("mine", open_scripted)
    assert "mine" in one.names()
    assert "mine" not in two.names()
    assert "mine" in repr(one)


def test_one_of_many_threads_gets_the_name() -> None:
    registry = Registry()

    def register(_: int) -> bool:
        try:
            registry.register("mine", open_scripted)
        except ConfigError:
            return False
        return True

    with ThreadPoolExecutor(16) as pool:
        assert sum(pool.map(register, range(200))) == 1


def test_registering_in_one_thread_while_listing_in_another() -> None:
    registry = Registry()
    with ThreadPoolExecutor(8) as pool:
        jobs: list[Future[Any]] = [pool.submit(registry.register, f"name{i}", open_scripted) for i in range(500)]
        jobs += [pool.submit(registry.names) for _ in range(500)]
        assert [job.exception() for job in jobs] == [None] * 1000
    assert len(set(registry.names()) & {f"name{i}" for i in range(500)}) == 500


THIRD_PARTY = """
import numpy as np
from aembed import ModelSpec, Reply

class Ones:
    spec = ModelSpec(name="ones", dim=3)
    async def embed(self, texts, /, *, kind):
        return Reply(np.ones((len(texts), 3), np.float32))
    async def aclose(self):
        pass

async def open_provider(source):
    return Ones()
"""

USE = """
import asyncio, json
from aembed import Config, EmbedderFactory

async def main():
    async with EmbedderFactory(Config()) as factory:
        embedder = await factory.new_embedder("ones")
        vector = await embedder.embed_query("text")
        print(json.dumps([list(factory.available_providers()), vector.tolist()]))

asyncio.run(main())
"""


@pytest.mark.skipif(find_spec("pip") is None, reason="needs pip to install a package")
def test_an_installed_package_brings_its_provider_along(tmp_path: Path) -> None:
    wheel = tmp_path / "aembed_ones-1.0-py3-none-any.whl"
    files = {
        "aembed_ones.py": THIRD_PARTY,
        "aembed_ones-1.0.dist-info/METADATA": "Metadata-Version: 2.1\nName: aembed-ones\nVersion: 1.0\n",
        "aembed_ones-1.0.dist-info/WHEEL": "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
        "aembed_ones-1.0.dist-info/entry_points.txt": "[aembed.providers]\nones = aembed_ones:open_provider\n",
        "aembed_ones-1.0.dist-info/RECORD": "",
    }
    with zipfile.ZipFile(wheel, "w") as archive:
        for name, content in files.items():
            archive.writestr(name, content)
    target = tmp_path / "installed"
    pip = [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--no-index", "--target", str(target)]
    subprocess.run([*pip, str(wheel)], check=True)
    done = subprocess.run(
        [sys.executable, "-c", f"import sys; sys.path.insert(0, {str(target)!r})\n{USE}"],
        check=True,
        capture_output=True,
        text=True,
        cwd=tmp_path,
    )
    names, vector = json.loads(done.stdout)
    assert "ones" in names
    assert vector == [1.0, 1.0, 1.0]
