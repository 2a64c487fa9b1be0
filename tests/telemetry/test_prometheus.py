"""Scrapes of one factory and of several, from another thread, and by a real Prometheus."""

from __future__ import annotations

import asyncio
import gc
import json
import re
import shutil
import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.error import HTTPError
from urllib.parse import quote
from urllib.request import urlopen

import anyio.to_thread
import pytest
from prometheus_client import CollectorRegistry, generate_latest, start_http_server
from prometheus_client.openmetrics.exposition import generate_latest as generate_openmetrics
from prometheus_client.openmetrics.parser import text_string_to_metric_families as parse_openmetrics

from aembed import Config, EmbedderFactory, Limits, OverloadedError, RateLimitError, telemetry
from aembed.testing import LoopbackServer, ScriptedProvider
from tests.engine.call import AT_ONCE, TEXTS
from tests.telemetry.scrape import CALLS, samples, value

DOCS = Path(__file__).parents[2] / "docs" / "observability"
OF_MOCK = {"embedder": "mock", "provider": "mock", "model": "mock"}


async def test_counters_gauges_and_histograms_of_calls() -> None:
    registry = CollectorRegistry()
    async with EmbedderFactory(Config()) as factory:
        telemetry.prometheus(factory, registry)
        embedder = await factory.new_embedder("mock", cache=True, limits=Limits(requests_per_minute=600))
        await embedder.embed_documents(TEXTS)
        await embedder.embed_documents(TEXTS)
        await embedder.embed_query("one")
        with pytest.raises(ValueError, match="blank"):
            await embedder.embed_query(" ")
        assert value(registry, "aembed_texts_total", **OF_MOCK) == len(TEXTS) + 1
        assert value(registry, "aembed_requests_total", **OF_MOCK) == 2
        assert value(registry, "aembed_cache_lookups_total", result="hit", **OF_MOCK) == len(TEXTS)
        assert value(registry, "aembed_cache_lookups_total", result="miss", **OF_MOCK) == len(TEXTS) + 1
        assert value(registry, "aembed_slots", provider="mock") >= 1
        assert value(registry, "aembed_quota_limit", resource="requests") == 600
        assert value(registry, "aembed_quota_remaining", resource="requests") == pytest.approx(598, abs=1)
        assert value(registry, CALLS, kind="query") == 2
        assert value(registry, CALLS, kind="document") == 2
        assert value(registry, CALLS, outcome="error") == 1
        assert value(registry, "aembed_gate_wait_seconds_count") == 2


"""Users' recording rules name them."""


async def test_accounts_name_the_model_where_each_has_its_own_quota() -> None:
    registry = CollectorRegistry()
    async with EmbedderFactory(Config()) as factory:
        telemetry.prometheus(factory, registry)
        await factory.new_embedder("openai:text-embedding-3-small", api_key="k")
        await factory.new_embedder("mock")
        of_accounts = {
            (dict(labels)["provider"], dict(labels)["model"])
            for name, labels in samples(registry)
            if name == "aembed_slots"
        }
    assert of_accounts == {("openai", "text-embedding-3-small"), ("mock", "")}


async def test_embedders_opened_before_are_observed_too() -> None:
    registry = CollectorRegistry()
    async with EmbedderFactory(Config()) as factory:
        embedder = await factory.new_embedder("mock")
        telemetry.prometheus(factory, registry)
        await embedder.embed_query("one")
        assert value(registry, CALLS, outcome="ok") == 1


async def test_counters_go_on_when_an_embedder_is_closed_and_opened_again() -> None:
    registry = CollectorRegistry()
    async with EmbedderFactory(Config()) as factory:
        telemetry.prometheus(factory, registry)
        for expected in (1, 2):
            embedder = await factory.new_embedder("mock")
            await embedder.embed_query("one")
            assert value(registry, "aembed_requests_total", **OF_MOCK) == expected
            await embedder.aclose()
            assert value(registry, "aembed_requests_total", **OF_MOCK) == expected


@pytest.mark.virtual_time
async def test_several_factories_share_a_collector_and_are_added_up() -> None:
    registry = CollectorRegistry()
    async with EmbedderFactory(Config()) as first, EmbedderFactory(Config()) as second:
        collectors = {telemetry.prometheus(factory, registry) for factory in (first, second)}
        for factory, seconds in ((first, 0.25), (second, 0.5)):
            await (await factory.new_embedder(ScriptedProvider([seconds]))).embed_query("one")
        assert len(collectors) == 1
        assert value(registry, "aembed_requests_total") == 2
        assert value(registry, CALLS) == 2
        assert value(registry, "aembed_call_duration_seconds_sum") == 0.75
        by_bound = [value(registry, "aembed_call_duration_seconds_bucket", le=le) for le in ("0.1", "0.25", "0.5")]
        assert by_bound == [0, 1, 2]
        text = generate_openmetrics(registry).decode()  # type: ignore[no-untyped-call]
        list(parse_openmetrics(text))  # type: ignore[no-untyped-call]  # it accepts no metric twice


async def test_a_collector_keeps_no_factory_alive_and_can_be_unregistered() -> None:
    registry = CollectorRegistry()
    async with EmbedderFactory(Config()) as factory:
        collector = telemetry.prometheus(factory, registry)
        registry.unregister(collector)
        assert generate_latest(registry) == b""
        assert telemetry.prometheus(factory, registry) is collector
        await (await factory.new_embedder("mock")).embed_query("one")
    del factory
    gc.collect()
    assert value(registry, "aembed_requests_total") == 0


