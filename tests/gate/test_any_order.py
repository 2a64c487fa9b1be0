"""No part of the gate raises or answers NaN, for any finite numbers and any order of calls.

Clocks go back, corrections exceed the amount sent, replies come twice: all wrong, but no reason to fail a request.
Times and amounts are below 1e12, numbers in headers below 1e15, and no limit is so small that its rate is zero.
"""

# ruff: noqa: B023, PLW0108  # each lambda is called before the next iteration, and one of them in a list is clearer

from __future__ import annotations

import asyncio
import math
from collections.abc import Callable, Sequence

from hypothesis import given
from hypothesis import strategies as st

from aembed import Limits, QuotaHints, Reply
from aembed._gate.account import Account
from aembed._gate.episode import ALL_SUSPECTS, Episode, Episodes, Pause
from aembed._gate.even_flow import EvenFlow
from aembed._gate.headers import Headers
from aembed._gate.lanes import Lanes, Ticket
from aembed._gate.pace import Pace
from aembed._gate.quota import ResourceQuota
from aembed._gate.quotas import Quotas
from aembed._gate.refill_detector import RefillDetector
from aembed._gate.reservation import Reservation
from aembed._gate.window import Window
from tests.gate.any_values import (
    Call,
    amounts,
    call,
    calls,
    errors,
    hints,
    limits_,
    numbers,
    positive,
    reported,
    sent,
    times,
)
from tests.gate.visits import REPLY
from tests.loops import run


@given(calls)
def test_a_quota(history: list[Call]) -> None:
    quota = ResourceQuota()
    for which, now, a, b, flag in history:
        positive_or_none = abs(a) + 0.01 if flag else None
        methods: Sequence[Callable[[], object]] = (
            lambda: quota.state(positive_or_none, abs(b) + 0.01 if flag else None, 0.5),
            lambda: quota.state(abs(b) + 0.01, None),
            lambda: quota.never_allows(a),
            lambda: quota.earliest(now, a, b, leave_reserve=flag),
            lambda: quota.earliest(now, a, b, leave_reserve=flag),
            lambda: quota.reserve(now),
            lambda: quota.usual_query(),
            lambda: quota.commit(now, abs(a), flag),
            lambda: quota.commit(now, abs(a), flag),
            lambda: quota.correct(a, b, flag),
            lambda: quota.ended(now, b, a, flag),
            lambda: quota.set_limit(abs(a) + 0.01),
            lambda: quota.use_as_bucket(b),
            lambda: quota.use_as_window(),
            lambda: quota.advance(now),
            lambda: repr(quota),
        )
        call(methods, which)


@given(st.none() | positive, st.lists(st.tuples(times, times, amounts, reported, reported, reported), max_size=30))
def test_headers(
    stated: float | None,
    replies: list[tuple[float, float, float, float | None, float | None, float | None]],
) -> None:
    quota = ResourceQuota(stated)
    headers = [Headers(quota, place) for place in range(3)]
    for number, (sent_at, now, amount, limit, remaining, reset) in enumerate(replies):
        reservation = sent(sent_at, amount, amount, is_query=False)
        quota.commit(sent_at, abs(amount), is_query=False)
        headers[number % 3].sync(reservation, now, limit, remaining, reset)
        assert not math.isnan(quota.earliest(now, 1.0))
        assert not math.isnan(quota.level)


@given(st.lists(st.tuples(times, numbers, numbers, positive, st.booleans()), max_size=30))
def test_a_refill_detector(replies: list[tuple[float, float, float, float, bool]]) -> None:
    detector = RefillDetector()
    for now, remaining, reset, rate, forgets in replies:
        if forgets:
            detector.forget()
        assert detector.saw(now, remaining, reset, rate) in ("unknown", "bucket", "window")


@given(calls)
def test_a_pace(history: list[Call]) -> None:
    pace = Pace()
    windows = Window(), Window()
    for which, now, a, b, flag in history:
        one = Episode(now, (abs(a), abs(b)), abs(b), flag, abs(a), (abs(b), abs(a)), abs(a), abs(b), (abs(b), abs(a)))
        pause = Pause(a, b, (abs(b), abs(a)))
        reservation = Reservation("query" if flag else "document", 0, a, requests=b)
        known = (abs(a) + 0.01, math.inf) if flag else (math.inf, math.inf)
        methods: Sequence[Callable[[], object]] = (
            lambda: pace.slow_down(now, one, (flag, True), is_explained=flag),
            lambda: pace.recover(now, one, pause, windows),
            lambda: pace.earliest(now, reservation, (abs(a), abs(b))),
            lambda: pace.earliest(now, Reservation("document", 0, b), (0.0, 0.0)),
            lambda: pace.until_room(now),
            lambda: pace.sent(now, reservation),
            lambda: pace.corrected(a, b),
            lambda: pace.refunded(now, a, b),
            lambda: pace.answered(now, a, (b, a), is_query=not flag, success=flag),
            lambda: windows[flag].sent(now, a),
            lambda: windows[flag].answered(now, b, a),
            lambda: pace.knows(known),
            lambda: pace.rejected(now, a, (abs(b), abs(a)), (True, flag), b) if pace.is_stray(b) else None,
            lambda: pace.window(flag),
        )
        call(methods, which)
        if isinstance(pace.flow, EvenFlow):
            assert all(rate > 0 for rate in pace.flow.average)


