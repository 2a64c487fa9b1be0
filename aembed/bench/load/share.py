"""The part of a load that one process offers."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import islice

from aembed.bench.requests import Requests
from aembed.bench.rows.columns import Ints


@dataclass(frozen=True, slots=True)
class Share:
    """Requests and users with the numbers ``number``, ``number + of``, ``number + 2 * of`` and so on."""

    number: int = 0
    of: int = 1

    def __str__(self) -> str:
        return f"process {self.number + 1} of {self.of}"

    def times(self, schedule: Ints) -> Ints:
        """The intended starts of this process, dealt out in turns."""
        return schedule[self.number :: self.of]

    def users(self, users: int) -> range:
        """The numbers of its users."""
        return range(self.number, users, self.of)

    def requests(self, requests: Requests) -> Requests:
        """Its arguments: all processes together take those that one alone would."""
        return requests if self.of == 1 else lambda seed: islice(requests(seed), self.number, None, self.of)

    def places(self, most: int) -> int:
        """Its part of ``most`` requests at once, one at least."""
        return max(1, len(range(self.number, most, self.of)))


WHOLE = Share()
"""All of it, in one process."""