@pytest.mark.virtual_time
async def test_rejections_and_retries_are_seen() -> None:
    registry = CollectorRegistry()
    errors = [RateLimitError("slow", retry_after=0.001), *[OverloadedError("busy", retry_after=0.0)] * 2]
    async with EmbedderFactory(Config()) as factory:
        telemetry.prometheus(factory, registry)
        embedder = await factory.new_embedder(ScriptedProvider(errors), retry=AT_ONCE)
        await embedder.embed_query("one")
        assert value(registry, "aembed_refusals_total") == 1
        assert value(registry, "aembed_retries_total") == 3


async def test_labels_are_configured_names_alone() -> None:
    registry = CollectorRegistry()
    key = "sk-a-secret-key-of-thirty-characters"
    async with LoopbackServer() as server, EmbedderFactory(Config()) as factory:
        telemetry.prometheus(factory, registry)
        embedder = await factory.new_embedder("openai:text-embedding-3-small", base_url=server.base_url, api_key=key)
        for number in range(20):
            await embedder.embed_query(f"text {number}")
        text = generate_latest(registry).decode()
        assert len({labels for name, labels in samples(registry) if name == CALLS}) == 1
    assert key not in text
    assert "text 7" not in text


async def test_other_threads_may_scrape_while_calls_run() -> None:
    registry = CollectorRegistry()
    scraped: list[float] = []
    ended = threading.Event()

    def scrape() -> None:
        while not ended.is_set():
            scraped.append(value(registry, "aembed_requests_total"))

    async with EmbedderFactory(Config()) as factory:
        telemetry.prometheus(factory, registry)
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(anyio.to_thread.run_sync, scrape)
            try:
                for _ in range(20):
                    async with await factory.new_embedder("mock") as embedder:
                        await asyncio.gather(*(embedder.embed_query(f"{number}") for number in range(20)))
            finally:
                ended.set()
        assert scraped == sorted(scraped)
        assert value(registry, "aembed_requests_total") == 400


@contextmanager
def prometheus_server(place: Path, target: str) -> Iterator[str]:
    """A real Prometheus that scrapes ``target`` ten times a second; its address."""
    program = shutil.which("prometheus")
    if program is None:
        pytest.skip("needs Prometheus")
    scrape = {"job_name": "aembed", "scrape_interval": "100ms", "scrape_timeout": "100ms"}
    config = {
        "scrape_configs": [{**scrape, "static_configs": [{"targets": [target]}]}],
        "rule_files": [str(DOCS / "alerts.yaml")],
    }
    (place / "prometheus.yml").write_text(json.dumps(config))  # JSON is YAML
    arguments = ["--config.file=prometheus.yml", "--storage.tsdb.path=data", "--web.listen-address=127.0.0.1:0"]
    server = subprocess.Popen([program, *arguments], cwd=place, stderr=subprocess.PIPE, text=True)
    assert server.stderr is not None
    reader = threading.Thread(target=server.stderr.read)
    try:
        address = next(line for line in server.stderr if "Listening on" in line).split("address=")[1].split()[0]
        reader.start()
        yield f"http://{address}"
    finally:
        server.terminate()
        server.wait()
        reader.join()
        server.stderr.close()


def ask(server: str, query: str) -> list[dict[str, Any]]:
    """Rows of the answer; none while Prometheus is not ready yet."""
    try:
        with urlopen(f"{server}/api/v1/query?query={quote(query)}") as answer:  # noqa: S310  # a loopback address
            result: list[dict[str, Any]] = json.load(answer)["data"]["result"]
    except HTTPError as error:
        with error:
            if error.code != 503:
                raise
        return []
    return result


def dashboard() -> Iterator[str]:
    """Queries of the Grafana dashboard, with its variables filled in."""
    panels = json.loads((DOCS / "grafana.json").read_text(encoding="utf-8"))["panels"]
    for panel in panels:
        for target in panel.get("targets", ()):
            yield re.sub(r"\$(embedder|account)", ".*", target["expr"]).replace("$__rate_interval", "1m")


def test_a_real_prometheus_scrapes_it(tmp_path: Path) -> None:
    registry = CollectorRegistry()

    async def embed_and_ask(server: str) -> None:
        async with EmbedderFactory(Config()) as factory:
            telemetry.prometheus(factory, registry)
            embedder = await factory.new_embedder("mock", limits=Limits(requests_per_minute=600))
            await asyncio.gather(*(embedder.embed_query(f"{number}") for number in range(7)))
            rows: list[dict[str, Any]] = []
            with anyio.fail_after(30):
                while not rows:
                    rows = await anyio.to_thread.run_sync(ask, server, CALLS)
            assert [row["value"][1] for row in rows] == ["7"]
            assert rows[0]["metric"].items() >= {"kind": "query", "outcome": "ok", **OF_MOCK}.items()
            (limit,) = await anyio.to_thread.run_sync(ask, server, "aembed_quota_limit")
            assert limit["value"][1] == "600"
            for expression in dashboard():
                await anyio.to_thread.run_sync(ask, server, expression)  # an error if it is not PromQL

    exposed, thread = start_http_server(0, "127.0.0.1", registry)
    try:
        with prometheus_server(tmp_path, f"127.0.0.1:{exposed.server_port}") as server:
            asyncio.run(embed_and_ask(server))
    finally:
        exposed.shutdown()
        exposed.server_close()
        thread.join()
