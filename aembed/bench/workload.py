"""The texts of a run as requests: how many in each, and a count of all that was drawn."""

from __future__ import annotations

import random
import re
from array import array
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from aembed import InputError
from aembed.bench.corpus import Corpus
from aembed.bench.model.work import Lengths
from aembed.bench.stats.sample import rank_of

MOST_REMEMBERED = 2_000_000
"""Texts whose repetition is noticed: 64 bytes each."""


@dataclass(frozen=True, slots=True)
class Sizes:
    """Texts in each request, from ``low`` to ``high``, all equally likely."""

    low: int
    high: int

    @classmethod
    def of(cls, written: int | str) -> Sizes:
        """``20`` or ``1..32``; InputError for anything else."""
        match = re.fullmatch(r"\s*(\d+)\s*(?:\.\.\s*(\d+)\s*)?", str(written))
        found = cls(int(match[1]), int(match[2] or match[1])) if match else cls(0, 0)
        if not 1 <= found.low <= found.high:
            raise InputError(f"documents={written!r} is not a number of texts; write 20 or 1..32")
        return found


class Workload:
    """Requests of some texts each, and those drawn so far."""

    def __init__(self, corpus: Corpus, sizes: Sizes) -> None:
        self.corpus = corpus
        self.sizes = sizes
        self.reset()

    def reset(self) -> None:
        """Start counting anew."""
        self.texts = self.bytes = self.repeated = 0
        self._lengths = array("L")
        self._seen: set[int] = set()

    def single(self, seed: int) -> Iterator[str]:
        """One text for each request."""
        for text in self.corpus.texts(seed):
            self._count(text)
            yield text

    def batches(self, seed: int) -> Iterator[list[str]]:
        """A list of texts for each request."""
        dice, texts = random.Random(seed), self.single(seed)  # noqa: S311 - a workload is no secret
        low, high = self.sizes.low, self.sizes.high
        while True:
            size = low if low == high else dice.randint(low, high)
            yield [next(texts) for _ in range(size)]

    def lengths(self) -> Lengths | None:
        """The lengths of the texts drawn, in characters; ``None`` before the first."""
        ordered = np.sort(np.frombuffer(self._lengths, dtype=np.uint64)) if self.texts else None
        if ordered is None:
            return None
        p50, p95 = (int(ordered[rank_of(q, len(ordered)) - 1]) for q in (0.5, 0.95))
        return Lengths(mean=float(ordered.mean()), p50=p50, p95=p95, max=int(ordered[-1]))

    def _count(self, text: str) -> None:
        self.texts += 1
        self._lengths.append(len(text))
        self.bytes += len(text) if text.isascii() else len(text.encode())
        key = hash(text)
        if key in self._seen:
            self.repeated += 1
        elif len(self._seen) < MOST_REMEMBERED:
            self._seen.add(key)
