"""Hypothesis strategies: hints, limits and calls of any finite numbers, in any order."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import TypeAlias

from hypothesis import strategies as st

from aembed import AembedError, Kind, Limits, OverloadedError, ProviderError, QuotaHints, RateLimitError
from aembed._gate.reservation import Reservation

Call: TypeAlias = tuple[int, float, float, float, bool]
"""Which method, a time, two numbers and a flag."""
times = st.floats(-1e12, 1e12) | st.floats(0.0, 300.0)
amounts = st.floats(-1e12, 1e12) | st.floats(0.0, 100.0) | st.sampled_from([0.0, 1.0])
numbers = st.floats(-1e15, 1e15).filter(lambda number: number == 0 or abs(number) > 1e-300) | st.floats(0.0, 1000.0)
reported = st.none() | numbers
positive = st.floats(0.01, 1e9)
calls = st.lists(st.tuples(st.integers(0, 20), times, amounts, amounts, st.booleans()), max_size=40)
hints = st.builds(
    QuotaHints,
    limit_requests=reported,
    remaining_requests=reported,
    reset_requests=reported,
    limit_tokens=reported,
    remaining_tokens=reported,
    reset_tokens=reported,
)
limits_ = st.builds(
    Limits,
    requests_per_minute=st.none() | positive,
    tokens_per_minute=st.none() | positive,
    inputs_per_minute=st.none() | positive,
    requests_per_day=st.none() | positive,
    tokens_per_day=st.none() | positive,
    query_share=st.none() | st.floats(0.0, 0.9),
)


def call(methods: Sequence[Callable[[], object]], which: int) -> None:
    answer = methods[which % len(methods)]()
    assert not (isinstance(answer, float) and math.isnan(answer))


def sent(now: float, requests: float, tokens: float, is_query: bool) -> Reservation:
    kind: Kind = "query" if is_query else "document"
    reservation = Reservation(kind, 0, abs(tokens), int(abs(tokens)) % 100, requests=abs(requests))
    reservation.sent_at = now
    reservation.sent_before = abs(requests), tokens, 0.0
    return reservation


errors: Sequence[Callable[[float], AembedError | None]] = (
    lambda wait: RateLimitError("too fast", retry_after=wait),
    lambda _: RateLimitError("too fast"),
    lambda wait: OverloadedError("busy", retry_after=wait, status=503),
    lambda _: ProviderError("wrong", retryable=False),
    lambda _: None,
)
