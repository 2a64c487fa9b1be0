"""The fields of an event that need not be given have the values of an ordinary call."""

from __future__ import annotations

from dataclasses import asdict

from aembed import CallDone, CallStarted, RequestDone, RequestFailed


def test_a_call_sends_waits_and_costs_nothing_unless_said() -> None:
    event = CallDone(call=1, operation="embed", kind="query", texts=1, outcome="ok", elapsed=1.0)
    times = {"waited": 0.0, "waited_for": "", "waits": {}, "sending": 0.0, "backoff": 0.0}
    charged = {"attempts": 0, "requests": 0, "tokens": 0, "cost": None}
    rows = {"failed": 0, "truncated": 0, "cache_hits": 0, "cache_shared": 0, "cache_misses": 0, "merged": False}
    assert asdict(event).items() >= (times | charged | rows).items()


def test_a_request_waits_for_nothing_and_a_call_has_no_cache_unless_said() -> None:
    attempt = {"model": "m", "kind": "query", "texts": 1, "attempt": 1, "elapsed": 1.0}
    assert RequestDone(tokens=1, truncated=0, **attempt).waited == 0.0  # type: ignore[arg-type]
    assert RequestFailed(error=None, **attempt).waited == 0.0  # type: ignore[arg-type]
    started = CallStarted(call=1, operation="embed", kind="query", embedder="e", provider="p", model="m")
    assert not started.cached
