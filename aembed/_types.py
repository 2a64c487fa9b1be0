"""The nouns every other room speaks in. No behaviour lives here.

They are frozen, but for the two that are made for every request: making a frozen one takes five times as long.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, fields
from typing import TYPE_CHECKING, Literal, Protocol, TypeAlias, runtime_checkable

import numpy as np
from numpy.typing import NDArray
from pydantic import SecretStr

if TYPE_CHECKING:
    from aembed._wire.transport import Transport

Vector: TypeAlias = NDArray[np.float32]
"""One embedding: float32, shape ``(dim,)``."""

Vectors: TypeAlias = NDArray[np.float32]
"""Embeddings in input order: float32, shape ``(n, dim)``, C-contiguous."""

Kind: TypeAlias = Literal["document", "query"]
"""The use of a text. Asymmetric models embed the two differently, and queries overtake documents."""

TOKENS_PER_PRICE = 1e6
"""Providers list prices for a million tokens."""

Overlong: TypeAlias = Literal["error", "truncate", "split"]
"""Treatment of a text beyond the model's length: reject it, keep its head, or average its pieces."""

OnError: TypeAlias = Literal["raise", "return"]


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelSpec:
    """A provider's facts about its model. ``None`` means unknown, or no limit.

    Only ``name`` is required. The caps are per request; ``max_text_tokens`` is per text.
    """

    name: str
    provider: str = "custom"
    revision: str | None = None
    """Commit or version, so that a cache keeps apart models of the same name."""
    dim: int | None = None
    max_batch_texts: int | None = None
    max_batch_tokens: int | None = None
    max_text_tokens: int | None = None
    max_concurrency: int = 16
    """Requests this provider takes at once, unless ``Limits`` names another number."""
    requests_per_minute: float | None = None
    """The account's quota, where the provider documents one for everybody; ``Limits`` and replies say otherwise."""
    tokens_per_minute: float | None = None
    inputs_per_minute: float | None = None
    """Texts a minute."""
    quota_unit: Literal["request", "input"] = "request"
    """Unit of the provider's quota of requests: requests, or each of their texts."""
    quota_scope: Literal["account", "model"] = "account"
    """Scope of a quota: all models of an account together, or each model separately."""
    adaptive: bool = False
    """True for a server that has no quota but only so much capacity: as many requests at once as it digests."""
    timeout: float | None = 30.0
    """Seconds one request may take, unless the embedder says otherwise. ``None`` for models inside this process."""
    price: float | None = None
    """US dollars for a million tokens, as the provider lists it."""
    language: str | None = None
    """The language that the model was trained on, where it is one: "English"."""
    pads: bool = False
    """True where a batch costs its longest text times its size, so that similar lengths belong together."""

    def cost(self, tokens: float | None) -> float | None:
        """US dollars for so many tokens; ``None`` where tokens or the price are not known."""
        return None if self.price is None or tokens is None else tokens * self.price / TOKENS_PER_PRICE


@dataclass(frozen=True, slots=True, kw_only=True)
class QuotaHints:
    """The account's quota as a reply reports it. ``None`` means not reported; resets are in seconds."""

    limit_requests: float | None = None
    remaining_requests: float | None = None
    reset_requests: float | None = None
    limit_tokens: float | None = None
    remaining_tokens: float | None = None
    reset_tokens: float | None = None


@dataclass(slots=True)
class Reply:
    """A provider's answer for one batch. The arrays become the caller's.

    ``vectors`` has one row per text, in the order of the texts. ``tokens`` is the usage the provider reports, ``None``
    where it reports none. ``truncated`` holds the positions of texts that were cut to the model's length.
    """

    vectors: Vectors
    tokens: int | None = None
    quota: QuotaHints | None = None
    truncated: Sequence[int] = ()
    request_id: str | None = None
    """The server's name for this answer, for the error if the vectors turn out to be of no use."""
    other_model: str | None = None
    """Name of the model that answered, where the server says that it was another than was asked for."""


@runtime_checkable
class Provider(Protocol):
    """The one open interface: write these three members and the rest of aembed works with your model.

    ``embed`` gets one batch within the caps of ``spec`` and answers one row per text, or raises a
    :class:`ProviderError`. It needs no retries, limits or timeouts, and it must be safe to cancel.
    """

    @property
    def spec(self) -> ModelSpec: ...

    async def embed(self, texts: Sequence[str], /, *, kind: Kind) -> Reply: ...

    async def aclose(self) -> None: ...


