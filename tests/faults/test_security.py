"""Cases 66 to 75: what stays secret, where requests may go, and what a cache may be trusted with."""

from __future__ import annotations

import copy
import gc
import logging
import pickle
import re
import socket
import sqlite3
import traceback
from collections.abc import Iterator, Sequence
from contextlib import closing
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from pydantic import SecretStr

from aembed import (
    AembedError,
    AuthenticationError,
    BadRequestError,
    BadTextError,
    Config,
    ConfigError,
    ConnectError,
    Embedder,
    EmbedderFactory,
    Event,
    HttpSettings,
    OverloadedError,
    Profile,
    Reply,
    ReplyError,
    RetryPolicy,
    Vectors,
)
from aembed._wire.dialer import Address
from aembed.testing import LoopbackServer, ScriptedProvider
from aembed.testing.faults import Reset, Status, Truncate
from tests.faults.case import AT_ONCE, DIM, always, attempt, embedding, messages, mock
from tests.faults.privacy import KEY, PRIVATE, TEXTS, assert_private

ECHO = {"error": {"message": f"no {KEY} and no {TEXTS[0]}", "code": KEY, "param": TEXTS[0]}}


@pytest.mark.parametrize(
    "fault", [None, Status(401, ECHO), Status(400, ECHO), Status(503, ECHO, {"x-echo": KEY}), Reset()]
)
async def test_fault_66_68_neither_key_nor_text_is_shown(fault: Any, caplog: pytest.LogCaptureFixture) -> None:
    """In reprs of everything users hold, errors and all behind them, local variables, events, bytes, and DEBUG logs."""
    caplog.set_level(logging.DEBUG)
    events: list[Event] = []
    with LoopbackServer("openai", dim=DIM, faults=() if fault is None else always(fault)) as server:
        profile = Profile(
            model="openai:m",
            base_url=server.base_url,
            retry=AT_ONCE,
            api_key=SecretStr(KEY),
            headers={"x-extra": KEY},
        )
        config = Config(profiles={"p": profile})
        async with EmbedderFactory(config) as factory:
            embedder = await factory.new_embedder("p", on_event=events.append)
            result, error = await attempt(embedder)
            # the server of this test repeats a text to the probe too, which did not carry it
            events = [event for event in events if getattr(event, "texts", 0) != 1]
            things = (config, profile, factory, embedder, result, events, embedder.spec, embedder.statistics())
            assert_private(error, *things, copy.copy(profile), logged=messages(caplog))
            assert KEY not in repr(await factory.check_health())
            assert_private(None, *caplog.records)
            for thing in (embedder, factory, config, profile):
                assert_not_in_bytes(thing)
        assert server.log[0].status in {0, 200, 400, 401, 503}
        assert "authorization" in server.log[0].header_names


def assert_not_in_bytes(thing: object) -> None:
    """It cannot be pickled, or holds no key then."""
    try:
        written = pickle.dumps(thing)
    except (TypeError, AttributeError, pickle.PicklingError) as error:
        assert KEY not in str(error)
    else:
        assert KEY.encode() not in written


async def test_fault_66_objects_still_alive_do_not_show_it() -> None:
    """All objects of aembed's that a dump of the process would print."""
    with LoopbackServer("openai", dim=DIM, api_key=KEY) as server:
        async with embedding(server) as embedder:
            await embedder.embed_documents(TEXTS)
            homes = [(thing, str(type(thing).__module__)) for thing in gc.get_objects()]
            ours = [thing for thing, home in homes if re.match(r"aembed\.(?!testing\.)", home)]
            shown = [type(thing).__name__ for thing in ours if KEY in repr(thing)]
            assert len(ours) > 10
            assert shown == []


@pytest.mark.parametrize("key", [f"{KEY}\n", f"{KEY}\r\nx-more: 1", f" {KEY}", f"{KEY}\0", f"{KEY}\u00e9", f"\n{KEY}"])
@pytest.mark.parametrize(
    "provider", ["openai:m", "cohere", "google", "azure:d", "tei", "voyage", "jina", "mistral", "ollama:m"]
)
async def test_fault_67_a_key_that_cannot_be_one(key: str, provider: str) -> None:
    async with EmbedderFactory(Config()) as factory:
        with pytest.raises(ConfigError, match="api_key contains whitespace or non-ASCII") as caught:
            await factory.new_embedder(provider, api_key=key, base_url="http://localhost:9")
        assert_private(caught.value, factory)
        with pytest.raises(ConfigError, match="headers: 'x-key' has a line break") as caught:
            await factory.new_embedder(
                provider, api_key=KEY, headers={"x-key": key + "\n"}, base_url="http://localhost:9"
            )
        assert_private(caught.value, factory)


