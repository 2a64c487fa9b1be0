"""Two records that other parts read: service time by size, and what was sent within a span. Numbers by hand."""

from __future__ import annotations

import math

import pytest

from aembed._gate.burst_flow import BurstFlow
from aembed._gate.sent_window import SentWindow
from aembed._gate.service_time import RecentLine, ServiceTime
from aembed._gate.window import Window

TICK = 0.0005
MARGIN = 1e-6


def line(*samples: tuple[float, float]) -> ServiceTime:
    recent = RecentLine()
    recent.add(samples)
    return recent.line()


def test_the_line_runs_through_two_sizes() -> None:
    found = line((1.0, 100.0), (3.0, 500.0))
    assert found.per_character == pytest.approx(0.005)
    assert found.fixed == pytest.approx(0.5 + TICK)


def test_one_size_has_no_slope() -> None:
    assert line((1.0, 100.0), (2.0, 100.0)) == pytest.approx((1.5 + TICK, 0.0))
    assert line((1.0, 1000.0), (2.0, 1001.0)).per_character == 0.0, "a thousandth is no difference"
    assert line((1.0, 1000.0), (1.1, 1002.4)).per_character > 0.0
    assert line((1.0, 0.0)) == pytest.approx((1.0 + TICK, 0.0)), "texts without characters"


def test_neither_part_is_negative() -> None:
    falling = line((3.0, 100.0), (1.0, 500.0))
    assert falling == pytest.approx((2.0 + TICK, 0.0))
    steep = line((0.0, 100.0), (5.0, 200.0))
    assert steep.fixed == TICK
    assert steep.per_character == pytest.approx((2.5 + TICK) / 150.0)


def test_an_answer_weighs_a_fiftieth_less_than_the_next() -> None:
    recent = RecentLine()
    recent.add([(1.0, 100.0)])
    recent.add([(2.0, 100.0), (2.0, 100.0)])
    kept = 0.98**2
    assert recent.line().fixed == pytest.approx((kept * 1.0 + 4.0) / (kept + 2) + TICK)
    recent.add([(1.0, 300.0)])
    old, sizes, times = 0.98, (kept + 2) * 100, (kept + 4) + (kept + 2) * TICK
    weight, size, time = (
        old * (kept + 2) + 1,
        old * sizes + 300,
        old * times + 1 + TICK,
    )
    squares = old * (kept + 2) * 100**2 + 300**2
    products = old * times * 100 + 300 * (1 + TICK)
    variance = squares / weight - (size / weight) ** 2
    slope = (products / weight - size * time / weight**2) / variance
    found = recent.line()
    assert slope < 0
    assert found == pytest.approx((time / weight, 0.0))


def test_the_line_through_answers_of_several_rounds_is_that_of_least_squares() -> None:
    recent = RecentLine()
    samples = [(1.0, 100.0), (2.5, 300.0), (3.0, 500.0)]
    for sample in samples:
        recent.add([sample])
    weights = [0.98**2, 0.98, 1.0]
    time, size = (
        sum(weight * sample[place] for weight, sample in zip(weights, samples, strict=True)) / sum(weights)
        for place in (0, 1)
    )
    above = sum(w * (s[0] - time) * (s[1] - size) for w, s in zip(weights, samples, strict=True))
    slope = above / sum(w * (s[1] - size) ** 2 for w, s in zip(weights, samples, strict=True))
    assert recent.line() == pytest.approx((time - slope * size + TICK, slope))


def test_times_are_compared_in_sum_without_the_slowest_eighth() -> None:
    usual = ServiceTime(1.0, 0.01)
    samples = [(2.0 - TICK, 100.0)] * 6 + [(4.0 - TICK, 300.0)]
    assert usual.compare(samples) == pytest.approx((1.0, 0.0), abs=1e-9)
    assert usual.compare([(1000.0, 0.0), *samples]).factor == pytest.approx(1.0)
    assert usual.compare([*samples[:-1], (1000.0, 0.0)]).factor > 10
    assert usual.compare([(1.0 - TICK, 0.0), (3.0 - TICK, 0.0)]) == pytest.approx((2.0, math.sqrt(2) / 2))


def test_a_service_time_is_scaled_and_averaged_in_both_parts() -> None:
    assert ServiceTime(2.0, 0.5).scaled(3.0) == (6.0, 1.5)
    assert ServiceTime(2.0, 0.5).between(ServiceTime(4.0, 1.0)) == (3.0, 0.75)


# --- what was sent within a span


def sent(*entries: tuple[float, float], span: float = 10.0) -> SentWindow:
    window = SentWindow(span)
    for now, amount in entries:
        window.sent(now, amount)
        window.answered(now + 100.0, now, amount)
    return window


def ends(window: SentWindow) -> list[float]:
    return [cell.expires for cell in window.cells]


def test_a_request_counts_from_when_it_is_sent() -> None:
    window = sent((1.0, 4.0), (3.0, 2.0))
    assert ends(window) == pytest.approx([11.0 + MARGIN, 13.0 + MARGIN], rel=1e-9)
    assert (window.used, window.under_way, window.since) == (6.0, 0, 1.0)
    window.advance(12.0)
    assert (window.used, window.next_expiry(12.0)) == pytest.approx((2.0, 13.0 + MARGIN))


