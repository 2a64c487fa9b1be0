"""The parts of requests as tables, from invented figures, word for word."""

from __future__ import annotations

from dataclasses import replace

from aembed.bench.model.breakdown import Breakdown, SlowRequest
from aembed.bench.report import sections
from tests.bench.reports import report
from tests.bench.tables import note, rows

SLOW = SlowRequest(
    at=1.5,
    time="03:12:45.123",
    response=0.06,
    outcome="ok",
    label="",
    main="db",
    parts={"db": 0.05, "other": 0.01},
    attempts=1,
    new_connection=False,
    request_ids=(),
)
PARTS = Breakdown(
    requests=900, mean={"db": 0.03, "other": 0.01}, slow={"db": 0.06, "new": 0.02}, slow_requests=36, slowest=(SLOW,)
)


def test_parts_of_all_requests_lie_beside_those_of_the_slow_ones() -> None:
    made = replace(report(), breakdown=PARTS)
    assert rows(made, "Where the time went") == [
        ("db", "30.0 ms", "75.0 %", "60.0 ms", "75.0 %"),
        ("other", "10.0 ms", "25.0 %", "0 s", "0 %"),
        ("new", "0 s", "0 %", "20.0 ms", "25.0 %"),
        ("together", "40.0 ms", "", "80.0 ms", ""),
    ]
    slow = "Means of 900 good requests, and of 36 of them between p95 and p99. Other: no part was marked."
    assert note(made, "Where the time went") == slow
    few = replace(report(), breakdown=replace(PARTS, mean={"db": 0.0}, slow={}))
    assert rows(few, "Where the time went") == [("db", "0 s", "0 %"), ("together", "0 s", "")]
    assert note(few, "Where the time went") == "Means of 900 good requests."
    columns = [table.columns for made in (made, few) for table in sections.tables(made) if "went" in table.title]
    assert columns == [("part", "all requests", "", "p95 to p99", ""), ("part", "all requests", "")]
    none = replace(report(), breakdown=replace(PARTS, requests=0, slowest=()))
    assert [table.title for table in sections.tables(none)] == ["Where and how"]


def test_the_slowest_have_the_columns_in_which_they_differ_from_the_usual() -> None:
    made = replace(report(), breakdown=PARTS)
    assert rows(made, "Slowest requests") == [("03:12:45.123", "60.0 ms", "db 50.0 ms")]
    other = replace(
        SLOW,
        outcome="timed_out",
        label="user 7",
        main="lock",
        attempts=2,
        new_connection=True,
        request_ids=("req-1", "req-2"),
    )
    both = replace(report(), breakdown=replace(PARTS, slowest=(other, replace(SLOW, attempts=None))))
    assert rows(both, "Slowest requests") == [
        ("03:12:45.123", "60.0 ms", "lock 0 s", "timed out", "2", "new", "user 7", "req-1, req-2"),
        ("03:12:45.123", "60.0 ms", "db 50.0 ms", "ok", "", "", "", ""),
    ]
    (table,) = [found for found in sections.tables(both) if found.title == "Slowest requests"]
    assert table.columns[3:] == ("outcome", "attempts", "connection", "request", "request id")
