"""Broken connections, explained so that they can be mended: each cause has its sentence."""

from __future__ import annotations

import errno
import socket
import ssl
from typing import Any

import pytest

from aembed import ConnectError, ProviderError, ReplyError, RequestTimeoutError
from aembed._wire.connection_errors import broke, no_http, no_url, not_connected, redirected, rejected_by_proxy, silent
from aembed._wire.public import NotPublicError

TRUST = "no trusted TLS connection to host"
TLS = "check the port, or let base_url begin with http:// if the server is your own"


def certificate(code: int) -> Exception:
    error = ssl.SSLCertVerificationError("no")
    error.verify_code = code
    return error


def no_tls(reason: str | None) -> Exception:
    error = ssl.SSLError("no")
    error.reason = reason  # type: ignore[assignment]
    return error


NOT_CONNECTED: list[tuple[Exception, str, bool]] = [
    (
        certificate(10),
        f"{TRUST}: its certificate has expired; it must be renewed, unless this machine's clock is wrong",
        False,
    ),
    (certificate(9), f"{TRUST}: its certificate is not valid yet; check this machine's clock", False),
    (certificate(62), f"{TRUST}: its certificate is for another name; check base_url", False),
    (certificate(64), f"{TRUST}: its certificate is for another name; check base_url", False),
    (certificate(18), f"{TRUST}; set ca_file if the server has a certificate of your own", False),
    *(
        (no_tls(reason), f"host:8443 does not speak TLS; {TLS}", False)
        for reason in (
            "WRONG_VERSION_NUMBER",
            "HTTP_REQUEST",
            "HTTPS_PROXY_REQUEST",
            "RECORD_LAYER_FAILURE",
            "PACKET_LENGTH_TOO_LONG",
        )
    ),
    (no_tls("NO_CIPHERS_AVAILABLE"), "no TLS connection to host: NO_CIPHERS_AVAILABLE", False),
    (no_tls(None), "no TLS connection to host: the handshake failed", False),
    (no_tls("R" * 101), f"no TLS connection to host: {'R' * 100}", False),
    (socket.gaierror(-2, "no"), "the name 'host' cannot be resolved; check base_url and the network", True),
    (NotPublicError("no"), "host is not on the public internet, and public_only is set", False),
    (TimeoutError(), "no connection within connect_timeout; check base_url and the network", True),
    (ConnectionRefusedError(errno.ECONNREFUSED, "x"), "no connection to host:8443: Connection refused", True),
    (TimeoutError(errno.ETIMEDOUT, "x"), "no connection to host:8443: Connection timed out", True),
    (OSError(), "no connection to host:8443: refused", True),
]


@pytest.mark.parametrize(("error", "words", "retryable"), NOT_CONNECTED)
def test_each_reason_for_no_connection_has_its_sentence(error: Exception, words: str, retryable: bool) -> None:
    found = not_connected(error, "host", 8443)
    assert (type(found), str(found), found.retryable, found.maybe_billed) == (ConnectError, words, retryable, False)


@pytest.mark.parametrize("error", [ConnectionRefusedError(errno.ECONNREFUSED, "x"), socket.gaierror(-2, "no")])
def test_a_proxy_out_of_reach_is_named(error: Exception) -> None:
    words = str(not_connected(error, "host", 3128, is_proxy=True))
    assert words.startswith("no connection to the proxy host:3128: ")
    assert words.endswith("; check http.proxy, or the variables that name one")


BROKEN: list[tuple[ProviderError, type[ProviderError], str]] = [
    (broke(None, in_body=False), ConnectError, "the connection broke (closed by the server)"),
    (broke(ConnectionResetError(), in_body=False), ConnectError, "the connection broke (ConnectionResetError)"),
    (broke(None, in_body=True), ConnectError, "the connection broke in the middle of the answer"),
    (silent(), RequestTimeoutError, "the server fell silent for longer than read_timeout"),
    (no_http(is_tls=True), ReplyError, "the server's answer is not valid HTTP"),
    (
        no_http(is_tls=False),
        ReplyError,
        "the server's answer is not valid HTTP; base_url may have to begin with https://",
    ),
]


@pytest.mark.parametrize(("found", "kind", "words"), BROKEN)
def test_a_request_that_breaks_later_may_be_billed(found: ProviderError, kind: type[Any], words: str) -> None:
    assert (type(found), str(found), found.retryable, found.maybe_billed) == (kind, words, True, True)


def test_a_url_that_is_none() -> None:
    assert str(no_url()) == "base_url is not a valid URL"
    assert not no_url().retryable


@pytest.mark.parametrize(
    ("location", "target"),
    [
        ("https://there.example/x?key=1", "there.example"),
        ("/v2", "another path"),
        ("", "another path"),
        ("http://[bad:1/", "an invalid address"),
        ("http://x:99999999/", "an invalid address"),
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
    error = rejected_by_proxy(status, "R" * 101, "api.example")
    words = f"the proxy does not connect to api.example: {status} {'R' * 100}; check that it may"
    assert str(error) == f"{words} [status {status}]"
    assert error.retryable is retryable


def test_a_proxy_that_wants_a_password() -> None:
    error = rejected_by_proxy(407, "", None)
    assert str(error) == (
        "the proxy wants a user and password, or others than it got (407); set http.proxy to "
        "http://user:password@host:port [status 407]"
    )
    assert not error.retryable
