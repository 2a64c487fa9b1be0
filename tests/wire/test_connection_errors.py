"""What breaks a connection, told so that it can be mended: each error of aiohttp's has its sentence."""

from __future__ import annotations

import ssl
from typing import Any

import aiohttp
import pytest
from aiohttp.client_reqrep import ConnectionKey
from yarl import URL

from aembed import BadRequestError, ConfigError, ConnectError, ProviderError, ReplyError, RequestTimeoutError
from aembed._wire.connection_errors import (
    NoHttpError,
    check_proxy_variables,
    redirected,
    refused_by_proxy,
    translate,
)
from aembed._wire.public import NotPublicError

TO = ConnectionKey("host", 8443, True, True, None, None, None)
REQUEST: Any = aiohttp.RequestInfo(URL("http://host"), "POST", {}, URL("http://host"))  # type: ignore[arg-type]


def certificate(code: int) -> Exception:
    error = ssl.SSLCertVerificationError("no")
    error.verify_code = code
    return aiohttp.ClientConnectorCertificateError(TO, error)


def no_tls(reason: str | None) -> Exception:
    error = ssl.SSLError("no")
    error.reason = reason  # type: ignore[assignment]
    return aiohttp.ClientConnectorSSLError(TO, error)


def failure(kind: type[ProviderError], words: str, **facts: Any) -> tuple[Any, ...]:
    return kind, words, facts


TRUST = "no trusted TLS connection to host"
TLS = "check the port, or let base_url begin with http:// if the server is your own"


@pytest.mark.parametrize(
    ("error", "expected"),
    [
        (
            certificate(10),
            failure(
                ConnectError,
                f"{TRUST}: its certificate has expired; it must be renewed, unless this machine's clock is wrong",
                retryable=False,
            ),
        ),
        (
            certificate(9),
            failure(
                ConnectError, f"{TRUST}: its certificate is not valid yet; check this machine's clock", retryable=False
            ),
        ),
        (
            certificate(62),
            failure(ConnectError, f"{TRUST}: its certificate is for another name; check base_url", retryable=False),
        ),
        (
            certificate(64),
            failure(ConnectError, f"{TRUST}: its certificate is for another name; check base_url", retryable=False),
        ),
        (
            certificate(18),
            failure(ConnectError, f"{TRUST}; set ca_file if the server has a certificate of your own", retryable=False),
        ),
        *(
            (no_tls(reason), failure(ConnectError, f"host:8443 does not speak TLS; {TLS}", retryable=False))
            for reason in (
                "WRONG_VERSION_NUMBER",
                "HTTP_REQUEST",
                "HTTPS_PROXY_REQUEST",
                "RECORD_LAYER_FAILURE",
                "PACKET_LENGTH_TOO_LONG",
            )
        ),
        (
            no_tls("NO_CIPHERS_AVAILABLE"),
            failure(ConnectError, "no TLS connection to host: NO_CIPHERS_AVAILABLE", retryable=False),
        ),
        (no_tls(None), failure(ConnectError, "no TLS connection to host: the handshake failed", retryable=False)),
        (no_tls("R" * 101), failure(ConnectError, f"no TLS connection to host: {'R' * 100}", retryable=False)),
        (
            aiohttp.ServerFingerprintMismatch(b"", b"", "host", 1),
            failure(ConnectError, "no TLS connection to host: the handshake failed", retryable=False),
        ),
        (
            aiohttp.ClientConnectorDNSError(TO, OSError(1, "no")),
            failure(ConnectError, "the name 'host' cannot be resolved; check base_url and the network"),
        ),
        (
            aiohttp.ClientProxyConnectionError(TO, OSError(1, "Down")),
            failure(
                ConnectError,
                "no connection to the proxy host:8443: Down; check http.proxy, or the variables that name one",
            ),
        ),
        (
            aiohttp.ClientConnectorError(TO, NotPublicError("no")),
            failure(ConnectError, "host is not on the public internet, and public_only is set", retryable=False),
        ),
        (
            aiohttp.ClientConnectorError(TO, OSError(1, "Down")),
            failure(ConnectError, "no connection to host:8443: Down"),
        ),
        (
            aiohttp.ClientConnectorError(TO, OSError()),
            failure(ConnectError, "no connection to host:8443: refused"),
        ),
        (
            aiohttp.ConnectionTimeoutError(),
            failure(ConnectError, "no connection within connect_timeout; check base_url and the network"),
        ),
        (
            aiohttp.ServerTimeoutError(),
            failure(RequestTimeoutError, "the server fell silent for longer than read_timeout", maybe_billed=True),
        ),
        (
            aiohttp.ClientPayloadError(),
            failure(ConnectError, "the connection broke in the middle of the answer", maybe_billed=True),
        ),
        (
            aiohttp.InvalidURL("x"),
            failure(BadRequestError, "base_url is not a valid URL", retryable=False),
        ),
        (
            aiohttp.ClientHttpProxyError(REQUEST, (), status=403, message="No"),
            failure(
                ConnectError,
                "the proxy does not connect to h: 403 No; check that it may [status 403]",
                retryable=False,
                status=403,
            ),
        ),
        (
            aiohttp.ClientResponseError(REQUEST, ()),
            failure(
                ReplyError,
                "the server's answer is not valid HTTP; base_url may have to begin with https://",
                maybe_billed=True,
            ),
        ),
        (
            NoHttpError(),
            failure(
                ReplyError,
                "the server's answer is not valid HTTP; base_url may have to begin with https://",
                maybe_billed=True,
            ),
        ),
        (
            aiohttp.ServerDisconnectedError(),
            failure(ConnectError, "the connection broke (ServerDisconnectedError)", maybe_billed=True),
        ),
        (
            ConnectionResetError(),
            failure(ConnectError, "the connection broke (ConnectionResetError)", maybe_billed=True),
        ),
    ],
)
def test_each_failure_has_its_sentence(error: Exception, expected: tuple[type[ProviderError], str, Any]) -> None:
    kind, words, facts = expected
    found = translate(error, "http://h/v1")
    assert (type(found), str(found)) == (kind, words)
    assert {
        "retryable": found.retryable,
        "maybe_billed": found.maybe_billed,
        "status": found.status,
    } == {"retryable": True, "maybe_billed": False, "status": None, **facts}


