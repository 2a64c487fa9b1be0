"""Loops, leaks and effort: what every test runs under."""

from __future__ import annotations

import gc
import inspect
import os
import random
from collections.abc import AsyncGenerator, Iterable
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

from aembed import Config, EmbedderFactory
from aembed.testing import VirtualTimeLoop
from tests.leaks import nothing_left_behind
from tests.loops import LoopFactory, debugging, matrix
from tests.real_time import ban_sleep
from tests.time_limit import TimeLimit

TIME_LIMIT_S = 600
"""Seconds per test, many times the slowest on a busy machine."""

OF_VENDORS = (
    "AEMBED_",
    "AZURE_",
    "DASHSCOPE_",
    "DEEPINFRA_",
    "FIREWORKS_",
    "HF_TOKEN",
    "HUGGING_FACE_HUB_TOKEN",
    "NEBIUS_",
    "OPENROUTER_",
    "SCW_",
    "SILICONFLOW_",
    "TOGETHER_",
    "CO_",
    "COHERE_",
    "GEMINI_",
    "GOOGLE_",
    "JINA_",
    "MISTRAL_",
    "OLLAMA_",
    "OPENAI_",
    "VOYAGE_",
)

SLOW = [HealthCheck.too_slow]  # other programs may have the processor
settings.register_profile("tests", max_examples=60, deadline=None, derandomize=True, suppress_health_check=SLOW)
settings.register_profile("property", max_examples=3000, deadline=None, suppress_health_check=SLOW, print_blob=True)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "tests"))


def pytest_asyncio_loop_factories(item: pytest.Item) -> dict[str, LoopFactory]:
    """Behaviour runs on every loop; timing only where time is exact; the loop of a child process on one of ours."""
    if item.get_closest_marker("virtual_time"):
        return {"virtual": VirtualTimeLoop}
    return {"asyncio": debugging} if item.get_closest_marker("one_loop") else matrix()


def pytest_configure(config: pytest.Config) -> None:
    ban_sleep()
    config.pluginmanager.register(TimeLimit(config, TIME_LIMIT_S))


def pytest_collection_modifyitems(items: Iterable[pytest.Item]) -> None:
    for item in items:
        if isinstance(item, pytest.Function) and inspect.iscoroutinefunction(inspect.unwrap(item.obj)):
            item.fixturenames.append("_no_leaks")
    gc.collect()
    gc.freeze()  # what stands now stays: collecting after every test then costs next to nothing


@pytest.fixture(autouse=True, scope="module")
def _what_stands_is_not_collected() -> None:
    """The heap grows with every module that is imported, and each test looks for garbage once or more."""
    gc.collect()
    gc.freeze()


@pytest.fixture
async def _no_leaks() -> AsyncGenerator[None]:
    with nothing_left_behind():
        yield


@pytest.fixture(autouse=True)
def _no_configuration(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """No test reads the settings of the user who runs it."""
    for name in os.environ:
        if name.upper().startswith(OF_VENDORS):
            monkeypatch.delenv(name)
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "data"))  # where trusted files are remembered
    monkeypatch.chdir(tmp_path)


@pytest.fixture(autouse=True)
def _no_wait_for_the_disk(monkeypatch: pytest.MonkeyPatch) -> None:
    """What a process has written outlives it without that; a job waits in vain a hundred times. Programs do wait."""
    monkeypatch.setattr(os, "fsync", lambda descriptor: None)


@pytest.fixture(autouse=True)
def _same_delays_every_time() -> None:
    """Delays between attempts are drawn: a test that fails for one of them fails in every run."""
    random.seed(0)


@pytest.fixture
async def factory(_no_leaks: None) -> AsyncGenerator[EmbedderFactory]:
    """Closed before leaks are looked for."""
    async with EmbedderFactory(Config()) as factory:
        yield factory
