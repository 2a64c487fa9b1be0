"""The tables of each dialect, written a second time: statuses of its rejections, caps, and how it writes durations."""

from __future__ import annotations

from typing import Any

import pytest

from aembed.testing import faults
from aembed.testing.server.__main__ import parser
from aembed.testing.server.dialects import (
    DIALECTS,
    Caps,
    azure,
    cohere,
    google,
    jina,
    mistral,
    ollama,
    openai,
    tei,
    voyage,
)
from aembed.testing.server.dialects.dialect import Problem, Rejection
from aembed.testing.server.dialects.openai import duration

PROBLEMS: tuple[Problem, ...] = (
    *("path", "method", "no_key", "key", "model", "json", "field", "empty"),
    *("batch", "request_tokens", "text_tokens", "body", "rate", "never", "overloaded"),
)
STATUSES = {
    "azure": (404, 405, 401, 401, 404, 400, 400, 400, 400, 400, 400, 413, 429, 429, 503),
    "cohere": (404, 405, 401, 401, 404, 400, 400, 400, 400, 400, 400, 413, 429, 429, 503),
    "google": (404, 405, 403, 400, 404, 400, 400, 400, 400, 400, 400, 400, 429, 429, 503),
    "jina": (404, 405, 401, 401, 404, 422, 422, 422, 400, 400, 400, 413, 429, 429, 503),
    "mistral": (404, 405, 401, 401, 400, 422, 422, 400, 400, 400, 400, 413, 429, 429, 503),
    "ollama": (404, 405, 401, 401, 404, 400, 400, 400, 400, 400, 400, 413, 429, 429, 503),
    "openai": (404, 405, 401, 401, 404, 400, 400, 400, 400, 400, 400, 413, 429, 429, 503),
    "tei": (404, 405, 401, 401, 404, 400, 422, 400, 422, 422, 422, 413, 429, 429, 429),
    "voyage": (404, 405, 401, 401, 400, 400, 400, 400, 400, 400, 400, 413, 429, 429, 503),
}
CAPS = {
    "azure": Caps(inputs=2048, text_tokens=8192),
    "cohere": Caps(inputs=96, text_tokens=128_000),
    "google": Caps(inputs=100, text_tokens=2048, body_bytes=4_194_304),
    "jina": Caps(inputs=2048, text_tokens=8192),
    "mistral": Caps(inputs=256, request_tokens=16_384, text_tokens=8192),
    "ollama": Caps(text_tokens=2048),
    "openai": Caps(inputs=2048, request_tokens=300_000, text_tokens=8192),
    "tei": Caps(inputs=32, text_tokens=512, body_bytes=2_000_000),
    "voyage": Caps(inputs=1000, request_tokens=120_000, text_tokens=32_000),
}
MODELS = {
    "jina-embeddings-v4": Caps(inputs=512, text_tokens=32_768),
    "voyage-4-lite": Caps(inputs=1000, request_tokens=1_000_000, text_tokens=32_000),
    "voyage-3.5-lite": Caps(inputs=1000, request_tokens=1_000_000, text_tokens=32_000),
    "voyage-4": Caps(inputs=1000, request_tokens=320_000, text_tokens=32_000),
    "voyage-3.5": Caps(inputs=1000, request_tokens=320_000, text_tokens=32_000),
    "voyage-2": Caps(inputs=1000, request_tokens=320_000, text_tokens=32_000),
}


def test_a_dialect_has_the_name_of_its_module() -> None:
    modules = (azure, cohere, google, jina, mistral, ollama, openai, tei, voyage)
    names = [module.__name__.rpartition(".")[2] for module in modules]
    assert {name: vars(module)[name.upper()] for name, module in zip(names, modules, strict=True)} == DIALECTS


@pytest.mark.parametrize("name", DIALECTS)
def test_each_problem_has_its_status(name: str) -> None:
    reject = DIALECTS[name].reject
    assert tuple(reject(Rejection(problem, wait=1.5))[0] for problem in PROBLEMS) == STATUSES[name]


@pytest.mark.parametrize("name", DIALECTS)
def test_each_has_its_caps(name: str) -> None:
    assert DIALECTS[name].caps == CAPS[name]


def test_some_models_have_caps_of_their_own() -> None:
    assert {model: caps for each in DIALECTS.values() for model, caps in each.model_caps.items()} == MODELS


def test_some_replies_are_peculiar() -> None:
    assert [name for name, each in DIALECTS.items() if not each.mixes] == ["cohere"]
    assert [name for name, each in DIALECTS.items() if not each.retry_after] == ["google"]


@pytest.mark.parametrize(
    ("seconds", "written"),
    [
        *((0.0, "0ms"), (0.0121, "13ms"), (0.999, "999ms"), (1.0, "1s"), (1.5, "1.5s"), (59.9999, "1m0s")),
        *((60.0, "1m0s"), (363.25, "6m3.25s"), (3599.0, "59m59s"), (3600.0, "1h0m0s"), (3661.5, "1h1m1.5s")),
    ],
)
def test_durations_are_written_as_go_does(seconds: float, written: str) -> None:
    assert duration(seconds) == written


TYPE = "type.googleapis.com/google.rpc."


@pytest.mark.parametrize(
    ("rejection", "details"),
    [
        (Rejection("model"), None),
        (
            Rejection("key"),
            [{"@type": f"{TYPE}ErrorInfo", "reason": "API_KEY_INVALID", "domain": "googleapis.com"}],
        ),
        (Rejection("rate", limit=100, wait=1.2341), ["QuotaFailure 100", "RetryInfo 1.235s"]),
        (Rejection("rate", limit=100), ["QuotaFailure 100"]),
        (Rejection("never", limit=100, wait=1.0), ["QuotaFailure 100"]),
    ],
)
def test_google_explains_some_errors(rejection: Rejection, details: list[Any] | None) -> None:
    metric = "generativelanguage.googleapis.com/embed_content_requests"
    known = {
        "QuotaFailure 100": {
            "@type": f"{TYPE}QuotaFailure",
            "violations": [{"quotaMetric": metric, "quotaValue": "100"}],
        },
        "RetryInfo 1.235s": {"@type": f"{TYPE}RetryInfo", "retryDelay": "1.235s"},
    }
    _, body = DIALECTS["google"].reject(rejection)
    wanted = None if details is None else [known[each] if isinstance(each, str) else each for each in details]
    assert body["error"].get("details") == wanted


def test_a_server_that_is_told_nothing_is_openai_without_latency_or_limits() -> None:
    options = vars(parser().parse_args([]))
    told = {name: value for name, value in options.items() if value is not None and value is not False}
    assert told == {
        "dialect": "openai",
        "host": "127.0.0.1",
        "port": 0,
        "dim": 1536,
        "seed": 0,
        "loop": "auto",
        "cache_bytes": 2**29,
        "latency": 0.0,
        "sigma": 0.0,
        "per_text": 0.0,
        "per_token": 0.0,
        "max_waiting": 512,
        "algorithm": "bucket",
        "span": 60.0,
        "retry_after": "seconds",
        "fault_rate": 0.0,
    }


def test_faults_that_are_told_nothing() -> None:
    assert (faults.SlowBody().seconds, faults.SlowBody().size) == (1.0, 1)
    assert (faults.EndlessHeaders().seconds, faults.Redirect("/").code, faults.Understate().by) == (0.0, 307, 10)
    assert (faults.GzipBomb().size, faults.HugeBody().size, faults.HugeBody().says_so) == (50_000_000, 10**9, False)