def test_queries_are_counted_apart() -> None:
    window = SentWindow(10.0)
    window.sent(1.0, 4.0, is_query=True)
    window.sent(1.0, 2.0)
    assert (window.used, window.others, window.under_way) == (6.0, 4.0, 2)
    window.advance(12.0)
    assert (window.used, window.others) == (0.0, 0.0)


def test_requests_of_one_moment_share_a_cell() -> None:
    window = sent((1.0, 1.0), (1.0, 1.0), (1.0 + 10.0 / 1200, 1.0), (1.009, 1.0), (0.5, 1.0))
    assert [cell.amount for cell in window.cells] == [3.0, 1.0, 1.0]


def test_a_margin_is_added_to_entries_that_are_there_and_to_later_ones() -> None:
    window = sent((1.0, 4.0))
    window.widen(0.5)
    window.widen(0.25)
    window.sent(2.0, 1.0)
    assert window.margin == 0.75
    assert ends(window) == pytest.approx([11.75 + MARGIN, 12.75 + MARGIN])


def test_another_span_moves_all_ends() -> None:
    window = sent((1.0, 4.0), (3.0, 2.0))
    window.widen(0.5)
    window.resize(5.0)
    assert (window.span, window.grain) == pytest.approx((5.0, 5.0 / 1200))
    assert ends(window) == pytest.approx([6.5 + MARGIN, 8.5 + MARGIN])


def test_a_new_window_of_the_server_forgets_what_was_sent_before() -> None:
    window = sent((1.0, 4.0), (3.0, 2.0), (5.0, 1.0))
    window.cells[0].queries, window.others = 3.0, 3.0
    window.forget(3.0)
    assert (window.used, window.others, len(window.cells)) == (3.0, 0.0, 2)
    window.forget(100.0)
    assert (window.used, len(window.cells)) == (0.0, 0)


@pytest.mark.parametrize(
    ("sent_at", "delta", "amounts"),
    [
        (3.0, 1.5, [4.0, 3.5]),
        (1.0, -1.0, [3.0, 2.0]),
        (1.0, -9.0, [0.0, 2.0]),
        (2.0, 5.0, [4.0, 2.0]),
        (0.5, 5.0, [4.0, 2.0]),
        (7.0, 5.0, [4.0, 2.0]),
    ],
)
def test_only_the_entry_of_that_moment_is_adjusted(sent_at: float, delta: float, amounts: list[float]) -> None:
    window = sent((1.0, 4.0), (3.0, 2.0))
    window.adjust(sent_at, delta)
    assert [cell.amount for cell in window.cells] == amounts
    assert window.used == sum(amounts)


def original() -> Window:
    """Answered at 20 and sent at 5 and 15; one query in flight since 18."""
    window = Window(60.0)
    for at in (5.0, 15.0):
        window.sent(at, 4.0, is_query=at == 15.0)
        window.answered(at + 5.0, at, 4.0, is_query=at == 15.0)
    window.sent(18.0, 2.0)
    return window


def test_a_copy_has_what_was_sent_within_the_span_and_counts_the_rest_from_now() -> None:
    copy = SentWindow.copy(original(), 10.0, 20.0)
    assert [(cell.sent_at, cell.amount, cell.queries) for cell in copy.cells] == [(15.0, 4.0, 4.0), (20.0, 2.0, 0.0)]
    assert (copy.used, copy.others, copy.under_way, copy.span) == (6.0, 4.0, 1, 10.0)
    copy.adjust(18.0, 1.0)
    assert copy.used == 7.0, "it was in flight when the copy was made"
    assert len(SentWindow.copy(original(), 5.0, 20.0).cells) == 1, "exactly a span old is too old"


def test_a_flow_in_bursts_keeps_requests_and_tokens_alike() -> None:
    requests, tokens = Window(), Window()
    flow = BurstFlow(0.0, 10.0, (requests, tokens))
    assert (flow.span, flow.until_room(5.0)) == (10.0, 0.0)
    flow.sent(1.0, (1.0, 50.0), is_query=True)
    flow.sent(2.0, (1.0, 30.0), is_query=False)
    flow.corrected(2.0, 5.0)
    seen = [flow.window(place) for place in (0, 1)]
    assert [(window.used, window.others) for window in seen if window is not None] == [(2.0, 1.0), (85.0, 50.0)]
    assert flow.until_room(5.0) == pytest.approx(6.0, abs=1e-5)
    flow.refunded(2.0, (1.0, 35.0))
    flow.answered(3.0, 1.0, (1.0, 50.0), is_query=True, success=True)
    assert [(window.used, window.under_way) for window in seen if window is not None] == [(1.0, 1), (50.0, 1)]
    assert flow.until_room(11.5) == pytest.approx(0.5, abs=1e-5)
    assert flow.until_room(20.0) == 0.0


def test_it_begins_to_watch_anew_after_a_span_without_requests() -> None:
    flow = BurstFlow(0.0, 10.0, (Window(), Window()))
    for now in (1.0, 30.0):
        flow.sent(now, (1.0, 50.0), is_query=False)
        flow.answered(now, now, (1.0, 50.0), is_query=False, success=True)
    assert [window.since for place in (0, 1) if (window := flow.window(place)) is not None] == [30.0, 30.0]


def test_it_has_room_once_its_oldest_request_expires_also_one_without_tokens() -> None:
    requests = Window()
    requests.sent(1.0, 1.0)
    requests.answered(2.0, 1.0, 1.0)
    assert BurstFlow(4.0, 10.0, (requests, Window())).until_room(4.0) == pytest.approx(7.0, abs=1e-5)
