"""aiohttp's errors -> ours, each with its cause and a remedy. They carry the request: only harmless words pass."""

from __future__ import annotations

import ssl
from urllib.parse import urlsplit
from urllib.request import getproxies, proxy_bypass

import aiohttp
from yarl import URL

from aembed._errors import BadRequestError, ConfigError, ConnectError, ProviderError, ReplyError, RequestTimeoutError
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
"""OpenSSL's reasons for an answer to its greeting that is no TLS."""


class NoHttpError(aiohttp.ClientError):
    """An answer that began well is no HTTP from some point on."""


def translate(error: Exception, url: str) -> ProviderError:  # noqa: C901, PLR0911, PLR0912  # a table
    """What became of a request to ``url``."""
    match error:
        case aiohttp.ClientConnectorCertificateError():
            return ConnectError(_certificate(error), retryable=False)
        case aiohttp.ClientSSLError() | aiohttp.ServerFingerprintMismatch():
            return ConnectError(_tls(error), retryable=False)
        case aiohttp.ClientConnectorDNSError():
            return ConnectError(f"the name {error.host!r} cannot be resolved; check base_url and the network")
        case aiohttp.ClientProxyConnectionError():
            return ConnectError(
                f"no connection to the proxy {error.host}:{error.port}: {_reason(error)}; check http.proxy, or the "
                "variables that name one"
            )
        case aiohttp.ClientConnectorError() if isinstance(error.os_error, NotPublicError):
            return ConnectError(f"{error.host} is not on the public internet, and public_only is set", retryable=False)
        case aiohttp.ClientConnectorError():
            return ConnectError(f"no connection to {error.host}:{error.port}: {_reason(error)}")
        case aiohttp.ConnectionTimeoutError():
            return ConnectError("no connection within connect_timeout; check base_url and the network")
        case aiohttp.ServerTimeoutError():
            return RequestTimeoutError("the server fell silent for longer than read_timeout")
        case aiohttp.ClientPayloadError():
            return ConnectError("the connection broke in the middle of the answer", maybe_billed=True)
        case aiohttp.InvalidURL():
            return BadRequestError("base_url is not a valid URL")
        case aiohttp.ClientHttpProxyError():
            return refused_by_proxy(error.status, error.message, urlsplit(url).hostname)
        case aiohttp.ClientResponseError() | NoHttpError():
            hint = "" if url.startswith("https:") else "; base_url may have to begin with https://"
            return ReplyError(f"the server's answer is not valid HTTP{hint}")
        case _:
            return ConnectError(f"the connection broke ({type(error).__name__})", maybe_billed=True)


def redirected(location: str, status: int) -> BadRequestError:
    """Redirects are not followed: a key header must not reach another host."""
    try:
        target = URL(location).host or "another path"
    except ValueError:
        target = "an address that is none"
    return BadRequestError(
        f"the server redirects to {redact(target, (), (), 100)}, and redirects are not followed; set base_url to where "
        "it really is",
        status=status,
    )


def refused_by_proxy(status: int, reason: str, host: str | None) -> ConnectError:
    """A proxy that wants credentials, does not connect to ``host``, or cannot."""
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


def check_proxy_variables(url: str) -> None:
    """aiohttp passes by a proxy over TLS that a variable names, and only logs it; as an option it takes one.

    Raises:
        ConfigError: ``HTTP_PROXY`` or ``HTTPS_PROXY`` names one, for a host that is not exempt.
    """
    parts = urlsplit(url)
    proxy = getproxies().get(parts.scheme, "")
    if urlsplit(proxy).scheme in {"http", ""} or proxy_bypass(parts.hostname or ""):
        return
    raise ConfigError(
        f"{parts.scheme.upper()}_PROXY names a proxy that does not begin with http://, which trust_env cannot use; "
        "set http.proxy to it"
    )


def _certificate(error: aiohttp.ClientConnectorCertificateError) -> str:
    host, found = error.host, error.certificate_error
    code = found.verify_code if isinstance(found, ssl.SSLCertVerificationError) else None
    begin = f"no trusted TLS connection to {host}"
    if code == EXPIRED:
        return f"{begin}: its certificate has expired; it must be renewed, unless this machine's clock is wrong"
    if code == NOT_YET_VALID:
        return f"{begin}: its certificate is not valid yet; check this machine's clock"
    if code in {OTHER_NAME, OTHER_ADDRESS}:
        return f"{begin}: its certificate is for another name; check base_url"
    return f"{begin}; set ca_file if the server has a certificate of your own"


def _tls(error: aiohttp.ClientSSLError | aiohttp.ServerFingerprintMismatch) -> str:
    reason = getattr(getattr(error, "os_error", None), "reason", None) or "the handshake failed"
    if reason in NO_TLS:
        return (
            f"{error.host}:{error.port} does not speak TLS; check the port, or let base_url begin with http:// if the "
            "server is your own"
        )
    return f"no TLS connection to {error.host}: {redact(str(reason), (), (), 100)}"


def _reason(error: aiohttp.ClientConnectorError) -> str:
    return error.os_error.strerror or "refused"
