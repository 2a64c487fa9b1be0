"""Seconds and counts out of headers; anything but a sensible number means unknown."""

from __future__ import annotations

import math
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aembed._types import QuotaHints
from aembed._wire.quota_headers import (
    Scope,
    duration,
    has_no_quota,
    quota_hints,
    quota_scope,
    reset_after,
    retry_after,
    wait_in_words,
)
from tests.wire.fake import Headers

NOON = "Sun, 06 Nov 2022 12:00:00 GMT"


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ({"retry-after": "3"}, 3.0),
        ({"Retry-After": "0.5"}, 0.5),
        ({"retry-after": "0"}, 0.0),
        ({"retry-after-ms": "250"}, 0.25),
        ({"retry-after-ms": "250", "retry-after": "3"}, 0.25),
        ({"retry-after-ms": "soon", "retry-after": "3"}, 3.0),
        ({"retry-after": "Sun, 06 Nov 2022 12:00:30 GMT", "Date": NOON}, 30.0),
        ({"retry-after": "Sun, 06 Nov 2022 11:00:00 GMT", "Date": NOON}, 0.0),
        ({"retry-after": "Sun, 06 Nov 2022 12:00:30 GMT"}, 0.0),
        ({"retry-after": "Sun, 06 Nov 2022 12:00:30 -0000", "Date": NOON}, 30.0),
        ({"retry-after": "Sun, 06 Nov 2022 12:00:30 GMT", "Date": "yesterday"}, None),
        ({"retry-after": "soon", "Date": NOON}, None),
        ({"retry-after": "-1"}, None),
        ({"retry-after": "nan"}, None),
        ({"retry-after": "inf"}, None),
        ({"retry-after": "9" * 400}, None),
        ({"retry-after": ""}, None),
        ({}, None),
    ],
)
def test_retry_after(headers: dict[str, str], seconds: float | None) -> None:
    assert retry_after(Headers(headers)) == seconds


@pytest.mark.parametrize(
    ("value", "seconds"),
    [
        ("12ms", 0.012),
        ("6m0s", 360.0),
        ("1h2m3.5s", 3723.5),
        ("1d", 86400.0),
        ("3s", 3.0),
        ("59.5", 59.5),
        ("0", 0.0),
        ("3 s", None),
        ("s3", None),
        ("-3s", None),
        ("3s later", None),
        ("", None),
        (None, None),
        ("9" * 60 + "s", None),
        ("1" * 8000, None),
    ],
)
def test_durations(value: str | None, seconds: float | None) -> None:
    assert duration(value) == pytest.approx(seconds)


def test_quota_headers() -> None:
    headers = Headers(
        {
            "x-ratelimit-limit-requests": "3000",
            "x-ratelimit-remaining-requests": "2999",
            "x-ratelimit-reset-requests": "20ms",
            "X-RateLimit-Remaining-Tokens": "-1",
            "x-ratelimit-limit-tokens": "a lot",
        }
    )
    assert quota_hints(headers) == QuotaHints(limit_requests=3000, remaining_requests=2999, reset_requests=0.02)
    assert quota_hints(Headers({"x-ratelimit-limit-tokens": "-1"})) is None
    assert quota_hints(Headers()) is None


def test_a_date_without_the_servers_clock_is_compared_with_ours() -> None:
    later = format_datetime(datetime.now(UTC) + timedelta(seconds=90), usegmt=True)
    waits = retry_after(Headers({"retry-after": later}))
    assert waits is not None
    assert 60 < waits <= 90


@pytest.mark.parametrize("value", ["inf", "Infinity", "-inf", "nan", "1e999", "9" * 400])
def test_an_infinite_limit_is_unknown(value: str) -> None:
    for what in ("limit", "remaining", "reset"):
        assert quota_hints(Headers({"x-ratelimit-limit-tokens": "1", f"x-ratelimit-{what}-tokens": value})) == (
            QuotaHints(limit_tokens=1) if what != "limit" else None
        )
    assert reset_after(Headers({"x-ratelimit-reset-tokens": value})) is None


def test_a_quota_that_refills_in_years_is_no_quota() -> None:
    hints = quota_hints(Headers({"x-ratelimit-remaining-requests": "0", "x-ratelimit-reset-requests": "1000d"}))
    assert hints == QuotaHints(remaining_requests=0)
    day = quota_hints(Headers({"x-ratelimit-remaining-requests": "0", "x-ratelimit-reset-requests": "24h"}))
    assert day == QuotaHints(remaining_requests=0, reset_requests=86_400)


