"""Scenarios that fresh processes find by their place, as those of users."""

from __future__ import annotations

import itertools
import math
import os
import random
import signal
import subprocess
import sys
from collections.abc import AsyncGenerator, Awaitable, Callable, Iterator

import anyio

from aembed import bench
from aembed.bench.scenario import Case

kept: list[bytes] = []
calls = itertools.count()


@bench.scenario(batch=[1, 10, 40])
async def documents(case: Case) -> AsyncGenerator[bench.Subject]:
    from aembed import EmbedderFactory  # other scenarios run in fresh processes, which then need not import it

    async with EmbedderFactory() as factory:
        embedder = await factory.new_embedder("mock")
        yield bench.documents(embedder, ["a text"] * case.batch)


@bench.scenario(turns=[1, 10, 40])
async def turns(case: Case) -> None:
    for _ in range(case.turns):
        await anyio.lowlevel.checkpoint()


@bench.scenario
async def yields_to_the_loop() -> None:
    await anyio.lowlevel.checkpoint()


@bench.scenario
async def leaks(_case: Case) -> None:
    sys.stdout.write("what a subject prints does not disturb the answer\n")
    kept.append(bytes(100))


@bench.scenario
async def fills(_case: Case) -> None:
    """A pool of three hundred objects, ever fewer of which are new."""
    if len(kept) < 300 * (1 - math.exp(-next(calls) / 800)):
        kept.append(bytes(100))


@bench.scenario
async def asks_for_new_names(_case: Case) -> None:
    """Python's cache of attributes keeps some of them."""
    number = next(calls)
    getattr(kept, f"{number:0{8 + number % 80}}", None)


@bench.scenario
async def fails(_case: Case) -> None:
    raise ConnectionError("no such luck")


@bench.scenario
async def dies(_case: Case) -> None:
    sys.stderr.write("out of memory\n")
    sys.stderr.flush()
    os._exit(9)


@bench.scenario
async def is_wrong(_case: Case) -> AsyncGenerator[bench.Subject]:
    yield bench.Subject(nothing, lambda result: f"{result!r} is not a vector")


async def nothing() -> None:
    pass


@bench.scenario(word=["a", "b", "c"])
async def words(case: Case) -> AsyncGenerator[Callable[[], Awaitable[None]]]:
    assert case.word
    yield nothing


@bench.scenario
async def never() -> None:
    await anyio.sleep_forever()


@bench.scenario(place=[""])
async def roles(case: Case) -> AsyncGenerator[Callable[[], Awaitable[None]]]:
    """The first process to come to the directory ``place`` is stopped at its first request, the second one dies."""
    role = next(role for role in ("stops", "dies", "works") if claimed(os.path.join(case.place, role)))

    async def call() -> None:
        if role == "stops":
            os.kill(os.getpid(), signal.SIGSTOP)
        elif role == "dies":
            await dies.function(case)

    yield call


@bench.scenario
async def pauses(_case: Case) -> AsyncGenerator[bench.Subject]:
    """The process that has request 10, the first of two, is stopped for 0.6 s, by a signal like that of a debugger."""

    async def call(number: int) -> None:
        if number == 10:
            stop_for_a_while()

    yield bench.Subject(call, requests=lambda _seed: itertools.count())


def stop_for_a_while() -> None:
    subprocess.Popen(["/bin/sh", "-c", f"sleep 0.6; kill -CONT {os.getpid()}"])
    os.kill(os.getpid(), signal.SIGSTOP)


@bench.scenario
async def in_parts(_case: Case) -> AsyncGenerator[bench.Subject]:
    """A third of the time is spent in the part "db"."""

    async def call(number: int) -> None:
        with bench.part("db"):
            await anyio.sleep(0.001 * number)
        await anyio.sleep(0.002 * number)

    yield bench.Subject(call, requests=lambda _seed: itertools.count(1))


def claimed(file: str) -> bool:
    """No other process had it before."""
    try:
        os.close(os.open(file, os.O_CREAT | os.O_EXCL))
    except FileExistsError:
        return False
    return True


@bench.scenario
async def cannot_be_set_up(_case: Case) -> AsyncGenerator[Callable[[], Awaitable[None]]]:
    if calls:
        raise ConnectionError("no such luck")
    yield nothing


@bench.scenario
async def varied(_case: Case) -> AsyncGenerator[bench.Subject]:
    """Each request takes as many milliseconds as its text is long; one of ten fails."""

    def texts(seed: int) -> Iterator[str]:
        dice = random.Random(seed)
        while True:
            yield "x" * dice.randint(1, 50)

    async def call(text: str) -> None:
        await anyio.sleep(len(text) / 1000)
        if len(text) % 10 == 3:
            raise ConnectionError

    yield bench.Subject(call, requests=texts)


@bench.scenario
async def ten_ms(_case: Case) -> None:
    await anyio.sleep(0.01)
