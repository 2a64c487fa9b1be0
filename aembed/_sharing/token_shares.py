"""The cost of one request, shared out between the calls whose texts it carried."""

from __future__ import annotations

from collections.abc import Sequence


class TokenShares:
    """Shares in proportion to the length of the texts, which add up to ``tokens`` exactly."""

    def __init__(self, tokens: int | None, texts: Sequence[str]) -> None:
        self._tokens = tokens
        self._texts = texts
        self._paid: set[int] = set()
        self._all = self._before = 0

    def take(self, positions: Sequence[int]) -> int | None:
        """The cost of the texts at these positions that no earlier call has paid for; ``None`` if it is not known."""
        if isinstance(positions, range) and not self._paid:
            self._paid.update(positions)
            return self._tokens
        unpaid = [position for position in positions if position not in self._paid]
        if self._tokens is None or not unpaid:
            return None if unpaid else 0
        self._paid.update(unpaid)
        self._all = self._all or sum(map(len, self._texts))
        # Differences of rounded running totals, not rounded shares: only these add up to the total.
        before, self._before = self._before, self._before + sum(len(self._texts[position]) for position in unpaid)
        return round(self._tokens * self._before / self._all) - round(self._tokens * before / self._all)