@pytest.mark.parametrize(
    ("headers", "hints"),
    [
        (
            {
                "x-ratelimit-limit-req-minute": "50",
                "x-ratelimit-remaining-req-minute": "49",
                "x-ratelimit-limit-tokens-minute": "50000",
                "x-ratelimit-remaining-tokens-minute": "47300",
                "x-ratelimit-tokens-query-cost": "1300",
            },
            QuotaHints(limit_requests=50, remaining_requests=49, limit_tokens=50_000, remaining_tokens=47_300),
        ),
        (
            {"x-ratelimitbysize-limit-minute": "500000", "x-ratelimitbysize-remaining-minute": "499000"},
            QuotaHints(limit_tokens=500_000, remaining_tokens=499_000),
        ),
        ({"x-ratelimit-remaining-tokens-minute": "7"}, QuotaHints(remaining_tokens=7)),
    ],
)
def test_other_vendors_spellings(headers: dict[str, str], hints: QuotaHints) -> None:
    assert quota_hints(Headers(headers)) == hints


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ({"x-ratelimit-remaining-requests": "0", "x-ratelimit-reset-requests": "20s"}, 20.0),
        ({"x-ratelimit-reset-tokens": "6m0s"}, 360.0),
        # the quota that has something left is not the one exceeded
        (
            {
                "x-ratelimit-remaining-requests": "0",
                "x-ratelimit-reset-requests": "2s",
                "x-ratelimit-remaining-tokens": "900",
                "x-ratelimit-reset-tokens": "50s",
            },
            2.0,
        ),
        ({"x-ratelimit-remaining-requests": "9", "x-ratelimit-reset-requests": "50s"}, None),
        ({"x-ratelimit-reset-requests": "2s", "x-ratelimit-reset-tokens": "50s"}, 50.0),
        ({"ratelimit-reset": "7"}, 7.0),
        ({"ratelimitbysize-reset": "12"}, 12.0),
        ({"x-ratelimit-reset": "1795881600"}, None),  # a date, in seconds since 1970
        ({"x-ratelimit-reset-requests": "1000d"}, None),
        ({}, None),
    ],
)
def test_when_a_quota_refills(headers: dict[str, str], seconds: float | None) -> None:
    assert reset_after(Headers(headers)) == seconds


@pytest.mark.parametrize(
    ("words", "seconds"),
    [
        ("Rate limit reached for m on requests per min (RPM): Limit 3. Please try again in 20s. Visit ...", 20.0),
        ("Please try again in 6ms.", 0.006),
        ("Please try again in 1m3s.", 63.0),
        ("Please try again in 7m12.5s.", 432.5),
        ("Please try again in 2h3m", 7380.0),
        ("exceeded token rate limit. Please retry after 37 seconds. Please contact", 37.0),
        ("Please retry in 33.384105706s.", 33.384105706),
        ("please wait 1 minute and 5 seconds", 65.0),
        ("Please wait 0 seconds before retrying", 0.0),
        ("Retry after 10secs", 10.0),
        ("try again in 5 attempts", None),
        ("try again later", None),
        ("limited to 100 API calls / minute", None),
    ],
)
def test_waits_in_words(words: str, seconds: float | None) -> None:
    assert wait_in_words(words) == pytest.approx(seconds)


@pytest.mark.parametrize(
    ("said", "headers", "scope"),
    [
        ("Rate limit reached on requests per day (RPD): Limit 200", {}, "day"),
        ("Rate limit reached on tokens per min (TPM): Limit 200", {}, "minute"),
        ("EmbedContentRequestsPerDayPerUserPerProjectPerModel-FreeTier", {}, "day"),
        ("EmbedContentRequestsPerMinutePerUserPerProjectPerModel-FreeTier", {}, "minute"),
        ("limited to 100 API calls / minute", {}, "minute"),
        ("too fast", {"x-ratelimit-type": "UserByModelByDay"}, "day"),
        ("too fast", {"x-ratelimit-type": "UserByMinute"}, "minute"),
        ("too fast", {"x-ratelimit-remaining-requests-day": "0"}, "day"),
        ("too fast", {"x-ratelimit-remaining-requests-day": "3"}, None),
        ("too fast", {}, None),
    ],
)
def test_the_period_of_a_quota(said: str, headers: dict[str, str], scope: Scope | None) -> None:
    assert quota_scope(said, Headers(headers)) == scope


@given(st.text(max_size=60), st.text(max_size=60))
def test_any_header_gives_a_sensible_number_or_none(value: str, date: str) -> None:
    for seconds in (
        retry_after(Headers({"retry-after": value, "date": date})),
        retry_after(Headers({"retry-after-ms": value})),
        retry_after(Headers({"retry-after": value, "date": NOON})),
        reset_after(Headers({"x-ratelimit-reset-requests": value})),
        wait_in_words(f"try again in {value}"),
        duration(value),
    ):
        assert seconds is None or (math.isfinite(seconds) and seconds >= 0)


