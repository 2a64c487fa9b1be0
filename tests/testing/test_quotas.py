"""Quotas are strict for any arrivals: proven over random ones, on a clock that is only an argument."""

from __future__ import annotations

import math
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aembed.testing import Quota, QuotaKeeper, QuotaRule
from aembed.testing.quotas import Algorithm

ROUNDING = 1e-6
ALGORITHMS: tuple[Algorithm, ...] = ("bucket", "sliding", "fixed")

arrivals = st.lists(
    st.tuples(st.floats(0, 40, allow_nan=False) | st.sampled_from([0.0, 1.0, 10.0, 60.0]), st.integers(0, 120)),
    max_size=60,
)
spans = st.sampled_from([1.0, 10.0, 60.0])


def admitted(keeper: QuotaKeeper, steps: list[tuple[float, int]]) -> list[tuple[float, int]]:
    """When how many tokens were let in, if ``steps`` are pauses and amounts."""
    now, log = 1000.0, []
    for pause, tokens in steps:
        now += pause
        if keeper.take(now, 1, tokens) == 0:
            log.append((now, tokens))
    return log


@given(arrivals, spans)
def test_a_bucket_never_lets_in_more_than_it_holds_and_gets(steps: list[tuple[float, int]], span: float) -> None:
    keeper = QuotaKeeper(Quota.per_minute(tokens=100, span=span))
    log = admitted(keeper, steps)
    for first, (start, _) in enumerate(log):
        total = 0
        for end, tokens in log[first:]:
            total += tokens
            assert total <= 100 * span / 60 + 100 / 60 * (end - start) + ROUNDING


@given(arrivals, spans)
def test_a_sliding_window_never_holds_more_than_the_quota(steps: list[tuple[float, int]], span: float) -> None:
    keeper = QuotaKeeper(Quota.per_minute(tokens=100, algorithm="sliding", span=span))
    log = admitted(keeper, steps)
    for start, _ in log:
        inside = sum(tokens for at, tokens in log if start <= at < start + span - ROUNDING)
        assert inside <= 100 * span / 60 + ROUNDING


@given(arrivals, spans)
def test_a_fixed_window_never_holds_more_than_the_quota(steps: list[tuple[float, int]], span: float) -> None:
    keeper = QuotaKeeper(Quota.per_minute(tokens=100, algorithm="fixed", span=span))
    windows: dict[int, int] = {}
    for at, tokens in admitted(keeper, steps):
        window = math.floor((at + ROUNDING / 2) / span)
        windows[window] = windows.get(window, 0) + tokens
    assert all(total <= 100 * span / 60 + ROUNDING for total in windows.values())


@pytest.mark.parametrize("algorithm", ALGORITHMS)
@given(steps=arrivals, span=spans)
def test_a_request_that_waits_as_asked_is_admitted_and_not_much_before(
    algorithm: Algorithm, steps: list[tuple[float, int]], span: float
) -> None:
    keeper = QuotaKeeper(Quota.per_minute(tokens=100, algorithm=algorithm, span=span))
    now = 1000.0
    for pause, tokens in steps:
        now += pause
        wait = keeper.take(now, 1, tokens)
        if 0 < wait < math.inf:
            assert keeper.take(now + wait * 0.99 - ROUNDING, 1, tokens) > 0
            assert keeper.take(now + wait, 1, tokens) == 0
            now += wait
        assert (wait == math.inf) == (tokens > 100 * span / 60)


@pytest.mark.parametrize("algorithm", ALGORITHMS)
@given(steps=arrivals)
def test_all_resources_or_none(algorithm: Algorithm, steps: list[tuple[float, int]]) -> None:
    """A request that one quota rejects uses up nothing of the others."""
    both = QuotaKeeper(Quota.per_minute(requests=5, tokens=100, algorithm=algorithm))
    now, let_in = 1000.0, 0
    for pause, tokens in steps:
        now += pause
        before = [level.remaining for level in both.levels(now)]
        let_in = both.take(now, 1, tokens) == 0
        spent = [was - level.remaining for was, level in zip(before, both.levels(now), strict=True)]
        assert spent == pytest.approx([1, tokens] if let_in else [0, 0])


@given(arrivals)
def test_waits_do_not_grow_without_requests(steps: list[tuple[float, int]]) -> None:
    for algorithm in ALGORITHMS:
        keeper = QuotaKeeper(Quota.per_minute(tokens=100, algorithm=algorithm))
        admitted(keeper, steps)
        end = 1000.0 + sum(pause for pause, _ in steps)
        resets = [keeper.levels(end + later)[0].reset for later in range(0, 70, 7)]
        assert all(before >= after - ROUNDING for before, after in pairwise(resets))
        assert resets[-1] == 0


def test_a_bucket_is_exact_to_the_second() -> None:
    keeper = QuotaKeeper(Quota.per_minute(requests=60, span=10))
    assert [keeper.take(5.0) for _ in range(11)] == [0.0] * 10 + [1.0]
    assert keeper.take(6.0) == 0.0
    assert keeper.short_of == "requests"


def test_the_reset_of_a_bucket_is_the_identity_clients_can_test() -> None:
    keeper = QuotaKeeper(Quota.per_minute(requests=3000))
    for _ in range(100):
        keeper.take(1.0)
    (level,) = keeper.levels(1.0)
    assert level.reset == pytest.approx((level.limit - level.remaining) * 60 / level.limit)


def test_rejected_requests_count_on_request() -> None:
    lenient, harsh = (
        QuotaKeeper(Quota.per_minute(requests=10, tokens=10, algorithm="sliding", count_rejected=harsh))
        for harsh in (False, True)
    )
    for keeper in (lenient, harsh):
        assert keeper.take(0.0, 1, 10) == 0
        later = 59.0 if keeper is lenient else 60.0  # ten of its rejections count
        assert [keeper.take(1.0, 1, 10) for _ in range(20)] == [59.0] * 10 + [later] * 10
    assert lenient.take(60.0, 1, 10) == 0
    assert harsh.take(60.0, 1, 10) == pytest.approx(1.0)


def test_each_resource_may_be_kept_in_its_own_way() -> None:
    """Requests over a second, tokens over a minute, as Mistral and Azure do."""
    keeper = QuotaKeeper(Quota((QuotaRule("requests", 60, "fixed", 1.0), QuotaRule("tokens", 1000, "sliding"))))
    assert keeper.take(0.0, 1, 400) == 0
    assert keeper.take(0.5, 1, 400) == pytest.approx(0.5)
    assert keeper.take(1.0, 1, 400) == 0
    assert keeper.take(2.0, 1, 400) == pytest.approx(58.0)
    assert keeper.short_of == "tokens"


def test_inputs_are_a_resource_too() -> None:
    keeper = QuotaKeeper(Quota.per_minute(inputs=200, algorithm="fixed"))
    assert [keeper.take(1.0, inputs=96) for _ in range(3)] == [0.0, 0.0, 59.0]
