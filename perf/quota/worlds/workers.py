"""Workers that share one queue."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable
from random import Random
from typing import TypeAlias

from perf.quota.worlds.world import Workers

Done: TypeAlias = Callable[[], None]


class WorkerPool:
    """A free worker takes the oldest request. One that is retired finishes its request."""

    def __init__(self, config: Workers, random: Random) -> None:
        self._config, self._random = config, random
        self._count = 0
        self._free: deque[int] = deque()
        self._busy: set[int] = set()
        self._waiting: deque[tuple[float, Done]] = deque()
        loop = asyncio.get_running_loop()
        for at, count in config.counts:
            if at <= 0:
                self._resize(count)
            else:
                loop.call_at(loop.time() + at, self._resize, count)

    @property
    def is_full(self) -> bool:
        most = self._config.most_waiting
        return most is not None and len(self._waiting) >= most

    def submit(self, work: float, done: Done) -> None:
        """``work`` is in seconds of a worker of speed 1, noise included."""
        self._waiting.append((work, done))
        self._start()

    def noise(self) -> float:
        return self._random.lognormvariate(0, self._config.spread) if self._config.spread else 1.0

    def _resize(self, count: int) -> None:
        self._free.extend(number for number in range(self._count, count) if number not in self._busy)
        self._count = count
        self._free = deque(number for number in self._free if number < count)
        self._start()

    def _start(self) -> None:
        while self._free and self._waiting:
            number = self._free.popleft()
            work, done = self._waiting.popleft()
            self._busy.add(number)
            seconds = work / self._config.speeds[number % len(self._config.speeds)]
            asyncio.get_running_loop().call_later(seconds, self._end, number, done)

    def _end(self, number: int, done: Done) -> None:
        self._busy.remove(number)
        if number < self._count:
            self._free.append(number)
        done()
        self._start()
