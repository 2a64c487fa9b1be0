"""Parts of the server that need no connection: latency, workers, meters, hints, encoded vectors. Numbers by hand."""

from __future__ import annotations

import math
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from random import Random
from unittest.mock import patch

import msgspec
import numpy as np
import pybase64
import pytest

from aembed.testing import Capacity, Hints, Latency, Quota, QuotaKeeper, QuotaRule
from aembed.testing.quotas import Bucket, FixedWindow, SlidingWindow
from aembed.testing.server.latency import Workers
from aembed.testing.server.vectors import VectorEncoder


def test_latency_is_its_median_and_a_part_for_each_text_and_token() -> None:
    random = Random(7)
    before = random.getstate()
    assert Latency().sample(random, 3, 100) == 0.0
    assert Latency(median=0.5, per_text=0.1, per_token=0.01).sample(random, 3, 100) == pytest.approx(1.8)
    assert random.getstate() == before, "without a spread no dice are thrown"


def test_latency_has_a_lognormal_spread_around_its_median() -> None:
    latency, random = Latency(median=0.5, sigma=0.3), Random(7)
    drawn = sorted(latency.sample(random, 1, 1) for _ in range(2001))
    assert drawn[1000] == pytest.approx(0.5, rel=0.05)
    assert drawn[1683] / drawn[1000] == pytest.approx(math.exp(0.3), rel=0.1)


def test_workers_take_requests_in_order_of_arrival() -> None:
    workers = Workers(Capacity(workers=2))
    assert [workers.take(1.0, seconds) for seconds in (3.0, 1.0, 1.0, 1.0)] == [3.0, 1.0, 2.0, 3.0]
    assert workers.take(10.0, 1.0) == 1.0


def test_a_full_queue_takes_no_request_until_one_of_it_begins() -> None:
    workers = Workers(Capacity(workers=1, max_waiting=2))
    assert [workers.take(0.0, 1.0) for _ in range(4)] == [1.0, 2.0, 3.0, None]
    assert workers.take(0.9, 1.0) is None
    assert workers.take(1.0, 1.0) == 3.0
    assert workers.take(1.0, 1.0) is None


def test_without_a_queue_a_free_worker_still_takes_a_request() -> None:
    workers = Workers(Capacity(workers=1, max_waiting=0))
    assert [workers.take(0.0, 1.0), workers.take(0.5, 1.0), workers.take(1.0, 1.0)] == [1.0, None, 1.0]


def test_a_server_works_on_one_request_and_lets_512_wait_unless_told() -> None:
    assert (Capacity().workers, Capacity().max_waiting) == (1, 512)


def test_a_bucket_starts_full_and_refills_all_the_time() -> None:
    bucket = Bucket(rate=2.0, capacity=10.0)
    assert (bucket.wait(5.0, 10.0), bucket.wait(5.0, 10.1), bucket.reset(5.0)) == (0.0, math.inf, 0.0)
    bucket.add(5.0, 8.0)
    assert (bucket.used(5.0), bucket.wait(5.0, 3.0), bucket.reset(5.0)) == (8.0, 0.5, 4.0)
    assert (bucket.used(6.0), bucket.used(5.5), bucket.used(9.0)) == (6.0, 6.0, 0.0)
    bucket.add(9.0, 100.0)
    assert bucket.used(9.0) == 10.0, "no more is missing than it holds"


def test_a_sliding_window_counts_each_request_for_its_span() -> None:
    window = SlidingWindow(10.0, 60.0)
    window.add(100.0, 6.0)
    window.add(110.0, 3.0)
    window.add(115.0, 0.0)
    assert (window.used(120.0), window.reset(120.0)) == (9.0, 50.0)
    assert [window.wait(120.0, amount) for amount in (1.0, 1.1, 7.0, 7.1, 10.0)] == [0.0, 40.0, 40.0, 50.0, 50.0]
    assert window.wait(120.0, 10.1) == math.inf
    assert (window.used(159.9), window.used(160.0), window.used(170.0)) == (9.0, 3.0, 0.0)
    assert window.reset(170.0) == 0.0


def test_a_fixed_window_begins_at_every_multiple_of_its_span() -> None:
    window = FixedWindow(10.0, 60.0)
    window.add(100.0, 6.0)
    assert (window.used(119.0), window.reset(119.0)) == (6.0, 1.0)
    assert [window.wait(100.0, amount) for amount in (4.0, 4.1, 10.0, 10.1)] == [0.0, 20.0, 20.0, math.inf]
    assert (window.used(120.0), window.reset(120.0)) == (0.0, 0.0)
    assert window.used(119.0) == 0.0, "a clock that goes back opens no window again"


