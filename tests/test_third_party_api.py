"""A package of another author brings a provider over HTTP: one file of some 40 lines, found by its entry point."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

SOURCE = Path(__file__).parent / "third_party" / "aembed_acme.py"

USE = """
import asyncio, json, threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
import aembed
from aembed import Config, EmbedderFactory

seen = []

class Acme(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_POST(self):
        body = json.loads(self.rfile.read(int(self.headers["content-length"])))
        seen.append({"path": self.path, "key": self.headers["x-acme-key"], **body})
        bad = [text for text in body["texts"] if text in FAULTS]
        status, answer = FAULTS[bad[0]] if bad else (200, {
            "rows": [[1.0, 2.0, 3.0, 4.0][: body.get("size", 4)] for _ in body["texts"]], "used": len(body["texts"])
        })
        content = json.dumps(answer).encode()
        self.send_response(status)
        self.send_header("content-length", str(len(content)))
        self.send_header("acme-limit-calls", "50")
        self.send_header("acme-remaining-calls", "49")
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, *_):
        pass

FAULTS = {
    "unspeakable": (400, {"fault": "UNSPEAKABLE", "because": "no sk-acme-0123456789 for this"}),
    "long": (400, {"fault": "TOO_LONG", "because": "more than 9 words"}),
    "broke": (400, {"fault": "BROKE", "because": "pay first"}),
}

async def main(server):
    found = {}
    async with EmbedderFactory(Config()) as factory:
        embedder = await factory.new_embedder("acme")
        found["spec"] = [embedder.spec.provider, embedder.spec.name, embedder.spec.dim, embedder.spec.price]
        found["vectors"] = (await embedder.embed_documents(list("abcd"))).tolist()
        found["limit"] = embedder.statistics().requests_per_minute
        await embedder.embed_query("q")
        result = await embedder.embed(["a", "unspeakable", "b", "long"], on_error="return")
        found["failures"] = {i: [type(e).__name__, str(e)] for i, e in result.failures.items()}
        found["tokens"] = result.usage.tokens
        try:
            await embedder.embed_documents(["broke"])
        except aembed.QuotaExhaustedError as error:
            found["broke"] = str(error)
        short = await factory.new_embedder("acme", dimensions=2)
        found["short"] = (await short.embed_query("q")).tolist()
        try:
            await factory.new_embedder("acme", dimensions=3)
        except aembed.ConfigError as error:
            found["wrong"] = str(error)
        urls = [None, "https://api.acme.example/v2", "https://other.example"]
        profiles = {str(url): aembed.Profile(model="acme", base_url=url) for url in urls}
        found["keys"] = {name: Config(profiles=profiles).endpoint(name).key_origin for name in profiles}
    found["seen"] = seen
    print(json.dumps(found))

with ThreadingHTTPServer(("127.0.0.1", 0), Acme) as server:
    import os
    os.environ["ACME_BASE_URL"] = f"http://127.0.0.1:{server.server_port}/v2/"
    threading.Thread(target=server.serve_forever, daemon=True).start()
    asyncio.run(main(server))
    server.shutdown()
"""


def install(place: Path) -> None:
    """The files of an installer: the module, and a dist-info with the entry point."""
    shutil.copy(SOURCE, place)
    info = place / "aembed_acme-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: aembed-acme\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text("[aembed.providers]\nacme = aembed_acme:ACME\n")


@pytest.fixture(scope="module")
def found(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    place = tmp_path_factory.mktemp("site-packages")
    install(place)
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", USE],
        env={**os.environ, "PYTHONPATH": str(place), "ACME_API_KEY": "sk-acme-0123456789"},
        cwd=place,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    answer: dict[str, Any] = json.loads(done.stdout)
    return answer


def test_it_is_some_forty_lines() -> None:
    lines = SOURCE.read_text(encoding="utf-8").splitlines()
    assert sum(bool(line.strip()) for line in lines) <= 40


def test_the_catalogue_is_known_without_a_request(found: dict[str, Any]) -> None:
    assert found["spec"] == ["acme", "acme-1", 4, 0.5]


def test_requests_are_the_apis(found: dict[str, Any]) -> None:
    *documents, query = found["seen"][:3]
    for document in documents:
        texts = document.pop("texts")
        assert len(texts) in {1, 3}, "four texts, three to a request"
        assert document == {
            "path": "/v2/vectors",
            "key": "sk-acme-0123456789",
            "engine": "acme-1",
            "for": "document",
        }
    assert query["for"] == "query"
    assert found["seen"][-1]["size"] == 2


def test_replies_are_decoded(found: dict[str, Any]) -> None:
    assert found["vectors"] == [[1.0, 2.0, 3.0, 4.0]] * 4
    assert found["short"] == [1.0, 2.0]


def test_its_quota_headers_reach_the_gate(found: dict[str, Any]) -> None:
    assert found["limit"] == 50


def test_its_error_table_finds_the_bad_texts(found: dict[str, Any]) -> None:
    failures = found["failures"]
    assert {index: kind for index, (kind, _) in failures.items()} == {"1": "BadTextError", "3": "TextTooLongError"}
    assert "acme rejected: no [...] for this" in failures["1"][1]
    assert "pay first; check the account's plan" in found["broke"]
    assert "sk-acme" not in json.dumps([failures, found["broke"]])


def test_settings_that_it_cannot_honour_are_rejected(found: dict[str, Any]) -> None:
    assert found["wrong"] == "dimensions: acme-1 has 2 or 4, not 3"


def test_the_key_goes_to_its_own_hosts_alone(found: dict[str, Any]) -> None:
    assert found["keys"] == {
        "None": "ACME_API_KEY",
        "https://api.acme.example/v2": "ACME_API_KEY",
        "https://other.example": "",
    }
