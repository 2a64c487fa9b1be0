"""The work of a run as tables, from invented figures, word for word."""

from __future__ import annotations

from dataclasses import replace

from aembed.bench.model.estimates import Estimate
from aembed.bench.model.result import Report
from aembed.bench.model.work import LengthCost, Lengths, Work
from aembed.bench.report import sections
from tests.bench.reports import around, report
from tests.bench.tables import note, rows

WORK = Work(
    model="openai:small",
    source="passages, 2 per call",
    texts=1000,
    texts_rate=100.0,
    tokens=25_000,
    tokens_rate=2500.0,
    tokens_from="provider",
    bytes=100_000,
    bytes_rate=10_000.0,
    sent=500,
    retries=0,
    cache_hits=0,
    shared=0,
    merged=0,
    repeated=None,
    lengths=None,
    price=None,
    cost=None,
)
LINE = LengthCost(
    requests=1200,
    fixed=around(0.01),
    per_character=Estimate(value=2e-6, low=1e-6, high=3e-6),
    characters_per_token=4.0,
)
USUAL = [
    ("texts", "1,000", "100/s"),
    ("tokens", "25,000", "2,500/s"),
    ("bytes", "100 kB", "10.0 kB/s"),
    ("sent to the provider", "500 requests", ""),
]


def made(work: Work) -> Report:
    return replace(report(), mode="open", work=work)


def test_only_what_is_unusual_is_added_to_texts_tokens_bytes_and_requests() -> None:
    assert rows(made(WORK), "Work") == USUAL
    assert note(made(WORK), "Work") == "texts: passages, 2 per call"
    assert [table.title for table in sections.tables(made(WORK))] == ["Work", "Where and how"]
    unusual = replace(
        WORK,
        retries=1,
        cache_hits=2,
        shared=3,
        merged=4,
        errors={"Timeout": 5},
        repeated=6,
        lengths=Lengths(mean=400.0, p50=390, p95=1234, max=5678),
        requests_per_minute=60.0,
        tokens_per_minute=1000.0,
        price=0.02,
        cost=0.0005,
    )
    assert rows(made(unusual), "Work")[4:] == [
        ("retries", "1", ""),
        ("texts from a cache", "2", ""),
        ("texts shared in flight", "3", ""),
        ("calls merged", "4", ""),
        ("failed: Timeout", "5 requests", ""),
        ("texts repeated", "6", ""),
        ("characters per text", "median 390, p95 1,234, max 5,678", ""),
        ("limits of the account", "60 requests/min, 1,000 tokens/min", ""),
        ("cost", "$0.000500", "$0.0200 per million tokens"),
    ]
    partly = replace(WORK, repeated=0, tokens_per_minute=1000.0, price=0.02, tokens_from="characters")
    assert rows(made(partly), "Work")[4:] == [("limits of the account", "1,000 tokens/min", "")]
    assert rows(made(partly), "Work")[1][0] == "tokens (four characters each)"


def test_the_time_by_length_is_for_a_thousand_characters_and_tokens() -> None:
    work = replace(WORK, by_length=LINE)
    assert rows(made(work), "Service time by length") == [
        ("fixed", "10.0 ms (9.90 to 10.1 ms)"),
        ("per 1,000 characters", "2.00 ms (1.00 to 3.00 ms)"),
        ("per 1,000 tokens", "8.00 ms (4.00 to 12.0 ms)"),
    ]
    assert note(made(work), "Service time by length").startswith("a straight line through 1,200 requests;")
    bare = replace(LINE, per_character=Estimate(value=2e-6))
    guessed = replace(WORK, by_length=bare, tokens_from="characters")
    assert rows(made(guessed), "Service time by length")[1:] == [("per 1,000 characters", "2.00 ms (no interval)")]
