"""Candidates in turns. A machine's speed changes by a tenth to a half within seconds: it must change for all alike."""

from __future__ import annotations

import json
import os
import random
import subprocess
import sys
from collections.abc import Callable, Generator, Sequence
from contextlib import AbstractContextManager, ExitStack, contextmanager
from dataclasses import dataclass
from typing import TypeAlias

from perf.peers.clocks import Figures
from perf.peers.server import Server

TURNS = 8
"""Turns of each candidate in a round, for each scenario of queries."""
QUERIES, BULK = "ab", "c"

Results: TypeAlias = dict[str, dict[str, list[Figures]]]
"""Candidate -> scenario -> its measurements, turn by turn."""


@dataclass(frozen=True, slots=True)
class Peer:
    """A candidate in a process of its own, which measures only when it is asked to."""

    name: str
    process: subprocess.Popen[str]

    def measure(self, letter: str) -> Figures:
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        print(letter, file=self.process.stdin, flush=True)
        for line in self.process.stdout:
            if line.startswith("{"):  # a library may print something, too
                figures: Figures = json.loads(line)
                return figures
        raise SystemExit(f"{self.name} failed")


@dataclass(frozen=True, slots=True)
class Opener:
    """Starts candidates against one server."""

    server: Server
    seed: int
    scale: float
    interpreters: dict[str, str]
    """Those of candidates that need another one."""

    @contextmanager
    def opened(self, name: str, letters: str) -> Generator[Peer]:
        """A candidate that is ready for these scenarios, until the end of the block."""
        arguments = [name, self.server.base_url, str(self.server.pid), str(self.seed), str(self.scale), letters]
        with subprocess.Popen(
            [self.interpreters.get(name, sys.executable), "-m", "perf.peers.child", *arguments],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env={**os.environ, "LITELLM_LOCAL_MODEL_COST_MAP": "True"},
        ) as process:
            yield Peer(name, process)


def measure_round(
    names: Sequence[str], opened: Callable[[str, str], AbstractContextManager[Peer]], dice: random.Random, to: Results
) -> None:
    """Queries in turns, all candidates being open; then bulk one by one, as memory is measured in fresh processes."""
    with ExitStack() as stack:
        peers = [stack.enter_context(opened(name, QUERIES)) for name in names]
        for letter in QUERIES:
            for _ in range(TURNS):
                for peer in dice.sample(peers, len(peers)):
                    to[peer.name][letter].append(peer.measure(letter))
    for name in dice.sample(names, len(names)):
        with opened(name, BULK) as peer:
            to[name][BULK].append(peer.measure(BULK))