@pytest.mark.parametrize("algorithm", ["bucket", "sliding", "fixed"])
def test_levels_have_the_limit_a_minute_and_what_is_left_of_the_span(algorithm: str) -> None:
    rule = QuotaRule("tokens", 600.0, algorithm, 10.0)  # type: ignore[arg-type]
    keeper = QuotaKeeper(Quota((rule,)))
    keeper.take(1000.0, tokens=30.0)
    (level,) = keeper.levels(1000.0)
    assert (level.resource, level.limit, level.remaining) == ("tokens", 600.0, 70.0)
    assert level.reset == pytest.approx(3.0 if algorithm == "bucket" else 10.0)


def test_a_429_names_the_resource_that_is_short_for_longest() -> None:
    keeper = QuotaKeeper(Quota.per_minute(requests=60.0, tokens=60.0, inputs=60.0))
    short_of = [keeper.short_of]
    keeper.take(0.0)
    assert [level.remaining for level in keeper.levels(0.0)] == [59.0, 60.0, 60.0]
    keeper.take(0.0, 59, 60, 60)
    for tokens, wait in [(3, 3.0), (1, 2.0)]:
        assert keeper.take(0.0, 1, tokens, 2) == wait
        short_of.append(keeper.short_of)
    assert short_of == ["requests", "tokens", "inputs"]


@pytest.mark.parametrize(
    ("kind", "headers"),
    [
        (None, {}),
        ("seconds", {"retry-after": "2"}),
        ("milliseconds", {"retry-after-ms": "1235", "retry-after": "2"}),
    ],
)
def test_retry_after_is_rounded_up(kind: str | None, headers: dict[str, str]) -> None:
    assert Hints(retry_after=kind).retry_after_headers(1.2345) == headers  # type: ignore[arg-type]
    for never in (0.0, -1.0, math.inf):
        assert Hints(retry_after=kind).retry_after_headers(never) == {}  # type: ignore[arg-type]


def test_a_date_is_that_of_the_servers_clock() -> None:
    hints = Hints(retry_after="date", skew=3600.0)
    headers = hints.retry_after_headers(1.2)
    now, then = (parsedate_to_datetime(headers[name]) for name in ("date", "retry-after"))
    assert then - now == timedelta(seconds=2)
    assert timedelta(seconds=3590) < now - datetime.now(UTC) < timedelta(seconds=3610)
    assert parsedate_to_datetime(hints.date()) - now < timedelta(seconds=10)
    assert (Hints().limits, Hints().retry_after, Hints().skew) == (True, "seconds", 0.0)
    assert (Hints.hidden().limits, Hints.hidden().retry_after) == (False, None)


def test_vectors_are_remembered_as_long_as_there_is_room() -> None:
    """Four numbers in base64 are 26 bytes with their quotes."""
    encoder, made = VectorEncoder(cache_bytes=52), list[list[str]]()
    vectors = VectorEncoder._vectors

    def noted(self: VectorEncoder, texts: list[str], dim: int) -> object:
        made.append(list(texts))
        return vectors(self, texts, dim)

    with patch.object(VectorEncoder, "_vectors", noted):
        first = encoder.encode(["a", "b", "a"], 4, base64=True)
        assert encoder.encode(["b", "a"], 4, base64=True) == [first[1], first[0]]
        encoder.encode(["a", "c"], 4, base64=True)
        encoder.encode(["c"], 4, base64=True)
        encoder.encode(["a"], 4, base64=False)
    assert made == [["a", "b"], ["c"], ["c"], ["a"]], "there is room for two, and none for another form"


def test_both_forms_of_a_vector_have_the_same_bits() -> None:
    encoder = VectorEncoder(seed=3)
    (packed,), (numbers,) = (encoder.encode(["text"], 8, base64=base64) for base64 in (True, False))
    row = np.frombuffer(pybase64.b64decode(msgspec.json.decode(packed)), "<f4")
    np.testing.assert_array_equal(row, np.array(msgspec.json.decode(numbers), np.float32))
    assert VectorEncoder(seed=4).encode(["text"], 8, base64=True) != [packed]
