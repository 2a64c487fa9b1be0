"""The bytes of each fault, and a server's defaults."""

from __future__ import annotations

import gzip
from dataclasses import asdict
from itertools import islice
from typing import Any

import pytest

from aembed.testing import Capacity, Hints, Latency, Quirks
from aembed.testing.faults.answers import Redirect, Rewrite, Status
from aembed.testing.faults.draw import TRANSIENT, at_random
from aembed.testing.faults.fault import Answer, End
from aembed.testing.faults.malformed import (
    BadChunk,
    EndlessHeaders,
    Garbage,
    GzipBomb,
    HugeBody,
    SlowBody,
    Surplus,
    Truncate,
    Understate,
)
from aembed.testing.quotas import Bucket, FixedWindow, SlidingWindow
from aembed.testing.server.log import Counters, Entry, Log
from aembed.testing.server.request_handler import Behaviour

GOOD = Answer(200, {"a": "b"}, b'{"x":12345}')


def head(length: int, status: str = "200 OK", more: str = "") -> bytes:
    return f"HTTP/1.1 {status}\r\na: b\r\n{more}content-length: {length}\r\n\r\n".encode()


@pytest.mark.parametrize(
    ("fault", "steps"),
    [
        (Truncate(), [head(11) + b'{"x":', End.CLOSED]),
        (Understate(), [head(1) + GOOD.body]),
        (Understate(by=11), [head(0) + GOOD.body]),
        (Understate(by=12), [head(0) + GOOD.body]),
        (Surplus(), [head(11) + GOOD.body + b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\n{}"]),
        (
            BadChunk(),
            [
                b'HTTP/1.1 200 OK\r\na: b\r\ntransfer-encoding: chunked\r\n\r\n5\r\n{"x":\r\n',
                b"zz\r\n12345}\r\n0\r\n\r\n",
            ],
        ),
        (Garbage(b"no"), [b"no", End.CLOSED]),
        (SlowBody(size=6), [head(11), 1.0, b'{"x":1', 1.0, b"2345}"]),
        (HugeBody(size=65536 * 2, says_so=True), [head(131072), b" " * 65536, b" " * 65536, End.CLOSED]),
        (Status(503), [head(0, "503 Service Unavailable")]),
        (Status(599, {"y": 1}), [head(7, "599 Unassigned") + b'{"y":1}']),
        (Redirect("/there"), [head(0, "307 Temporary Redirect", "location: /there\r\n")]),
        (Rewrite(lambda body: {**body, "y": 1}), [head(17) + b'{"x":12345,"y":1}']),
    ],
)
def test_steps_of_each_fault(fault: Any, steps: list[Any]) -> None:
    assert list(fault.play(GOOD)) == steps


def test_faults_without_an_end() -> None:
    begun = list(islice(EndlessHeaders(0.5).play(GOOD), 5))
    assert begun == [head(11)[:-2], b"x-more-0: and more\r\n", 0.5, b"x-more-1: and more\r\n", 0.5]
    chunked = list(HugeBody(size=65536).play(GOOD))
    assert chunked == [
        b"HTTP/1.1 200 OK\r\na: b\r\ntransfer-encoding: chunked\r\n\r\n",
        b"10000\r\n" + b" " * 65536 + b"\r\n",
        End.CLOSED,
    ]
    (bomb,) = GzipBomb(1000).play(GOOD)
    assert isinstance(bomb, bytes)
    assert gzip.decompress(bomb.partition(b"\r\n\r\n")[2]) == b'{"data":[' + b" " * 1000 + b"]}"
    assert (GzipBomb().size, HugeBody().size, SlowBody().seconds, EndlessHeaders().seconds) == (5 * 10**7, 10**9, 1, 0)


def test_faults_at_random_come_at_their_rate() -> None:
    assert list(islice(at_random(0.0), 50)) == [None] * 50
    assert None not in list(islice(at_random(1.0), 50))
    drawn = list(islice(at_random(0.5), 100))
    assert [fault.code for fault in TRANSIENT if isinstance(fault, Status)] == [500, 503, 503]
    assert drawn == list(islice(at_random(0.5, seed=0), 100)) != list(islice(at_random(0.5, seed=1), 100))


def test_defaults_of_the_server() -> None:
    assert asdict(Latency()) == {"median": 0.0, "sigma": 0.0, "per_text": 0.0, "per_token": 0.0}
    assert asdict(Capacity()) == {"workers": 1, "max_waiting": 512}
    assert asdict(Hints()) == {"limits": True, "retry_after": "seconds", "skew": 0.0}
    assert asdict(Hints.hidden()) == {"limits": False, "retry_after": None, "skew": 0.0}
    assert set(asdict(Quirks()).values()) == {False}
    script = Behaviour()
    assert (script.dim, script.characters_per_token, script.seed, script.quota.rules) == (1536, 4.0, 0, ())
    assert {value for value in asdict(Counters()).values() if value != {}} == {0}


@pytest.mark.parametrize(
    ("way", "wait", "headers"),
    [
        ("seconds", 0.0, {}),
        ("seconds", 0.1, {"retry-after": "1"}),
        ("seconds", 2.0, {"retry-after": "2"}),
        ("milliseconds", 1.0001, {"retry-after-ms": "1001", "retry-after": "2"}),
        ("seconds", float("inf"), {}),
        (None, 5.0, {}),
    ],
)
def test_when_to_come_back(way: Any, wait: float, headers: dict[str, str]) -> None:
    assert Hints(retry_after=way).retry_after_headers(wait) == headers


def test_the_log_is_a_sequence_of_the_latest() -> None:
    entries = [Entry("POST", f"/{n}", (), 1, 0, 0, 200, 0.0, 0.0) for n in range(6)]
    log = Log(4)
    for entry in entries:
        log.append(entry)
    assert list(log) == entries[2:]
    assert (len(log), log[0], log[-1], log[1:3], log[::-1], log[::2]) == (
        4,
        entries[2],
        entries[5],
        entries[3:5],
        entries[:1:-1],
        [entries[2], entries[4]],
    )
    assert log[-1:0:-2] == [entries[5], entries[3]]
    log.clear()
    assert list(log) == []


def test_a_bucket_to_the_second() -> None:
    bucket = Bucket(2.0, 10.0)
    assert bucket.wait(0.0, 10.0) == 0.0
    bucket.add(0.0, 8.0)
    assert [bucket.wait(0.0, amount) for amount in (2, 3, 10, 11)] == [0.0, 0.5, 4.0, float("inf")]
    assert (bucket.used(1.0), bucket.reset(1.0), bucket.used(0.5)) == (6.0, 3.0, 6.0)
    bucket.add(1.0, 100.0)
    assert (bucket.used(1.0), bucket.reset(1.0)) == (10.0, 5.0)
    assert (bucket.used(6.0), bucket.reset(60.0)) == (0.0, 0.0)


def test_windows_to_the_second() -> None:
    sliding = SlidingWindow(10.0, 60.0)
    sliding.add(0.0, 0.0)
    assert sliding.reset(0.0) == 0.0
    for at in (0.0, 10.0):
        sliding.add(at, 5.0)
    assert [sliding.wait(20.0, amount) for amount in (0, 1, 5, 6, 10, 11)] == [
        0.0,
        40.0,
        40.0,
        50.0,
        50.0,
        float("inf"),
    ]
    assert (sliding.used(59.0), sliding.used(60.0), sliding.reset(60.0), sliding.used(70.0)) == (10.0, 5.0, 10.0, 0.0)
    fixed = FixedWindow(10.0, 60.0)
    fixed.add(50.0, 9.0)
    assert [fixed.wait(50.0, amount) for amount in (1, 2, 11)] == [0.0, 10.0, float("inf")]
    assert (fixed.reset(50.0), fixed.used(59.0), fixed.used(60.0), fixed.reset(60.0)) == (10.0, 9.0, 0.0, 0.0)
