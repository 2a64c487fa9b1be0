"""Time of a query by part: ``python -m perf.peers.parts``.

Queries, 64 in flight, through the whole embedder, with a clock around one part at a time. A part takes about twice as
long there as alone in a loop, because the others use the same caches; so it is measured in its place. Medians: a part
that another program interrupts is not the usual one. The clock's own time is taken off.
"""

from __future__ import annotations

import argparse
import os
import time
from collections.abc import Callable, Sequence
from statistics import median
from typing import Any
from unittest.mock import patch

from aembed import _embedder
from aembed._engine import engine, timeout
from aembed._engine.call import EmbedCall
from aembed._gate import Gate
from aembed._lifecycle import ActiveCalls
from aembed._wire import decoding, provider
from aembed._wire.answer_errors import AnswerErrors
from aembed._wire.connection import Connection
from aembed._wire.pool import Pool
from perf.peers.candidates import aembed_embedder
from perf.peers.child import run_in
from perf.peers.layers import QUERIES, block
from perf.peers.scenarios import QUERIES_IN_FLIGHT
from perf.peers.server import CLIENT_CORE, Server, pin, running, warm
from perf.peers.texts import sentences
from perf.rounds import table

PARTS: dict[str, Sequence[tuple[Any, str]]] = {
    "call counted in and out": [(ActiveCalls, "__enter__"), (ActiveCalls, "__exit__")],
    "text checked": [(_embedder, "check_text")],
    "call and its rows": [(EmbedCall, name) for name in ("__init__", "rows", "begin", "count", "place", "vectors")],
    "deadline": [(timeout.TimeoutScope, "__enter__"), (timeout.TimeoutScope, "__exit__")],
    "gate, reservation": [(Gate, "reservation")],
    "gate, entered": [(Gate, "try_enter")],
    "gate, left": [(Gate, "leave")],
    "connection taken and given back": [(Pool, "take"), (Pool, "give_back")],
    "request written to the socket": [(Connection, "_write")],
    "answer parsed": [(Connection, "feed")],
    "vector decoded": [(decoding, "decode")],
    "request id and quota headers": [(AnswerErrors, "id_of_success"), (provider, "quota_hints")],
    "reply checked": [(engine, "check_reply")],
}
"""Functions that do each part, and where they are looked up."""


class Clock:
    """Seconds of each call of a function."""

    def __init__(self) -> None:
        self.seconds: list[float] = []

    def around(self, function: Callable[..., Any]) -> Callable[..., Any]:
        now, note = time.perf_counter, self.seconds.append

        def timed(*args: Any, **kwargs: Any) -> Any:
            began = now()
            result = function(*args, **kwargs)
            note(now() - began)
            return result

        return timed


async def measure(server: Server, texts: Sequence[str], blocks: int) -> dict[str, float]:
    """Median microseconds of each part of a query, and of the processor for a whole one, undisturbed by clocks."""
    nothing = Clock()
    timed = nothing.around(int)
    for _ in range(QUERIES):
        timed()
    own = median(nothing.seconds)
    async with aembed_embedder.opened(server.base_url, QUERIES_IN_FLIGHT) as embedder:
        for _ in range(4):
            await block(embedder.embed_query, texts)
        found = {}
        for name, functions in PARTS.items():
            found[name] = sum([await _median(embedder.embed_query, texts, blocks, each) - own for each in functions])
        whole = [await block(embedder.embed_query, texts) / 1e6 for _ in range(4 * blocks)]
    found["all the rest"] = median(whole) - sum(found.values())
    found["a query"] = median(whole)
    return {name: seconds * 1e6 for name, seconds in found.items()}


async def _median(query: Any, texts: Sequence[str], blocks: int, where: tuple[Any, str]) -> float:
    clock, (owner, name) = Clock(), where
    with patch.object(owner, name, clock.around(getattr(owner, name))):
        for _ in range(blocks):
            await block(query, texts)
    return median(clock.seconds)


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m perf.peers.parts", description=__doc__)
    parser.add_argument("--blocks", type=int, default=10, help=f"of {QUERIES} queries, for each function")
    parser.add_argument("--loop", choices=["uvloop", "asyncio"], default="uvloop")
    options = parser.parse_args()
    texts = sentences(QUERIES, 1)
    with running() as server:
        warm(server, texts)
        pin(os.getpid(), CLIENT_CORE)
        found = run_in(options.loop, measure(server, texts, options.blocks))
    print(table([f"us of a query, {options.loop}", "median"], [[name, f"{us:.1f}"] for name, us in found.items()]))


if __name__ == "__main__":
    main()
