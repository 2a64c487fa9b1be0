"""Requests or tokens: which of the two is a server short of that refuses without a word? Pure.

Whichever was the same at two refusals. Where texts get longer or shorter on the way the other is not; where they do
not, both are, and it makes no difference. As soon as it does, the other is tried.
"""

from __future__ import annotations

import math

from aembed._gate.resource import Resource, Rule

TELLING: dict[Rule, float] = {"bucket": 0.1, "window": 0.01}
"""How much more the one must have moved than the other, as a logarithm: rates are measured, contents are counted."""
MOST_TOLD = 3.0
"""What a single pair of refusals says at most, if one that tells says 1."""
USED_UP, PARTED = 0.9, 0.9
"""Share of the last refusal's amount at which the one is used up, and below which of that share the other is not."""
FADING = 0.7
"""What earlier pairs say, beside the latest."""

Amounts = tuple[float, float]
"""Requests and tokens."""


class Shortage:
    """``which`` of requests (0) and tokens (1) is short."""

    def __init__(self, requests: Resource, tokens: Resource) -> None:
        self._resources = requests, tokens
        self._guess = 0
        self._rule: Rule = "unknown"
        self._last: Amounts | None = None
        self._evidence = 0.0

    @property
    def which(self) -> int:
        """Never one that replies tell: of that the server is not short while it says that there is some left."""
        requests, tokens = self._resources
        return 1 if requests.told and not tokens.told else 0 if tokens.told else self._guess

    @property
    def of(self) -> Resource:
        return self._resources[self.which]

    def used(self) -> Amounts:
        """In the last window."""
        requests, tokens = self._resources
        return requests.used, tokens.used

    def weigh(self, rule: Rule, amounts: Amounts) -> None:
        """The rates of a bucket or the content of a window, as of a refusal: compare them with the last."""
        last, self._last = self._last, amounts
        same_rule, self._rule = rule == self._rule, rule
        if last is None or not same_rule or min(*last, *amounts) <= 0:
            return
        requests, tokens = (abs(math.log(now / before)) for now, before in zip(amounts, last, strict=True))
        told = (requests - tokens) / TELLING[rule]
        self._evidence = FADING * self._evidence + max(-MOST_TOLD, min(MOST_TOLD, told))
        self._turn_to(1 if self._evidence > 1 else 0 if self._evidence < -1 else self._guess)

    def try_other(self) -> float | None:
        """If a window's one is used up and the other is not, and nothing tells which it is: what the other let in.

        Should it be the first after all, the next refusal says so.
        """
        which, last = self.which, self._last
        other = 1 - which
        if last is None or self._rule != "window" or abs(self._evidence) > 1 or not min(last):
            return None
        used = self.used()
        share = used[which] / last[which]
        if share < USED_UP or used[other] / last[other] > PARTED * share or self._resources[other].told:
            return None
        self._turn_to(other)
        return last[other]

    def _turn_to(self, guess: int) -> None:
        if guess != self._guess:
            self._resources[self._guess].unlearn()
            self._guess = guess
