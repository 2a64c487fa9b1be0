"""Ray Data: batches of a dataset embedded by actors, each with its share of the provider's quota.

dataset.map_batches(
    EmbedBatches,
    fn_constructor_kwargs={"model": "openai:text-embedding-3-small", "actors": 2},
    compute=ray.data.ActorPoolStrategy(size=2),
    batch_size=4096,
    batch_format="pyarrow",
)
"""

# pyright: reportMissingImports=false
from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any, cast

from aembed import ConfigError, EmbedderOptions, EmbedResult, InputError, Kind, Limits
from aembed.integrations.embedders import Embedders
from aembed.integrations.framework import imported

with imported("ray", extra="ray"):
    import pyarrow as pa
    import ray

__all__ = ["ActorStatistics", "EmbedBatches", "share_of_limits"]

_DIVIDED = ("requests_per_minute", "tokens_per_minute", "inputs_per_minute", "requests_per_day", "tokens_per_day")


class EmbedBatches:
    """A class for ``Dataset.map_batches`` that adds vectors to Arrow tables, many requests at once.

    Each actor opens the model at its first batch, on its own event loop; Ray gives an actor up to four batches at a
    time, which share connections and quota. Vectors are a column of fixed-size lists of float32. A row that cannot be
    embedded has no vector, and the reason in the column ``error``; a failure of the account ends the job.

    ``actors`` is the size of the pool: each actor gets that part of ``options["limits"]``. Ray pickles the arguments,
    so a key is rejected: set the provider's variable on the cluster, or ``options={"api_key_file": ...}``.
    """

    def __init__(
        self,
        model: str | None = None,
        *,
        text_column: str = "text",
        vector_column: str = "vector",
        error_column: str = "error",
        kind: Kind = "document",
        actors: int = 1,
        options: EmbedderOptions | None = None,
        statistics: ActorStatistics | None = None,
    ) -> None:
        """``statistics`` gets the counters of every actor after each batch.

        Raises:
            ConfigError: ``actors`` is below 1, or a key is among the options.
        """
        secret = sorted({"api_key", "headers"} & (options or {}).keys())
        if secret:
            raise ConfigError(
                f"{' and '.join(secret)} would be pickled: set the provider's variable on the cluster, or api_key_file"
            )
        self._embedders = Embedders(model, _of_one_actor(options or {}, actors))
        self._text_column = text_column
        self._new_columns = vector_column, error_column
        self._kind: Kind = kind
        self._statistics = statistics

    async def __call__(self, batch: Any) -> Any:
        """The table with two more columns. Rows keep their order.

        Raises:
            InputError: the text column is missing, or a new column exists already.
            ProviderError: no other request could succeed either, for example as the key is rejected.
        """
        table = batch if isinstance(batch, pa.Table) else pa.table(dict(batch))
        texts = self._texts(table)
        result = await self._embedders.embed(texts, self._kind, on_error="return")
        await self._report()
        vectors, errors = self._new_columns
        dim = result.vectors.shape[1] or await self._dimension()
        table = table.append_column(vectors, _as_arrow(result, len(texts), dim))
        reasons = [None if row not in result.failures else str(result.failures[row]) for row in range(len(texts))]
        return table.append_column(errors, pa.array(reasons, pa.string()))

    def _texts(self, table: Any) -> Sequence[Any]:
        names = table.column_names
        if self._text_column not in names:
            raise InputError(f"no column {self._text_column!r}; set text_column to one of {', '.join(names)}")
        for name in self._new_columns:
            if name in names:
                raise InputError(f"the rows have a column {name!r}; set vector_column or error_column to another name")
        return cast("list[Any]", table.column(self._text_column).to_pylist())

    async def _report(self) -> None:
        if self._statistics is not None:
            counters = asdict((await self._embedders.opened()).statistics())
            self._statistics.put(ray.get_runtime_context().get_actor_id(), counters)

    async def _dimension(self) -> int:
        spec = await self._embedders.spec()
        return spec.dim or 0


class ActorStatistics:
    """The latest counters of each actor of a pool. The driver makes one and hands it to :class:`EmbedBatches`."""

    def __init__(self) -> None:
        self._counters = ray.remote(num_cpus=0)(_Counters).remote()

    def put(self, actor: str, counters: dict[str, Any]) -> None:
        """Replace the counters of one actor; does not wait."""
        self._counters.put.remote(actor, counters)

    def get(self) -> dict[str, dict[str, Any]]:
        """Actor id -> fields of :class:`aembed.Statistics`."""
        return cast("dict[str, dict[str, Any]]", ray.get(self._counters.get.remote()))


class _Counters:
    """The actor behind :class:`ActorStatistics`."""

    def __init__(self) -> None:
        self._latest: dict[str, dict[str, Any]] = {}

    def put(self, actor: str, counters: dict[str, Any]) -> None:
        self._latest[actor] = counters

    def get(self) -> dict[str, dict[str, Any]]:
        return self._latest


def share_of_limits(limits: Limits | Mapping[str, Any], actors: int) -> Limits:
    """The limits of one of ``actors`` processes that share an account."""
    whole = limits if isinstance(limits, Limits) else Limits(**limits)
    parts: dict[str, Any] = {name: getattr(whole, name) for name in _DIVIDED if getattr(whole, name) is not None}
    parts = {name: limit / actors for name, limit in parts.items()}
    if whole.max_concurrency is not None:
        parts["max_concurrency"] = max(1, whole.max_concurrency // actors)
    return whole.model_copy(update=parts)


def _of_one_actor(options: EmbedderOptions, actors: int) -> EmbedderOptions:
    if actors < 1:
        raise ConfigError(f"actors={actors}: give the size of the pool of actors, 1 or more")
    limits = options.get("limits")
    return options if limits is None else {**options, "limits": share_of_limits(limits, actors)}


def _as_arrow(result: EmbedResult, rows: int, dim: int) -> Any:
    """The vectors without a copy; rows that failed are null."""
    if not result.vectors.shape[1]:
        return pa.nulls(rows, pa.list_(pa.float32(), dim))
    missing = [row in result.failures for row in range(rows)]
    mask = pa.array(missing, pa.bool_()) if any(missing) else None
    return pa.FixedSizeListArray.from_arrays(pa.array(result.vectors.reshape(-1)), dim, mask=mask)
