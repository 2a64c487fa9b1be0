"""Events as they come, for listeners that are tried alone."""

from __future__ import annotations

from typing import Any

from aembed import CallDone, CallStarted, RequestDone, RequestFailed

EMBEDDER: dict[str, Any] = {
    "embedder": "search",
    "provider": "openai",
    "model": "text-embedding-3-small",
    "server": "api.openai.com",
    "port": 443,
}


def call_started(call: int = 1, **changed: Any) -> CallStarted:
    about: dict[str, Any] = {"call": call, "operation": "embed_query", "kind": "query", **EMBEDDER}
    return CallStarted(**about | changed)


def call_done(call: int = 1, **changed: Any) -> CallDone:
    about: dict[str, Any] = {
        "call": call,
        "operation": "embed_query",
        "kind": "query",
        "texts": 1,
        "outcome": "ok",
        "elapsed": 0.25,
        "waited": 0.05,
        "waited_for": "requests",
        "waits": {"requests": 0.05},
        "sending": 0.2,
        "attempts": 1,
        "requests": 1,
        "tokens": 7,
        "cost": 1.4e-7,
        "dimension": 1536,
        **EMBEDDER,
    }
    return CallDone(**about | changed)


def request_done(*calls: int, **changed: Any) -> RequestDone:
    about: dict[str, Any] = {"kind": "query", "texts": 1, "tokens": 7, "truncated": 0, "attempt": 1, "elapsed": 0.2}
    return RequestDone(**{**about, **EMBEDDER, "calls": calls} | changed)


def request_failed(*calls: int, **changed: Any) -> RequestFailed:
    about: dict[str, Any] = {"kind": "query", "texts": 1, "attempt": 1, "elapsed": 0.2, "error": None}
    return RequestFailed(**{**about, **EMBEDDER, "calls": calls} | changed)
