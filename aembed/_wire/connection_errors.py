"""Errors of connections, each with its cause and a remedy. Nothing of the request is part of a message."""

from __future__ import annotations

import os
import socket
import ssl
from urllib.parse import urlsplit

from aembed._errors import BadRequestError, ConnectError, ProviderError, ReplyError, RequestTimeoutError
from aembed._wire.public import NotPublicError
from aembed._wire.redact import redact

EXPIRED, NOT_YET_VALID, OTHER_NAME, OTHER_ADDRESS = 10, 9, 62, 64
"""OpenSSL's codes: https://docs.openssl.org/master/man3/X509_STORE_CTX_get_error."""
NO_TLS = {
    "WRONG_VERSION_NUMBER",
    "HTTP_REQUEST",
    "HTTPS_PROXY_REQUEST",
    "RECORD_LAYER_FAILURE",
    "PACKET_LENGTH_TOO_LONG",
}
"""OpenSSL's reasons for an answer to its greeting that is not TLS."""


def not_connected(error: Exception, host: str, port: int, *, is_proxy: bool = False) -> ConnectError:
    """No connection to a server or a proxy, for the reason that ``error`` gives."""
    match error:
        case ssl.SSLCertVerificationError():
            return ConnectError(_certificate(error, host), retryable=False)
        case ssl.SSLError():
            return ConnectError(_tls(error, host, port), retryable=False)
        case socket.gaierror() if not is_proxy:
            return ConnectError(f"the name {host!r} cannot be resolved; check base_url and the network")
        case NotPublicError():
            return ConnectError(f"{host} is not on the public internet, and public_only is set", retryable=False)
        case TimeoutError() if error.errno is None:
            through = f" through the proxy {host}:{port}" if is_proxy else ""
            named = "http.proxy, base_url" if is_proxy else "base_url"
            return ConnectError(f"no connection{through} within connect_timeout; check {named} and the network")
    if is_proxy:
        reason = f"{_reason(error)}; check http.proxy, or the variables that name one"
        return ConnectError(f"no connection to the proxy {host}:{port}: {reason}")
    where = host if host.startswith("/") else f"{host}:{port}"  # a Unix socket has no port
    return ConnectError(f"no connection to {where}: {_reason(error)}")


def broke(error: Exception | None, *, in_body: bool) -> ConnectError:
    """The error for a connection that ended before its answer."""
    if in_body:
        return ConnectError("the connection broke in the middle of the answer", maybe_billed=True)
    reason = "closed by the server" if error is None else type(error).__name__
    return ConnectError(f"the connection broke ({reason})", maybe_billed=True)


def silent() -> ProviderError:
    return RequestTimeoutError("the server fell silent for longer than read_timeout")


def no_handshake(host: str, port: int) -> ConnectError:
    """The error for a server that is connected, and silent where it should begin TLS."""
    return ConnectError(
        f"{host}:{port} began no TLS within connect_timeout; check the port, or let base_url begin with http:// if the "
        "server is your own"
    )


def no_http_of_proxy() -> ReplyError:
    return ReplyError("the proxy's answer is not valid HTTP; check http.proxy, or the variables that name one")


def no_http(*, is_tls: bool) -> ReplyError:
    """The error for an answer that breaks a rule of HTTP/1.1, or that no request asked for."""
    hint = "" if is_tls else "; base_url may have to begin with https://"
    return ReplyError(f"the server's answer is not valid HTTP{hint}")


def no_url() -> BadRequestError:
    return BadRequestError("base_url is not a valid URL")


def redirected(location: str, status: int) -> BadRequestError:
    """Redirects are not followed: a key header must not reach another host."""
    try:
        parts = urlsplit(location)
        _ = parts.port  # raises for one that is none
        target = parts.hostname or "another path"
    except ValueError:
        target = "an invalid address"
    return BadRequestError(
        f"the server redirects to {redact(target, (), (), 100)}, and redirects are not followed; set base_url to where "
        "it really is",
        status=status,
    )


def rejected_by_proxy(status: int, reason: str, host: str | None) -> ConnectError:
    """The error for a proxy that wants credentials, or does not connect to ``host``."""
    if status == 407:
        return ConnectError(
            "the proxy wants a user and password, or others than it got (407); set http.proxy to "
            "http://user:password@host:port",
            status=status,
            retryable=False,
        )
    return ConnectError(
        f"the proxy does not connect to {host}: {status} {redact(reason, (), (), 100)}; check that it may",
        status=status,
        retryable=status >= 500,
    )


def _certificate(error: ssl.SSLCertVerificationError, host: str) -> str:
    begin = f"no trusted TLS connection to {host}"
    code = error.verify_code
    if code == EXPIRED:
        return f"{begin}: its certificate has expired; it must be renewed, unless this machine's clock is wrong"
    if code == NOT_YET_VALID:
        return f"{begin}: its certificate is not valid yet; check this machine's clock"
    if code in {OTHER_NAME, OTHER_ADDRESS}:
        return f"{begin}: its certificate is for another name; check base_url"
    return f"{begin}; set ca_file if the server has a certificate of your own"


def _tls(error: ssl.SSLError, host: str, port: int) -> str:
    reason = getattr(error, "reason", None) or "the handshake failed"
    if reason in NO_TLS:
        return (
            f"{host}:{port} does not speak TLS; check the port, or let base_url begin with http:// if the server is "
            "your own"
        )
    return f"no TLS connection to {host}: {redact(str(reason), (), (), 100)}"


def _reason(error: Exception) -> str:
    """The system's words for an error number, which asyncio replaces with the address."""
    number = getattr(error, "errno", None)
    return os.strerror(number) if number is not None and number > 0 else "refused"
