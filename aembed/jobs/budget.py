"""``max_cost``: the limit of a job's cost, enforced by estimates that usage corrects."""

from __future__ import annotations

from aembed import ConfigError, ModelSpec, estimate_tokens
from aembed.jobs.chunks import RowChunk
from aembed.jobs.errors import JobBudgetError
from aembed.jobs.ledger import Ledger


def check_budget(max_cost: float | None, spec: ModelSpec) -> None:
    """Reject a limit that cannot be enforced.

    Raises:
        ConfigError: it is not positive, or the model has no listed price.
    """
    if max_cost is None:
        return
    if not max_cost > 0:
        raise ConfigError(f"max_cost={max_cost}: give a positive number of US dollars")
    if spec.price is None:
        raise ConfigError(f"max_cost: the price of {spec.provider}:{spec.name} is not known; leave max_cost out")


class Budget:
    """Adds up the tokens of finished chunks, as reported, and of chunks in flight, as estimated."""

    def __init__(self, max_cost: float | None, spec: ModelSpec, ledger: Ledger) -> None:
        self._max_cost = max_cost
        self._spec = spec
        self._ledger = ledger
        self._reported_before = ledger.tokens or 0
        self._estimated = 0
        """Cost of all finished chunks of this run, in US dollars."""
        self._under_way = 0

    def begin(self, chunk: RowChunk) -> None:
        self._under_way += self._tokens(chunk)

    def end(self, chunk: RowChunk) -> None:
        tokens = self._tokens(chunk)
        self._under_way -= tokens
        self._estimated += tokens

    def allows(self, chunk: RowChunk) -> bool:
        """True if the limit allows the chunk, with all chunks in flight."""
        if self._max_cost is None:
            return True
        return self._cost(self._spent() + self._corrected(self._under_way + self._tokens(chunk))) <= self._max_cost

    def passed(self) -> JobBudgetError:
        """The error for a chunk that would exceed ``max_cost``."""
        spent = self._cost(self._spent())
        return JobBudgetError(f"the next request would pass max_cost=${self._max_cost:g} (${spent:,.4f} are spent)")

    def _tokens(self, chunk: RowChunk) -> int:
        return 0 if self._max_cost is None else sum(map(estimate_tokens, chunk.texts))

    def _spent(self) -> float:
        """Tokens of all runs; those of this run are estimated where the provider reports none."""
        reported = self._ledger.tokens
        return self._reported_before + self._estimated if reported is None else reported

    def _corrected(self, tokens: int) -> float:
        reported = self._ledger.tokens
        if reported is None or not self._estimated:
            return tokens
        return tokens * (reported - self._reported_before) / self._estimated

    def _cost(self, tokens: float) -> float:
        return self._spec.cost(tokens) or 0.0
