"""Subjects made of an embedder. Every result is validated: shape, type, finite numbers, no zeros, order of the rows."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np

from aembed import Statistics
from aembed.bench.call_parts import CallParts
from aembed.bench.corpus import Corpus
from aembed.bench.model.work import Work
from aembed.bench.subject import Subject, Validate
from aembed.bench.workload import Sizes, Workload

if TYPE_CHECKING:
    from aembed import Embedder

MIN_COSINE = 0.99
"""Cosine between the vectors of a text in two calls, at least."""
CHARACTERS_PER_TOKEN = 4
"""Characters of English per token, for a provider that counts no tokens."""


def documents(
    embedder: Embedder, texts: Sequence[str] | Corpus, *, size: int | str = 1, price: float | None = None
) -> Subject:
    """``embed_documents`` of these texts, the same in every call; or of ``size`` new ones of a corpus in each call.

    ``size`` is a number or a range such as "1..32". ``price`` is in US dollars per million tokens; without it, the
    model's own is taken where it is known.
    """
    watch = partial(embedder.add_listener, CallParts())
    if isinstance(texts, Corpus):
        workload, dim = Workload(texts, Sizes.of(size)), embedder.spec.dim
        meter = Meter(embedder, price, workload=workload)
        return Subject(
            embedder.embed_documents, vectors((None, dim)), requests=workload.batches, meter=meter, watch=watch
        )
    chosen = list(texts)
    meter = Meter(embedder, price, fixed=chosen)
    validate = vectors((len(chosen), embedder.spec.dim))
    return Subject(lambda: embedder.embed_documents(chosen), validate, meter=meter, watch=watch)


def query(embedder: Embedder, text: str | Corpus, *, price: float | None = None) -> Subject:
    """``embed_query`` of this text, or of another text of a corpus in each call."""
    shape = (embedder.spec.dim,)
    watch = partial(embedder.add_listener, CallParts())
    if isinstance(text, Corpus):
        workload = Workload(text, Sizes(1, 1))
        meter = Meter(embedder, price, workload=workload)
        return Subject(
            embedder.embed_query, vectors(shape, same=False), requests=workload.single, meter=meter, watch=watch
        )
    meter = Meter(embedder, price, fixed=[text])
    return Subject(lambda: embedder.embed_query(text), vectors(shape), meter=meter, watch=watch)


class Meter:
    """The work of an embedder during a run, from its statistics."""

    def __init__(
        self, embedder: Embedder, price: float | None, *, workload: Workload | None = None, fixed: Sequence[str] = ()
    ) -> None:
        self._embedder = embedder
        self._price = embedder.spec.price if price is None else price
        self._workload = workload
        self._fixed = fixed
        self._before = embedder.statistics()

    def start(self) -> None:
        """Called when the run begins."""
        self._before = self._embedder.statistics()
        if self._workload is not None:
            self._workload.reset()

    def work(self, seconds: float) -> Work:
        """The work since the start, at rates over ``seconds``."""
        now, before, spec = self._embedder.statistics(), self._before, self._embedder.spec
        requests = _requests(now, before)
        texts = now.texts - before.texts + requests["cache_hits"] + requests["shared"]
        bytes_ = round(texts * self._bytes_per_text())
        reported = now.tokens - before.tokens
        tokens = reported or round(texts * self._characters_per_text() / CHARACTERS_PER_TOKEN)
        return Work(
            model=f"{spec.provider}:{spec.name}" + (f", {spec.dim} dimensions" if spec.dim else ""),
            source=self._source(),
            texts=texts,
            texts_rate=texts / seconds,
            tokens=tokens,
            tokens_rate=tokens / seconds,
            tokens_from="provider" if reported else "characters",
            bytes=bytes_,
            bytes_rate=bytes_ / seconds,
            repeated=None if self._workload is None else self._workload.repeated,
            lengths=None if self._workload is None else self._workload.lengths(),
            price=self._price,
            cost=None if self._price is None else tokens * self._price / 1e6,
            by_length=None,  # the rows of the run are not known here
            server=self._embedder.server,
            cached=now.cache_hits + now.cache_misses + now.cache_shared > 0,
            requests_per_minute=now.requests_per_minute,
            tokens_per_minute=now.tokens_per_minute,
            errors=_errors(now, before),
            **requests,
        )

    def _source(self) -> str:
        if self._workload is None:
            return "the same texts in every call"
        low, high = self._workload.sizes.low, self._workload.sizes.high
        per_call = f"{low} per call" if low == high else f"{low} to {high} per call"
        return f"{self._workload.corpus}, {per_call}"

    def _bytes_per_text(self) -> float:
        if self._workload is not None:
            return self._workload.bytes / max(1, self._workload.texts)
        return sum(len(text.encode()) for text in self._fixed) / max(1, len(self._fixed))

    def _characters_per_text(self) -> float:
        if self._workload is not None:
            lengths = self._workload.lengths()
            return lengths.mean if lengths else 0.0
        return sum(map(len, self._fixed)) / max(1, len(self._fixed))


def _requests(now: Statistics, before: Statistics) -> dict[str, int]:
    """Counts of requests and of texts that were not sent."""
    return {
        "sent": now.requests - before.requests,
        "retries": now.retries - before.retries,
        "cache_hits": now.cache_hits - before.cache_hits,
        "shared": now.cache_shared - before.cache_shared,
        "merged": now.merged_calls - before.merged_calls,
    }


def _errors(now: Statistics, before: Statistics) -> dict[str, int]:
    """Attempts that failed, by kind, the most frequent first."""
    more = {kind: count - before.errors.get(kind, 0) for kind, count in now.errors.items()}
    return {kind: more[kind] for kind in sorted(more, key=more.__getitem__, reverse=True) if more[kind]}


def vectors(shape: tuple[int | None, ...], *, same: bool = True) -> Validate:
    """Rejects everything but float32 vectors of this shape (``None``: any number).

    With ``same``, and a known number of rows, they must also be those of the first result.
    """
    first: list[Any] = []
    compare = same and shape[:1] != (None,)

    def validate(result: Any) -> str | None:
        if not isinstance(result, np.ndarray) or result.dtype != np.float32:
            return f"not float32 vectors, but {getattr(result, 'dtype', type(result).__name__)}"
        if len(result.shape) != len(shape) or any(b not in {None, a} for a, b in zip(result.shape, shape, strict=True)):
            return f"shape {result.shape}, not {tuple('any' if n is None else n for n in shape)}"
        squares = np.einsum("...d,...d->...", result, result)
        if not np.isfinite(squares).all():
            return "numbers that are not finite"
        if not (squares > 0).all():
            return "a vector of zeros"
        if not compare:
            return None
        if not first:
            first.extend((result.copy(), squares))
        alike = np.einsum("...d,...d->...", result, first[0]) / np.sqrt(squares * first[1])
        return None if (alike > MIN_COSINE).all() else "rows that differ from those of the first result"

    return validate
