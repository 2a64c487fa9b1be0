"""The contract between layers: a call goes down, and the layers report the fate of its texts back to it."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Coroutine, Sequence
from typing import Any, Protocol, TypeAlias

from aembed._engine.call_record import CallRecord
from aembed._errors import AembedError, ProviderError
from aembed._types import Batch, Kind, Reply, Vectors

Deliver: TypeAlias = Callable[[Batch], Awaitable[None]]
"""Brings one batch to its end."""


class StoppedMeanwhile(Exception):  # noqa: N818  # the call has its error
    """A batch waited, for admission or for its next attempt, until it was no longer worth sending."""


class Recipient(Protocol):
    """A call as the layers see it: texts to embed, and methods by which they report the fate of each batch.

    :class:`EmbedCall` collects the reports for one caller, :class:`SharedCall` passes them on to several calls.
    """

    on_sent: Callable[[], None] | None
    """Called whenever a request is sent, that is once it has been admitted."""

    record: CallRecord | None
    """Facts about the call for listeners; ``None`` while there are none."""

    @property
    def texts(self) -> Sequence[str]:
        """Distinct texts. Their positions are the indices that batches name in ``rows``."""
        ...

    @property
    def kind(self) -> Kind: ...

    @property
    def due(self) -> float:
        """Loop time at which its task is cancelled; infinite if it never is."""
        ...

    @property
    def is_probe(self) -> bool:
        """True for a call that tests whether the provider works: a failure is the answer, and is not retried."""
        ...

    @property
    def stopped(self) -> bool:
        """True once no further batch is worth sending."""
        ...

    @property
    def dim(self) -> int | None:
        """Dimension of the rows placed so far; ``None`` before the first, or where the call holds no rows."""
        ...

    def numbers(self, batch: Batch) -> tuple[int, ...]:
        """Numbers of the calls that wait for a text of the batch, as events name them."""
        ...

    def wants(self, batch: Batch) -> bool:
        """True if the batch is still worth sending."""
        ...

    def cancellable(self, deliver: Deliver) -> Deliver:
        """``deliver`` in a form that lets the call cancel single batches, where it may want to."""
        ...

    def rows(self, batch: Batch, dim: int | None) -> Vectors | None:
        """The batch's rows of the result, to decode into; ``None`` where that is not possible."""
        ...

    def count(self, requests: int, maybe_billed: int = 0) -> None:
        """Count requests sent for the call, and failed ones that the provider may bill."""
        ...

    def begin(self, batch: Batch) -> None:
        """Note that the batch is sent."""
        ...

    def attempt_failed(self, batch: Batch, error: ProviderError) -> None:
        """Note that a request failed; it may be retried."""
        ...

    def truncate(self, batch: Batch) -> None:
        """Note that the texts of the batch will be sent shortened."""
        ...

    def put_back(self, batch: Batch) -> None:
        """Count the batch as not attempted, since it was sent in vain."""
        ...

    def skip(self, batch: Batch) -> None:
        """Note that the batch will not be sent, or not again."""
        ...

    def place(self, batch: Batch, reply: Reply, vectors: Vectors, *, in_place: bool = False) -> None:
        """Place the rows of the batch. ``in_place``: they were decoded into those that ``rows`` gave."""
        ...

    def fail(self, batch: Batch, error: AembedError) -> None:
        """Note that the texts of the batch get no vector."""
        ...

    def stop(self, error: AembedError) -> None:
        """Stop the whole call with ``error``."""
        ...

    def first_due(self, batch: Batch) -> float:
        """The first deadline of the calls that wait for a text of the batch: until then they wait for admission."""
        ...

    def run_out(self, batch: Batch, until: float) -> bool:
        """End the calls of this batch whose deadline comes before ``until``, as no request can be sent earlier.

        Their requests in flight may still be answered. True if other calls wait for the batch.
        """
        ...


class Layer(Protocol):
    """A layer above the provider: cache layer, micro-batcher or engine."""

    def run(self, call: Recipient) -> Coroutine[Any, Any, None]:
        """Bring every text of ``call`` to its end, and report each row and each failure to ``call``."""
        ...