@pytest.mark.parametrize("key", [5, b"sk-never-to-be-seen", ["sk-never-to-be-seen"]])
async def test_fault_67_a_key_that_is_no_text(key: Any) -> None:
    async with EmbedderFactory(Config()) as factory:
        with pytest.raises(ConfigError, match="api_key: give the key as a str, or a function that gives it") as caught:
            await factory.new_embedder("openai:m", api_key=key, base_url="http://localhost:9")
        assert "never-to-be-seen" not in str(caught.value)
        assert "lax-or-strict" not in str(caught.value)


@pytest.mark.parametrize("key", ["", " ", "\n"])
async def test_fault_67_an_empty_key(key: str) -> None:
    async with EmbedderFactory(Config()) as factory:
        with pytest.raises(ConfigError, match="api_key is empty; give the key, or leave api_key out"):
            await factory.new_embedder("openai:m", api_key=key, base_url="http://localhost:9")


@pytest.mark.parametrize(
    "url", [f"http://me:{KEY}@host/v1", f"https://{KEY}@host", f"http://host/?key={KEY}", "http://:x@h"]
)
async def test_fault_69_no_password_in_a_url(url: str) -> None:
    async with EmbedderFactory(Config()) as factory:
        with pytest.raises(ConfigError, match="base_url: must ") as caught:
            await factory.new_embedder("openai:m", base_url=url, api_key="k")
        assert_private(caught.value)


METADATA = [
    "http://127.0.0.1:{port}/v1",
    "http://[::1]:{port}/v1",
    "http://169.254.169.254/latest",
    "http://10.0.0.1/v1",
]
METADATA += ["http://[::ffff:127.0.0.1]:{port}/v1", "http://0.0.0.0:{port}/v1", "http://localhost:{port}/v1"]
METADATA += ["http://2130706433:{port}/v1", "http://0x7f.1:{port}/v1", "http://127.1:{port}/v1"]


@pytest.mark.parametrize("url", METADATA)
async def test_fault_69_untrusted_urls_lead_nowhere_private(url: str) -> None:
    """Literal addresses in all their spellings, and names that resolve to them."""
    with LoopbackServer("openai", dim=DIM, api_key=KEY) as server:
        base_url = url.format(port=server.port)
        http = HttpSettings(public_only=True, connect_timeout=5.0)
        async with embedding(server, base_url=base_url, http=http, retry=RetryPolicy(max_attempts=1)) as embedder:
            result, error = await attempt(embedder)
            assert isinstance(error, (ConnectError, BadRequestError))
            assert re.search("is not on the public internet|cannot be resolved|is not a valid URL", str(error))
            assert_private(error, result, embedder)
        assert server.counters.connections_opened == 0


async def test_fault_69_dns_is_looked_at_again(monkeypatch: pytest.MonkeyPatch) -> None:
    """A name that was public when it was checked, and is not when the connection is made."""
    with LoopbackServer("openai", dim=DIM, api_key=KEY) as server:

        async def resolve(host: str, port: int) -> Sequence[Address]:
            return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", ("127.0.0.1", port))]

        monkeypatch.setattr("aembed._wire.dialer.resolve", resolve)
        base_url = f"http://rebound.example:{server.port}/v1"
        over_http = HttpSettings(allow_key_over_http=True)  # of a name it is not known where it leads
        guarded = HttpSettings(public_only=True, allow_key_over_http=True)
        async with embedding(server, base_url=base_url, http=guarded) as embedder:
            _, error = await attempt(embedder)
            assert type(error) is ConnectError
            assert (error.retryable, error.attempts) == (False, 1)
            assert str(error).startswith("rebound.example is not on the public internet, and public_only is set")
        assert server.counters.connections_opened == 0
        async with embedding(server, base_url=base_url, http=over_http) as embedder:  # without the policy it gets there
            assert (await attempt(embedder))[1] is None