@dataclass(frozen=True, slots=True)
class TextSize:
    """The length of a text for a model."""

    tokens: int
    """Tokens, special tokens and prompt included."""
    unknown: int
    """Number of these tokens that mean "unknown word or character"."""
    pieces: Sequence[tuple[int, int]]
    """Character spans that cover the text; one that holds it all if the text fits the model."""
    exact: bool = True
    """False if the numbers are estimates from the text's length."""


@runtime_checkable
class MeasuresTexts(Protocol):
    """A provider that has its model's tokenizer in this process."""

    def measure(self, texts: Sequence[str], /) -> list[TextSize]:
        """The length of each text as a document. Blocks; safe to call from any thread."""
        ...


@runtime_checkable
class WritesRows(Protocol):
    """A provider that can save a copy: it decodes straight into the rows of the result."""

    async def embed_into(self, rows: Vectors | None, texts: Sequence[str], /, *, kind: Kind) -> Reply:
        """Like ``embed``; with ``rows`` given, of the right shape, they are filled and are ``Reply.vectors``."""
        ...


@runtime_checkable
class Store(Protocol):
    """Keeps vectors by key across calls. ``cache=`` takes one, a path, or ``True``.

    A key is 32 bytes, a digest of a text and everything that decides its vector, so that a key never gets another
    vector. Every method may be called from any task of one loop, and be cancelled. A method that raises costs a miss,
    or that nothing is kept; never a call.
    """

    async def get_many(self, keys: Sequence[bytes], dim: int | None) -> tuple[NDArray[np.intp], Vectors]:
        """The known rows: their positions in ``keys``, ascending, and the rows, shape ``(k, dim)``.

        Entries that are missing, corrupt, or of another dimension than ``dim`` are not among them. With ``None`` the
        first entry found decides. The rows are the caller's own: changing them changes nothing that is kept.
        """
        ...

    async def put_many(self, keys: Sequence[bytes], vectors: Vectors) -> None:
        """Keep ``vectors[i]`` under ``keys[i]``. The array belongs to the caller, who may change it afterwards."""
        ...

    async def aclose(self) -> None:
        """Free what the store holds. Closing twice is fine."""
        ...


class KeySource(Protocol):
    """A key that changes: where one comes from before each request, and when the server rejects it."""

    async def get(self) -> SecretStr:
        """The key to send."""
        ...

    async def renewed(self, rejected: SecretStr) -> SecretStr:
        """Another key than this one, or the same if there is no other."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Source:
    """Origin of a provider: the argument of an opener when an embedder is made from ``"provider:model"``."""

    provider: str
    model: str | None = None
    base_url: str | None = None
    api_key: SecretStr | None = None
    keys: KeySource | None = field(default=None, repr=False, compare=False)
    """Source of ``api_key``, if it may change; ``None`` for a fixed one."""
    headers: Mapping[str, str] = field(default_factory=dict[str, str], repr=False)
    dimensions: int | None = None
    batch_size: int | None = None
    overlong: Overlong = "error"
    strict: bool = False
    options: Mapping[str, object] = field(default_factory=dict[str, object])
    """``provider_options``: options of this provider alone. The provider validates them."""
    download: bool = field(default=True, compare=False)
    """False if the model may only be opened where it is on this disk, as an untrusted file names it."""
    open_transport: Callable[[], Transport] | None = field(default=None, repr=False, compare=False)
    """Gives the HTTP transport of the account; made on first use, and closed by the factory."""

    def __getstate__(self) -> list[object]:
        """Pickle all fields. TypeError if there is a key or headers: bytes may be stored anywhere."""
        if self.api_key is not None or self.headers:
            raise TypeError("Source holds a key or headers and cannot be pickled; let the other process read them")
        return [getattr(self, each.name) for each in fields(self)]


@dataclass(slots=True)
class Batch:
    """One request to be: the texts, and the rows of the result they belong to."""

    texts: Sequence[str]
    rows: slice | NDArray[np.intp]

    def __len__(self) -> int:
        return len(self.texts)
