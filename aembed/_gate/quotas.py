"""All quotas of an account together: requests, tokens and inputs. Pure: every method is told the time.

They are reserved together, at the earliest time at which every one of them allows it.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import replace

from aembed._errors import InputError
from aembed._gate.headers import Headers
from aembed._gate.learner import Learner
from aembed._gate.permit import Permit
from aembed._gate.resource import Resource
from aembed._gate.tokens import FIRST_GUESS, TokenRatio
from aembed._settings.policies import Limits
from aembed._types import ModelSpec, Reply

BATCHES_A_MINUTE = 16
"""A batch takes no more than this part of a quota of tokens, unless there are fewer requests a minute."""


class Quotas:
    """What the account may do, from its settings, from headers, and from what was refused."""

    def __init__(self, limits: Limits) -> None:
        self.requests = Resource(limits.requests_per_minute)
        self.tokens = Resource(limits.tokens_per_minute)
        self.inputs = Resource(limits.inputs_per_minute)
        self.token_ratio = TokenRatio()
        self._headers = Headers(self.requests), Headers(self.tokens), Headers(self.inputs)
        self._learner = Learner(self.requests, self.tokens)

    def set_limits(self, limits: Limits) -> None:
        self.requests.configure(limits.requests_per_minute)
        self.tokens.configure(limits.tokens_per_minute)
        self.inputs.configure(limits.inputs_per_minute)

    def named(self, permit: Permit) -> Iterator[tuple[str, Resource, float]]:
        """Each quota, and what ``permit`` needs of it."""
        yield "requests", self.requests, permit.requests
        yield "tokens", self.tokens, permit.tokens
        yield "inputs", self.inputs, permit.inputs

    def fitted(self, spec: ModelSpec, *, per_input: bool) -> ModelSpec:
        """``spec`` with batches that the quotas take, several a minute, so that little of a window is left over."""
        texts = self.inputs.capacity
        if per_input and not self.requests.guessed:
            texts = min(texts, self.requests.capacity)
        tokens = math.inf
        if self.tokens.limit is not None and not self.tokens.guessed:
            requests = BATCHES_A_MINUTE if self.requests.limit is None else self.requests.limit
            share = 1 / max(1.0, min(BATCHES_A_MINUTE, requests))
            tokens = self.tokens.capacity * share * FIRST_GUESS / self.token_ratio.value  # as a plan counts them
        if texts >= (spec.max_batch_texts or math.inf) and tokens >= (spec.max_batch_tokens or math.inf):
            return spec
        most_texts, most_tokens = _least(spec.max_batch_texts, texts), _least(spec.max_batch_tokens, tokens)
        return replace(spec, max_batch_texts=most_texts, max_batch_tokens=most_tokens)

    def check_capacity(self, permit: Permit) -> None:
        """Raise :class:`InputError` for more than is ever admitted at once."""
        if (
            permit.requests <= self.requests.capacity
            and permit.tokens <= self.tokens.capacity
            and permit.inputs <= self.inputs.capacity
        ):
            return
        for name, resource, amount in self.named(permit):
            if resource.never_allows(amount):
                raise InputError(
                    f"a request of {amount:g} {name} is more than the {resource.capacity:g} {name} that the account "
                    "may use at once; lower batch_size, shorten the text, or raise limits"
                )

    def earliest(self, now: float, permit: Permit, leave_reserve: bool) -> float:
        """``now``, or a time worth asking again."""
        when = now
        if self.requests.limit is not None:
            when = self.requests.earliest(now, permit.requests, leave_reserve)
        if self.tokens.limit is not None and (later := self.tokens.earliest(now, permit.tokens, leave_reserve)) > when:
            when = later
        if self.inputs.limit is not None and (later := self.inputs.earliest(now, permit.inputs, leave_reserve)) > when:
            when = later
        return when

    def commit(self, now: float, permit: Permit) -> None:
        query = permit.kind == "query"
        requests = self.requests.commit(now, permit.requests, query)
        tokens = self.tokens.commit(now, permit.tokens, query)
        inputs = None if self.inputs.limit is None else self.inputs.commit(now, permit.inputs, query)
        permit.entries = requests, tokens, inputs
        self._learner.sent((requests, tokens), now)

    def refund(self, now: float, permit: Permit) -> None:
        """It was not sent, or the server refused to count it."""
        assert permit.entries is not None
        for entry, (_, resource, _) in zip(permit.entries, self.named(permit), strict=True):
            if entry is not None:
                resource.correct(entry, 0.0)
                resource.ended(entry, now)

    def ended(self, now: float, permit: Permit) -> None:
        """No answer will come: by now the server has counted the request, if ever."""
        assert permit.entries is not None
        for entry, (_, resource, _) in zip(permit.entries, self.named(permit), strict=True):
            if entry is not None:
                resource.ended(entry, now)

    def answered(self, now: float, permit: Permit, reply: Reply) -> None:
        """Learn from a reply: its usage, its headers, and that it came."""
        assert permit.entries is not None
        request, tokens, inputs = permit.entries
        if permit.characters:
            self.token_ratio.answered(reply.tokens, permit.characters)
            if reply.tokens:
                self.tokens.correct(tokens, reply.tokens)
        self.requests.ended(request, now)
        self.tokens.ended(tokens, now)
        if inputs is not None:
            self.inputs.ended(inputs, now)
        self._learner.answered()
        hints = reply.quota
        if hints is not None:
            of_requests, of_tokens, _ = self._headers
            of_requests.sync(request, now, hints.limit_requests, hints.remaining_requests, hints.reset_requests)
            of_tokens.sync(tokens, now, hints.limit_tokens, hints.remaining_tokens, hints.reset_tokens)

    def refused(self, now: float, permit: Permit, wait: float | None, *, probe: bool) -> None:
        """Learn from a refusal that is news: the first after answers, or that of a probe."""
        assert permit.entries is not None
        if self.tokens.limit is not None and not self.tokens.guessed:
            self.token_ratio.refused()
        if probe:
            self._learner.probe_refused(now)
        else:
            self._learner.refused(permit.entries[:2], now, wait)

    def drain(self, now: float, permit: Permit, wait: float) -> None:
        """The server has said when there will be room for ``permit``; which quota it is short of is not known."""
        for headers, (_, _, amount) in zip(self._headers, self.named(permit), strict=True):
            headers.refused(now, wait, amount)


def _least(cap: int | None, quota: float) -> int | None:
    return cap if quota >= (cap or math.inf) else max(1, int(quota))
