"""One test request to each model of a factory, open or configured."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping
from contextlib import AsyncExitStack

import anyio

from aembed._embedder import Embedder
from aembed._engine.timeout import Stopwatch
from aembed._errors import AembedError
from aembed._factory.embedders import OpenEmbedders
from aembed._groups import first_error
from aembed._opening import UnopenedEmbedder
from aembed._results import Health
from aembed._settings.config import Config


async def check_all(
    config: Config, embedders: OpenEmbedders, new_embedder: Callable[[str], UnopenedEmbedder], timeout: float | None
) -> Mapping[str, Health]:
    """The health of each, by name. Models that are not open are opened for the duration."""
    answers: dict[str, Health] = {}

    async def ask(name: str, embedder: Embedder) -> None:
        answers[name] = await embedder.check_health(timeout=timeout)

    async with AsyncExitStack() as stack:
        there = _open_ones(config, embedders)
        for name in sorted(_missing_ones(config, embedders)):
            watch = Stopwatch()
            # One after the other, and open until all have answered: two that contradict each other do so every time.
            try:
                there[name] = await stack.enter_async_context(new_embedder(name))
            except AembedError as error:
                answers[name] = Health(ok=False, latency=watch.elapsed(), error=error)
        with first_error():
            async with anyio.create_task_group() as tasks:
                for name, embedder in there.items():
                    tasks.start_soon(ask, name, embedder)
    return answers


def _open_ones(config: Config, embedders: OpenEmbedders) -> dict[str, Embedder]:
    """By the name of their profile, else that of their model; ``"name #2"`` for the second of a name."""
    there: dict[str, Embedder] = {}
    seen: Counter[str] = Counter()
    for embedder, opened in embedders.snapshot():
        model = f"{embedder.spec.provider}:{embedder.spec.name}"
        name = opened.name if opened.name and opened.name in config.profiles else model
        seen[name] += 1
        there[name if seen[name] == 1 else f"{name} #{seen[name]}"] = embedder
    return there


def _missing_ones(config: Config, embedders: OpenEmbedders) -> set[str]:
    """Profiles, and the default model if it was set, that are not open; without any, the default model."""
    names = set(config.profiles) | ({config.model} if "model" in config.model_fields_set else set())
    names -= _open_ones(config, embedders).keys() | {opened.name for _, opened in embedders.snapshot()}
    return names if names or embedders else {config.model}