@pytest.fixture
def proxied(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[LoopbackServer]:
    """A proxy that the environment names, and a .netrc with a password for it and everybody else."""
    with LoopbackServer() as proxy:
        for name in ("http_proxy", "HTTP_PROXY", "https_proxy", "HTTPS_PROXY", "all_proxy", "ALL_PROXY"):
            monkeypatch.setenv(name, proxy.url)
        for name in ("no_proxy", "NO_PROXY"):
            monkeypatch.delenv(name, raising=False)
        (tmp_path / "netrc").write_text(f"machine elsewhere login x password y\ndefault login me password {KEY}\n")
        (tmp_path / "netrc").chmod(0o600)
        monkeypatch.setenv("NETRC", str(tmp_path / "netrc"))
        yield proxy


@pytest.mark.parametrize("trust_env", [False, True])
async def test_fault_70_the_environment_is_trusted_only_on_request(proxied: LoopbackServer, trust_env: bool) -> None:
    """TEI needs no key, so that one from .netrc would be seen."""
    with LoopbackServer("tei", dim=DIM) as server:
        options: dict[str, Any] = {"api_key": None, "retry": RetryPolicy(max_attempts=1)}
        async with embedding(server, http=HttpSettings(trust_env=trust_env), **options) as embedder:
            await attempt(embedder)
        assert (proxied.counters.requests > 0) is trust_env
        assert (server.counters.requests > 0) is not trust_env
        assert "authorization" not in {name for entry in server.log for name in entry.header_names}


@pytest.mark.parametrize("exempt", ["127.0.0.0/8", "127.0.0.1", "*.0.0.1"])
async def test_fault_70_a_default_of_netrc_goes_to_no_server(
    proxied: LoopbackServer, exempt: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("no_proxy", exempt)
    with LoopbackServer("tei", dim=DIM) as server:
        async with embedding(server, http=HttpSettings(trust_env=True), api_key=None) as embedder:
            assert (await attempt(embedder))[1] is None
        assert proxied.counters.requests == 0
        assert "authorization" not in {name for entry in server.log for name in entry.header_names}


async def vectors_of(factory: EmbedderFactory, server: LoopbackServer, place: object, **options: Any) -> int:
    """Number of requests that a call with these options sends, cache hits excluded."""
    before = server.counters.requests
    given: dict[str, Any] = {"base_url": server.base_url, "api_key": KEY, "cache": place, "retry": AT_ONCE}
    kind = options.pop("kind", "document")
    name = options.pop("name", "openai:m")
    embedder = await factory.new_embedder(name, **{**given, **options})
    await embedder.embed(TEXTS[:1], kind=kind)
    return server.counters.requests - before


OTHER: dict[str, dict[str, Any]] = {
    "model": {"name": "openai:other"},
    "dimensions": {"dimensions": 4},
    "kind": {"kind": "query"},
    "normalize": {"normalize": True},
    "overlong": {"overlong": "truncate"},
    "preprocessing": {"provider_options": {"document_prompt": "passage: "}},
}


@pytest.mark.parametrize("other", OTHER.values(), ids=OTHER)
async def test_fault_71_everything_that_decides_a_vector_is_in_its_key(other: dict[str, Any], tmp_path: Path) -> None:
    with LoopbackServer("openai", dim=DIM) as server, LoopbackServer("openai", dim=DIM) as elsewhere:
        async with EmbedderFactory(Config()) as factory:
            place = tmp_path / "cache.db"
            assert await vectors_of(factory, server, place) == 1
            assert await vectors_of(factory, server, place) == 0
            assert await vectors_of(factory, server, place, **copy.copy(other)) == 1
            assert await vectors_of(factory, elsewhere, place) == 1, "another base_url"
            assert await vectors_of(factory, server, place) == 0


async def cached(factory: EmbedderFactory, provider: ScriptedProvider, place: Any) -> Embedder:
    return await factory.new_embedder(provider, cache=place, retry=AT_ONCE)


async def test_fault_72_no_code_is_read_and_damaged_entries_are_misses(tmp_path: Path) -> None:
    place = tmp_path / "cache.db"
    async with EmbedderFactory(Config()) as factory:
        await (await cached(factory, ScriptedProvider(dim=DIM), place)).embed_documents(TEXTS)
    damage(place)
    async with EmbedderFactory(Config()) as factory:
        provider = ScriptedProvider(dim=DIM)
        np.testing.assert_array_equal(
            await (await cached(factory, provider, place)).embed_documents(TEXTS), mock(TEXTS)
        )
        assert len(provider.calls) == 1


def damage(place: Path) -> None:
    """Every stored value becomes another, one that would run code if it were a pickle."""
    assert PRIVATE.encode() not in b"".join(file.read_bytes() for file in place.parent.glob("cache.db*"))
    with closing(sqlite3.connect(place)) as database:
        tables = [name for (name,) in database.execute("SELECT name FROM sqlite_master WHERE type = 'table'")]
        blobs = 0
        for table in tables:
            for column, kind in [row[1:3] for row in database.execute(f"PRAGMA table_info({table})")]:
                if kind == "BLOB" and column != "key":
                    blobs += database.execute(f"UPDATE {table} SET {column} = ?", (b"c__main__\nEvil\n.",)).rowcount  # noqa: S608
        database.commit()
    assert blobs >= len(TEXTS)


class Shelf:
    """A store with given answers."""

    def __init__(self, vector: Vectors) -> None:
        self.vector = vector
        self.put: list[Vectors] = []

    async def get_many(self, keys: Any, dim: int | None) -> Any:
        return np.arange(len(keys)), np.tile(self.vector, (len(keys), 1))

    async def put_many(self, keys: Any, vectors: Vectors) -> None:
        self.put.append(vectors)

    async def aclose(self) -> None:
        """Nothing to close."""


UNSOUND = {"wide": np.ones(DIM + 1), "nan": np.full(DIM, np.nan), "inf": np.full(DIM, np.inf), "zero": np.zeros(DIM)}


@pytest.mark.parametrize("vector", UNSOUND.values(), ids=UNSOUND)
async def test_fault_73_an_unsound_vector_is_a_miss(vector: Any) -> None:
    provider = ScriptedProvider(dim=DIM)
    async with EmbedderFactory(Config()) as factory:
        embedder = await cached(factory, provider, Shelf(vector.astype(np.float32)))
        np.testing.assert_array_equal(await embedder.embed_documents(TEXTS), mock(TEXTS))
    assert len(provider.calls) == 1


FAILURES: dict[str, list[Any]] = {
    "busy": [OverloadedError("busy")] * 3,
    "refused": [BadTextError("no")],
    "key": [AuthenticationError("no")],
    "unusable": [Reply(np.full((1, DIM), np.nan, np.float32))] * 2,
}


@pytest.mark.parametrize("script", FAILURES.values(), ids=FAILURES)
async def test_fault_74_failures_are_not_kept(script: list[Any]) -> None:
    provider = ScriptedProvider(script, dim=DIM)
    shelf = Shelf(np.zeros(DIM, np.float32))
    async with EmbedderFactory(Config()) as factory:
        embedder = await cached(factory, provider, shelf)
        with pytest.raises(AembedError):
            await embedder.embed_documents(TEXTS[:1])
        assert shelf.put == []
        np.testing.assert_array_equal(await embedder.embed_documents(TEXTS[:1]), mock(TEXTS[:1]))
    assert len(shelf.put) == 1


async def test_fault_74_a_truncated_answer_is_not_kept() -> None:
    shelf = Shelf(np.zeros(DIM, np.float32))
    with LoopbackServer("openai", dim=DIM, api_key=KEY, faults=[Truncate()] * 5) as server:
        async with embedding(server, cache=shelf) as embedder:
            _, error = await attempt(embedder)
            assert isinstance(error, ConnectError)
            assert shelf.put == []
            assert (await attempt(embedder))[1] is None
        assert len(shelf.put) == 1


@pytest.mark.parametrize("place", [True, "cache.db"])
async def test_fault_75_writing_to_an_array_changes_no_other(place: Any) -> None:
    async with EmbedderFactory(Config()) as factory:
        embedder = await cached(factory, ScriptedProvider(dim=DIM), place)
        for _ in range(3):
            vectors = await embedder.embed_documents(TEXTS)
            np.testing.assert_array_equal(vectors, mock(TEXTS))
            vectors[:] = 7.0
            vector = await embedder.embed_query(TEXTS[0])
            np.testing.assert_array_equal(vector, mock(TEXTS[:1])[0])
            vector[:] = 7.0


def test_the_search_finds_a_planted_secret() -> None:
    """The check of all cases, checked."""

    def holding(secret: str) -> None:
        raise ReplyError(f"no {secret}")

    for secret, where in ((KEY, "the key is in a ReplyError"), (TEXTS[0], "a text is in a ReplyError")):
        with pytest.raises(ReplyError) as caught:
            holding(secret)
        with pytest.raises(AssertionError, match=where):
            assert_private(caught.value)
        outer = ReplyError("fine")
        outer.__context__ = caught.value
        with pytest.raises(AssertionError, match=where):
            assert_private(outer)
        with pytest.raises(AssertionError, match="a log"):
            assert_private(None, logged=[f"DEBUG {secret}"])
        with pytest.raises(AssertionError, match="the repr of a list"):
            assert_private(None, [secret])
    with pytest.raises(ValueError, match="invalid literal") as raised:
        _ = HttpSettings.model_validate(int(KEY))  # pydantic's frames hold nothing, int's argument is in the message
    with pytest.raises(AssertionError):
        assert_private(raised.value)
    assert traceback.format_exception(raised.value)
