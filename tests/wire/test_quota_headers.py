"""Seconds and counts out of headers; whatever is no sensible number means unknown."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aembed._types import QuotaHints
from aembed._wire.quota_headers import duration, quota_hints, retry_after
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
        ({"retry-after": "Sun, 06 Nov 2022 12:00:30 GMT"}, None),
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


@given(st.text(max_size=60), st.text(max_size=60))
def test_any_header_gives_a_sensible_number_or_none(value: str, date: str) -> None:
    for seconds in (
        retry_after(Headers({"retry-after": value, "date": date})),
        retry_after(Headers({"retry-after-ms": value})),
        retry_after(Headers({"retry-after": value, "date": NOON})),
        duration(value),
    ):
        assert seconds is None or (math.isfinite(seconds) and seconds >= 0)
