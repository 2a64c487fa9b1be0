"""Results of calls: everything one call produced, a piece of a stream, the health of a model."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any, Generic

from aembed._types import Vectors

if TYPE_CHECKING:
    from typing_extensions import TypeVar

    from aembed._errors import AembedError

    ItemT = TypeVar("ItemT", default=str)
else:
    from typing import TypeVar

    ItemT = TypeVar("ItemT")


@dataclass(frozen=True, slots=True, kw_only=True)
class Usage:
    """The cost of a call. ``tokens`` is ``None`` if any reply came without a count."""

    requests: int
    tokens: int | None
    cost: float | None = None
    """US dollars, where tokens and the model's price are known."""
    maybe_billed: int = 0
    """Requests that failed after they had been sent: the provider may want to be paid for them all the same."""


@dataclass(frozen=True, slots=True, kw_only=True)
class EmbedResult:
    """Everything one call produced. Every input is exactly one of: a row of ``vectors``, failed, or not attempted.

    ``vectors`` is float32, shape ``(n, dim)``; rows of texts that have no vector hold NaN. ``elapsed`` is in seconds.
    """

    vectors: Vectors
    failures: Mapping[int, AembedError]
    """Index of the text -> why it has no vector."""
    not_attempted: tuple[int, ...]
    """Texts that were never sent, because the call had stopped before their turn."""
    truncated: tuple[int, ...]
    """Texts that were cut to the model's length (only with ``overlong="truncate"``)."""
    usage: Usage
    elapsed: float

    @property
    def ok(self) -> bool:
        """True when every text has its vector."""
        return not self.failures and not self.not_attempted

    def to_dict(self) -> dict[str, Any]:
        """Everything in it as plain Python objects, ready for JSON.

        A row without a vector is ``None``. A failure is ``{"index", "error", "message"}``; no text is part of it.
        """
        without = {*self.failures, *self.not_attempted}
        return {
            "ok": self.ok,
            "vectors": [None if row in without else vector for row, vector in enumerate(self.vectors.tolist())],
            "failures": [
                {"index": row, "error": type(error).__name__, "message": str(error)}
                for row, error in self.failures.items()
            ],
            "not_attempted": list(self.not_attempted),
            "truncated": list(self.truncated),
            "usage": asdict(self.usage),
            "elapsed": self.elapsed,
        }


@dataclass(frozen=True, slots=True)
class Chunk(Generic[ItemT]):
    """A piece of a stream: ``items[i]`` is input number ``start + i``, ``texts[i]`` its text, ``vectors[i]`` its row.

    ``vectors`` is float32, shape ``(len(items), dim)``; rows of texts that have no vector hold NaN.
    """

    start: int
    items: Sequence[ItemT]
    """The input as it came; without ``text=`` these are the texts."""
    texts: Sequence[str]
    vectors: Vectors
    failures: Mapping[int, AembedError] = field(default_factory=dict["int", "AembedError"])
    """Position in this chunk -> why the text has no vector (only with ``on_error="return"``)."""

    def __len__(self) -> int:
        return len(self.items)


@dataclass(frozen=True, slots=True, kw_only=True)
class Health:
    """The answer to one real, tiny request. ``latency`` is in seconds; ``error`` is the failure, if there is one."""

    ok: bool
    latency: float
    error: AembedError | None = None