def test_over_tls_the_hint_at_tls_is_left_out() -> None:
    assert str(translate(NoHttpError(), "https://h")) == "the server's answer is not valid HTTP"


@pytest.mark.parametrize(
    ("location", "target"),
    [
        ("https://there.example/x?key=1", "there.example"),
        ("/v2", "another path"),
        ("", "another path"),
        ("http://[bad:1/", "an address that is none"),
        (f"http://{'h' * 101}/", "h" * 100),
    ],
)
def test_a_redirect_names_the_host_alone(location: str, target: str) -> None:
    error = redirected(location, 307)
    words = f"the server redirects to {target}, and redirects are not followed; set base_url to where it really is"
    assert str(error) == f"{words} [status 307]"
    assert (error.status, error.retryable) == (307, False)


@pytest.mark.parametrize(("status", "retryable"), [(403, False), (499, False), (500, True), (502, True)])
def test_a_proxy_that_cannot_is_asked_again(status: int, retryable: bool) -> None:
    error = refused_by_proxy(status, "R" * 101, "api.example")
    words = f"the proxy does not connect to api.example: {status} {'R' * 100}; check that it may"
    assert str(error) == f"{words} [status {status}]"
    assert error.retryable is retryable


def test_a_proxy_that_wants_a_password() -> None:
    error = refused_by_proxy(407, "", None)
    assert str(error) == (
        "the proxy wants a user and password, or others than it got (407); set http.proxy to "
        "http://user:password@host:port [status 407]"
    )
    assert not error.retryable


@pytest.mark.parametrize("proxy", ["https://proxy:3128", "socks5://proxy"])
def test_a_proxy_variable_that_cannot_be_used(proxy: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("https_proxy", proxy)
    monkeypatch.setenv("no_proxy", "exempt.example")
    with pytest.raises(ConfigError) as caught:
        check_proxy_variables("https://api.example/v1")
    assert str(caught.value) == (
        "HTTPS_PROXY names a proxy that does not begin with http://, which trust_env cannot use; set http.proxy to it"
    )
    check_proxy_variables("https://exempt.example/v1")
    check_proxy_variables("http://api.example/v1")


@pytest.mark.parametrize("proxy", ["http://proxy:3128", ""])
def test_proxy_variables_that_can_be_used(proxy: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("https_proxy", proxy)
    monkeypatch.setenv("no_proxy", "")
    check_proxy_variables("https://api.example/v1")
