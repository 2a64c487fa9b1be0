"""All quotas of an account together: requests, tokens and inputs, and the pace. Pure: every method gets the time.

They are reserved together, at the earliest time at which every one of them allows it.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import replace

from aembed._errors import InputError
from aembed._gate import miscount
from aembed._gate.episode import ALL_SUSPECTS, Episodes, Suspects
from aembed._gate.headers import Headers
from aembed._gate.lanes import NO_AMOUNTS, Amounts
from aembed._gate.pace import Pace
from aembed._gate.quota import ResourceQuota
from aembed._gate.reservation import Reservation
from aembed._gate.tokens import TOKENS_PER_CHARACTER, TokenRatio
from aembed._gate.window import MINUTE_S
from aembed._settings.policies import Limits
from aembed._types import ModelSpec, QuotaHints, Reply

BATCHES_PER_MINUTE = 16
"""Batches per minute that a quota of tokens allows at least, unless it allows fewer requests: large batches leave
unused ends of windows."""
SPARE_SHARE = 0.1
"""Reported share of a quota beyond which other programs and replies that overtake each other do not exhaust it."""
NONE_FULL: Suspects = False, False
NOT_COUNTED = -1.0
"""Mark in place of an amount whose quota was unknown when the request was sent."""


class Quotas:
    """Limits of the account: by its settings, by headers, and by the pace after 429s."""

    def __init__(self, limits: Limits) -> None:
        self.requests, self.tokens, self.inputs = ResourceQuota(), ResourceQuota(), ResourceQuota()
        self.token_ratio = TokenRatio()
        self.pace = Pace()
        self.episodes = Episodes()
        self._limited: list[tuple[int, ResourceQuota]] = []
        """Each quota with a limit, stated or reported, and its place among the amounts."""
        self.are_known = False
        """Limits of requests and tokens are stated or reported."""
        self.are_reported = False
        """Replies report one of them at least, so that an error of the count does not last."""
        self._headers = Headers(self.requests, 0), Headers(self.tokens, 1)
        self._facts: tuple[object, ...] = ()
        """Limits and rules as of the last reply that reported new ones."""
        self.state(limits)

    def state(self, limits: Limits) -> None:
        """Apply new limits of the user."""
        self.requests.state(limits.requests_per_minute, limits.requests_per_day, limits.query_share)
        self.tokens.state(limits.tokens_per_minute, limits.tokens_per_day, limits.query_share)
        self.inputs.state(limits.inputs_per_minute, None, limits.query_share)
        self._knows()

    def by_name(self) -> tuple[tuple[str, ResourceQuota], ...]:
        return ("requests", self.requests), ("tokens", self.tokens), ("inputs", self.inputs)

    def named(self, reservation: Reservation) -> Iterator[tuple[str, ResourceQuota, float]]:
        """Each quota, and the amount that ``reservation`` needs of it."""
        yield "requests", self.requests, reservation.requests
        yield "tokens", self.tokens, reservation.tokens
        yield "inputs", self.inputs, reservation.inputs

    def fitted(self, spec: ModelSpec, *, per_input: bool) -> ModelSpec:
        """``spec`` with batches that the quotas take, several a minute, so that little of a window is left over."""
        texts = self.inputs.capacity
        if per_input:
            texts = min(texts, self.requests.capacity)
        tokens = math.inf
        if self.tokens.limit is not None:
            requests = self.requests.limit or math.inf
            share = min(1.0, max(1 / BATCHES_PER_MINUTE, 2 / requests))  # smaller ones would use up the requests
            # A plan counts tokens by the ratio that was assumed first.
            tokens = self.tokens.capacity * share * TOKENS_PER_CHARACTER / self.token_ratio.value
        if texts >= (spec.max_batch_texts or math.inf) and tokens >= (spec.max_batch_tokens or math.inf):
            return spec
        most_texts, most_tokens = _least(spec.max_batch_texts, texts), _least(spec.max_batch_tokens, tokens)
        return replace(spec, max_batch_texts=most_texts, max_batch_tokens=most_tokens)

    def check_capacity(self, reservation: Reservation) -> None:
        """Raise :class:`InputError` for more than is ever admitted at once."""
        if not self._limited or (
            reservation.requests <= self.requests.capacity
            and reservation.tokens <= self.tokens.capacity
            and reservation.inputs <= self.inputs.capacity
            and reservation.requests <= self.requests.a_day
            and reservation.tokens <= self.tokens.a_day
        ):
            return
        for name, quota, amount in self.named(reservation):
            if quota.never_allows(amount):
                raise InputError(
                    f"a request of {amount:g} {name} is more than the {min(quota.capacity, quota.a_day):g} {name} that "
                    "the account may use at once; lower batch_size, shorten the text, or raise limits"
                )

    def estimate(self, reservation: Reservation) -> None:
        """Estimate its tokens again, by the ratio learnt since it came."""
        if reservation.characters:
            reservation.tokens = reservation.characters * self.token_ratio.value

    def earliest(
        self, now: float, reservation: Reservation, aside: Amounts, *, leave_reserve: bool, paced: bool
    ) -> float:
        """``now``, or a time worth asking again. ``aside`` is to be left over, and what queries will need as well.

        ``paced``: at the pace; a probe is sent to find out whether that still holds.
        """
        when = self._when_limits_allow(now, reservation, aside, leave_reserve) if self._limited else now
        if paced and self.pace.flow is not None:
            both = self._reserve(now) if leave_reserve else (aside[0], aside[1])
            when = max(when, self.pace.earliest(now, reservation, both))
        return when

    def _when_limits_allow(self, now: float, reservation: Reservation, aside: Amounts, leave_reserve: bool) -> float:
        when = now
        amounts = reservation.requests, reservation.tokens, reservation.inputs
        for place, quota in self._limited:
            of_quota = quota.earliest(now, amounts[place], aside[place], leave_reserve=leave_reserve)
            if of_quota > when:
                when = of_quota
        return when

    def leaves(self, now: float, head: Reservation, other: Reservation) -> bool:
        """True if ``other`` may be admitted now without a delay of ``head``, which waits."""
        of_pace = self.pace.left_over(now, head)
        return (
            other.requests <= min(self.requests.left_over(now, head.requests), of_pace[0])
            and other.tokens <= min(self.tokens.left_over(now, head.tokens), of_pace[1])
            and other.inputs <= self.inputs.left_over(now, head.inputs)
        )

    def covers(self, aside: Amounts, document: Reservation) -> bool:
        """True if ``aside`` covers the limited amounts of ``document``: it leaves no reserve for queries then."""
        return aside is not NO_AMOUNTS and all(
            left >= amount
            for left, (_, quota, amount) in zip(aside, self.named(document), strict=True)
            if quota.limit is not None
        )

    def commit(self, now: float, reservation: Reservation) -> None:
        is_query = reservation.kind == "query"
        requests, tokens, inputs = self.requests, self.tokens, self.inputs
        counted = inputs.limit is not None
        reservation.sent_before = requests.sent, tokens.sent, inputs.sent if counted else NOT_COUNTED
        reservation.estimate = reservation.tokens
        requests.commit(now, reservation.requests, is_query)
        tokens.commit(now, reservation.tokens, is_query)
        if counted:
            inputs.commit(now, reservation.inputs, is_query)
        self.episodes.sent(now, reservation)
        self.pace.sent(now, reservation)

    def ended(self, now: float, reservation: Reservation, *, success: bool) -> None:
        """By now the server has counted the request, if ever."""
        is_query = reservation.kind == "query"
        sent_at = reservation.sent_at
        self.requests.ended(now, sent_at, reservation.requests, is_query)
        self.tokens.ended(now, sent_at, reservation.tokens, is_query)
        if reservation.sent_before[2] != NOT_COUNTED:
            self.inputs.ended(now, sent_at, reservation.inputs, is_query)
        amounts = reservation.requests, reservation.tokens
        self.pace.answered(now, sent_at, amounts, is_query=is_query, success=success)

    def refund(self, now: float, reservation: Reservation) -> None:
        """It was not sent, or the server did not count it."""
        is_query = reservation.kind == "query"
        amounts = reservation.requests, reservation.tokens, float(reservation.inputs)
        self.episodes.rejected(amounts[0], amounts[1])
        for quota, amount, before in zip(
            (self.requests, self.tokens, self.inputs), amounts, reservation.sent_before, strict=True
        ):
            if before != NOT_COUNTED:
                quota.correct(-amount, before, is_query)
        self.pace.refunded(reservation.sent_at, amounts[0], amounts[1])
        reservation.requests = reservation.tokens = 0.0
        reservation.inputs = 0
        self.ended(now, reservation, success=False)

    def answered(self, now: float, reservation: Reservation, reply: Reply) -> None:
        """Learn from a reply: its usage, its headers, and that it came."""
        if reservation.characters:
            self.token_ratio.answered(reply.tokens, reservation.characters)
            if reply.tokens and (delta := reply.tokens - reservation.tokens):
                reservation.tokens = reply.tokens
                self.tokens.correct(delta, reservation.sent_before[1], reservation.kind == "query")
                self.episodes.corrected(delta)
                if self.pace.flow is not None:
                    self.pace.corrected(reservation.sent_at, delta)
        self.ended(now, reservation, success=True)
        if reply.quota is not None:
            self._reported(now, reservation, reply.quota)

    def _reported(self, now: float, reservation: Reservation, hints: QuotaHints) -> None:
        """Learn from the headers of a reply."""
        requests, tokens = self.requests, self.tokens
        of_requests, of_tokens = self._headers
        of_requests.sync(reservation, now, hints.limit_requests, hints.remaining_requests, hints.reset_requests)
        of_tokens.sync(reservation, now, hints.limit_tokens, hints.remaining_tokens, hints.reset_tokens)
        self._share_rule(now)
        facts = requests.limit, requests.rule, requests.from_headers, tokens.limit, tokens.rule, tokens.from_headers
        if facts != self._facts:  # most replies report nothing new
            self._facts = facts
            self._knows()
        if requests.rule == "short" or tokens.rule == "short":
            span = max(quota.span for quota in (requests, tokens) if quota.rule == "short")
            self.pace.use_window(now, span, (requests.window, tokens.window))

    def rejected(self, now: float, reservation: Reservation, wait: float | None) -> None:
        """A stray 429: it slows the pace, and begins no episode."""
        suspects = self.suspects(self._full(now, reservation, wait))
        amounts = reservation.requests, reservation.tokens
        self.refund(now, reservation)
        self.pace.rejected(now, reservation.sent_at, amounts, suspects, wait)

    def begin_episode(self, now: float, edge: Reservation, wait: float | None) -> None:
        """The first 429 after successes, with a Retry-After of ``wait`` seconds."""
        for quota in (self.requests, self.tokens):
            quota.advance(now)
        minute = self.requests.window.own, self.tokens.window.own
        seconds = min(MINUTE_S, max(0.0, edge.sent_at - self.requests.window.since))
        full = self._full(now, edge, wait)
        suspects = self.suspects(full)
        episode = self.episodes.begin(edge, minute, seconds, suspects)
        self.pace.slow_down(now, episode, suspects, is_explained=any(full))
        if full[0]:
            miscount.correct(self.requests, now, edge.requests)
        if full[1]:
            miscount.correct(self.tokens, now, edge.tokens)

    def end_episode(self, now: float, success: Reservation) -> None:
        """The first success after 429s."""
        episode, pause = self.episodes.end(success)
        for quota in (self.requests, self.tokens):
            quota.advance(now)
        self.pace.recover(now, episode, pause, (self.requests.window, self.tokens.window))

    def _full(self, now: float, edge: Reservation, wait: float | None) -> Suspects:
        """The resources whose known quota explains a 429 to ``edge``."""
        until = None if wait is None else now + wait
        requests = miscount.explains(self.requests, edge.requests, until)
        return requests, miscount.explains(self.tokens, edge.tokens, until)

    def suspects(self, full: Suspects = NONE_FULL) -> Suspects:
        """The resources that a 429 may concern: those that are ``full``, if any are.

        Else not one of which replies report enough, unless they do of both.
        """
        if any(full):
            return full
        requests, tokens = not _has_room(self.requests), not _has_room(self.tokens)
        return (requests, tokens) if requests or tokens else ALL_SUSPECTS

    def _reserve(self, now: float) -> tuple[float, float]:
        """Amounts of the pace that documents leave: the reserve of a window, or one query's of an even flow."""
        of_requests, of_tokens = self.pace.window(0), self.pace.window(1)
        if of_requests is None or of_tokens is None:
            return self.requests.usual_query(), self.tokens.usual_query()
        return self.requests.reserve(now, of_requests), self.tokens.reserve(now, of_tokens)

    def _share_rule(self, now: float) -> None:
        """A server has one rule: it holds for a stated limit of which headers report nothing, too."""
        requests, tokens = self.requests, self.tokens
        if requests.from_headers != tokens.from_headers:
            reported, silent = (requests, tokens) if requests.from_headers else (tokens, requests)
            if silent.limit is not None:
                silent.advance(now)
                silent.use_as(reported)

    def _knows(self) -> None:
        quotas = enumerate((self.requests, self.tokens, self.inputs))
        self._limited = [each for each in quotas if each[1].limit is not None or each[1].day is not None]
        self.are_known = self.requests.limit is not None and self.tokens.limit is not None
        self.are_reported = self.requests.from_headers or self.tokens.from_headers
        rules = {self.requests.rule, self.tokens.rule}
        self.pace.is_bucket = "bucket" in rules
        self.pace.is_fixed = rules == {"fixed"}
        self.pace.is_understood = rules != {"unknown"}
        self.pace.knows((self.requests.rate, self.tokens.rate))


def _least(cap: int | None, quota: float) -> int | None:
    return cap if quota >= (cap or math.inf) else max(1, int(quota))


def _has_room(quota: ResourceQuota) -> bool:
    """True if replies report so much left that a 429 hardly concerns this quota."""
    if not quota.from_headers or quota.rule == "short":
        return False
    room = quota.level if quota.rule in {"bucket", "fixed"} else min(quota.level, quota.capacity - quota.window.used)
    return room >= SPARE_SHARE * quota.burst
