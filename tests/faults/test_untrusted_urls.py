"""Cases 69 and 70: where requests may go."""

from __future__ import annotations

import re
import socket
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest

from aembed import BadRequestError, Config, ConfigError, ConnectError, EmbedderFactory, HttpSettings, RetryPolicy
from aembed._wire.dialer import Address
from aembed.testing import LoopbackServer
from tests.faults.case import DIM, attempt, embedding
from tests.faults.privacy import KEY, assert_private


@pytest.mark.parametrize(
    "url", [f"http://me:{KEY}@host/v1", f"https://{KEY}@host", f"http://host/?key={KEY}", "http://:x@h"]
)
async def test_fault_69_no_password_in_a_url(url: str) -> None:
    async with EmbedderFactory(Config()) as factory:
        with pytest.raises(ConfigError, match="base_url: must ") as caught:
            await factory.new_embedder("openai:m", base_url=url, api_key="k")
        assert_private(caught.value)


PRIVATE_URLS = [
    "http://127.0.0.1:{port}/v1",
    "http://[::1]:{port}/v1",
    "http://169.254.169.254/latest",
    "http://10.0.0.1/v1",
    "http://[::ffff:127.0.0.1]:{port}/v1",
    "http://0.0.0.0:{port}/v1",
    "http://localhost:{port}/v1",
    "http://2130706433:{port}/v1",
    "http://0x7f.1:{port}/v1",
    "http://127.1:{port}/v1",
]


@pytest.mark.parametrize("url", PRIVATE_URLS)
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