@pytest.mark.parametrize(
    ("unit", "seconds"),
    [
        *((unit, 0.001) for unit in ("ms", "millisecond", "milliseconds")),
        *((unit, 1) for unit in ("s", "sec", "secs", "second", "seconds", "S")),
        *((unit, 60) for unit in ("m", "min", "mins", "minute", "minutes")),
        *((unit, 3600) for unit in ("h", "hour", "hours")),
        *((unit, 86_400) for unit in ("d", "day", "days")),
    ],
)
def test_units_of_time(unit: str, seconds: float) -> None:
    assert wait_in_words(f"try again in 3 {unit}.") == pytest.approx(3 * seconds)
    if len(unit) <= 2 and unit != "S":
        assert duration(f"3{unit}") == pytest.approx(3 * seconds)


def test_a_day_is_the_longest_reset() -> None:
    for seconds, known in ((86_400, 86_400), (86_401, None)):
        assert reset_after(Headers({"ratelimit-reset": str(seconds)})) == known


def test_a_value_of_forty_characters_is_the_longest() -> None:
    for value, known in (("1" + "0" * 36 + "3.5", None), ("0" * 37 + "3.5", 3.5), ("0" * 38 + "3.5", None)):
        if known is not None or len(value) > 40:
            assert retry_after(Headers({"retry-after": value})) == known
            assert duration(value) == known
    assert duration("0" * 38 + "3s") == 3.0
    assert duration("0" * 39 + "3s") is None
    day = "." * 33 + "ByDay"
    assert quota_scope("", Headers({"x-ratelimit-type": "x" * 35 + "ByDay"})) == "day"
    assert quota_scope("", Headers({"x-ratelimit-type": "x" * 36 + "ByDay"})) is None
    assert quota_scope("", Headers({"x-ratelimit-type": day})) == "day"


@pytest.mark.parametrize("limit", ["0", "0.0"])
def test_a_plan_without_the_model(limit: str) -> None:
    assert has_no_quota(Headers({"x-ratelimit-limit-req-minute": limit}))
    assert not has_no_quota(Headers({"x-ratelimit-limit-req-minute": "1"}))
    assert not has_no_quota(Headers({"x-ratelimit-remaining-req-minute": limit}))
    assert not has_no_quota(Headers())


def test_a_quota_of_a_day_that_is_spent() -> None:
    assert quota_scope("", Headers({"x-ratelimit-remaining-tokens-day": "0"})) == "day"
    both = {"x-ratelimit-remaining-requests-day": "9", "x-ratelimit-remaining-tokens-day": "0"}
    assert quota_scope("", Headers(both)) == "day"
    assert quota_scope("", Headers({"x-ratelimit-remaining-inputs-day": "0"})) is None


def test_a_spelling_gives_all_its_numbers() -> None:
    for requests, tokens in (
        ("x-ratelimit-{}-requests", "x-ratelimit-{}-tokens"),
        ("x-ratelimit-{}-req-minute", "x-ratelimit-{}-tokens-minute"),
        (None, "x-ratelimitbysize-{}-minute"),
    ):
        said = {"limit": "10", "remaining": "4", "reset": "6s"}
        headers = {
            pattern.format(what): value for pattern in (requests, tokens) if pattern for what, value in said.items()
        }
        expected = {"limit": 10.0, "remaining": 4.0, "reset": 6.0}
        units = ["tokens"] if requests is None else ["requests", "tokens"]
        assert quota_hints(Headers(headers)) == QuotaHints(
            **{f"{what}_{unit}": number for what, number in expected.items() for unit in units}
        )


def test_the_first_spelling_with_a_number_holds() -> None:
    headers = {"x-ratelimit-limit-requests": "1", "x-ratelimit-limit-req-minute": "2"}
    assert quota_hints(Headers(headers)) == QuotaHints(limit_requests=1)
    assert quota_hints(Headers({"x-ratelimit-reset-requests": "1s"})) is None, "a reset of nothing tells nothing"


def test_the_longest_of_several_resets_is_waited_for() -> None:
    headers = {"ratelimit-reset": "7", "x-ratelimit-reset": "9", "ratelimitbysize-reset": "8"}
    assert reset_after(Headers(headers)) == 9
    assert reset_after(Headers({**headers, "x-ratelimit-reset-tokens": "1m"})) == 60