@given(calls)
def test_episodes(history: list[Call]) -> None:
    episodes = Episodes()

    def end(success: Reservation) -> None:
        if episodes.current is not None:  # it ends once
            _, pause = episodes.end(success)
            assert min(pause.seconds, *pause.admitted) >= 0.0

    for which, now, a, b, flag in history:
        one = sent(now, a, b, flag)
        methods: Sequence[Callable[[], object]] = (
            lambda: episodes.sent(now, one),
            lambda: episodes.corrected(b),
            lambda: episodes.rejected(a, b),
            lambda: episodes.begin(one, (a, b), abs(a), ALL_SUSPECTS),
            lambda: episodes.goes_on(now, one, a),
            lambda: episodes.ends_with(now, one),
            lambda: end(one),
        )
        call(methods, which)


@given(calls)
def test_lanes(history: list[Call]) -> None:
    async def main() -> None:
        loop = asyncio.get_running_loop()
        lanes = Lanes()
        seen: list[tuple[Ticket, Reservation]] = []

        def add(now: float, one: Reservation, *, first: bool) -> None:
            seen.append((loop.create_future(), one))
            lanes.add(now, *seen[-1], first=first)

        for which, now, a, b, flag in history:
            one = sent(now, a, b, flag)
            one.owner = int(a) % 3
            methods: Sequence[Callable[[], object]] = (
                lambda: add(now, one, first=b > 0),
                lambda: add(now, one, first=b > 0),
                lambda: add(now, one, first=b > 0),
                lambda: lanes.remove(now, *seen[int(b) % len(seen)]) if seen else None,
                lambda: lanes.went(seen[int(b) % len(seen)][1] if seen else one),
                lambda: setattr(lanes, "by_tokens", flag),
                lambda: lanes.forget_absent(now),
                lambda: lanes.blocks(one),
                lambda: lanes.owes_a_slot,
                lambda: lanes.set_aside(),
            )
            call(methods, which)
            waiting = lanes.waiting()
            assert len(lanes) == len(waiting)
            assert (lanes.first() is None) == (not waiting)
        for waiter in seen:
            lanes.remove(0.0, *waiter)
        assert len(lanes) == 0

    run(main())


@given(limits_, limits_, calls, st.lists(hints, min_size=1, max_size=5))
def test_quotas(limits: Limits, later: Limits, history: list[Call], headers: list[QuotaHints]) -> None:
    quotas = Quotas(limits)
    under_way: list[Reservation] = []

    def commit(one: Reservation, now: float) -> None:
        quotas.commit(now, one)
        under_way.append(one)

    def answer(now: float, b: float) -> None:
        reply = Reply(REPLY.vectors, int(abs(b)), headers[int(b) % len(headers)])
        if under_way:
            quotas.answered(now, under_way.pop(int(b) % len(under_way)), reply)

    def end(now: float, success: Reservation) -> None:
        if quotas.episodes.current is not None:
            quotas.end_episode(now, success)

    for which, now, a, b, flag in history:
        one = sent(now, a, b, flag)
        one.characters = int(abs(a)) % 1000
        methods: Sequence[Callable[[], object]] = (
            lambda: quotas.state(later if flag else limits),
            lambda: quotas.estimate(one),
            lambda: quotas.earliest(now, one, (abs(a), abs(b), 0.0), leave_reserve=flag, paced=True),
            lambda: quotas.covers((a, b, a), one),
            lambda: commit(one, now),
            lambda: commit(one, now),
            lambda: quotas.ended(now, under_way.pop(), success=flag) if under_way else None,
            lambda: quotas.refund(now, under_way.pop(0)) if under_way else None,
            lambda: answer(now, b),
            lambda: answer(now, b),
            lambda: quotas.begin_episode(now, one, a),
            lambda: end(now, one),
        )
        call(methods, which)


@given(limits_, limits_, st.booleans(), st.booleans(), calls, st.lists(hints, min_size=1, max_size=5))
def test_an_account(
    limits: Limits, later: Limits, adaptive: bool, per_input: bool, history: list[Call], headers: list[QuotaHints]
) -> None:
    account = Account(8, limits, adaptive=adaptive, per_input=per_input)
    under_way: list[Reservation] = []

    def send(now: float, a: float, flag: bool) -> None:
        texts = ["text"] * (1 + int(abs(a)) % 5)
        one = account.reservation("query" if flag else "document", texts, abs(a), None)
        one.sent_at, one.is_probe = now, account.backoff.probing
        account.quotas.commit(now, one)
        under_way.append(one)

    def succeed(now: float, b: float, flag: bool) -> None:
        reply = Reply(REPLY.vectors, int(abs(b)), headers[int(b) % len(headers)])
        if under_way:
            account.succeeded(now, under_way.pop(int(b) % len(under_way)), reply, alone=flag)

    def fail(now: float, a: float, b: float) -> None:
        if under_way:
            error = errors[int(a) % len(errors)](b)
            account.ended(now, under_way.pop(int(b) % len(under_way)), error, len(under_way))

    for which, now, a, b, flag in history:
        one = sent(now, a, b, flag)
        methods: Sequence[Callable[[], object]] = (
            lambda: send(now, a, flag),
            lambda: send(now, a, flag),
            lambda: send(now, a, flag),
            lambda: succeed(now, b, flag),
            lambda: succeed(now, b, flag),
            lambda: fail(now, a, b),
            lambda: fail(now, a, b),
            lambda: account.set_limits(later if flag else limits),
            lambda: account.earliest(now, one, (abs(a), abs(b), 0.0), leave_reserve=flag),
            lambda: account.reason_to_give_up(now, one, b),
        )
        call(methods, which)
        assert account.slots >= 1
