"""Settings of connections."""

from __future__ import annotations

import re
from urllib.parse import quote, unquote, urlsplit

from pydantic import SecretStr, field_validator, model_validator

from aembed._settings.base import Settings
from aembed._settings.values import Seconds, Switch


class HttpSettings(Settings):
    """TLS, proxy and socket timeouts. Certificates are always verified, and no redirect is ever followed."""

    ca_file: str | None = None
    """PEM file with the certificate authorities to trust, instead of the system's."""
    proxy: str | SecretStr | None = None
    """URL of a forward proxy, ``http://user:password@host:port`` or ``https://...``; stored as a ``SecretStr``."""
    trust_env: Switch = False
    """Honour ``HTTP_PROXY``, ``HTTPS_PROXY``, ``ALL_PROXY``, ``NO_PROXY`` and ``~/.netrc``."""
    public_only: Switch = False
    """SSRF protection, for a ``base_url`` from users or other programs: connect to public addresses only, never to this
    machine, a private network or a cloud's metadata. The address itself is looked at, each time a connection is made,
    so that no name can lead elsewhere later. Not with a proxy, which would do the connecting. Once it is on for all
    embedders or in a profile, nothing closer to the call switches it off."""
    allow_key_over_http: Switch = False
    """Allow a key, or a header that holds one, over plain http to another machine, where it can be read in transit."""

    connect_timeout: Seconds = 10.0
    """Seconds to resolve the name, connect, and finish TLS with a proxy and the server."""
    read_timeout: Seconds = 60.0
    """Seconds without a byte from the server. ``timeout`` covers the whole attempt."""

    @property
    def proxy_url(self) -> str | None:
        """The proxy's address in clear text, for the connection to it."""
        return self.proxy.get_secret_value() if isinstance(self.proxy, SecretStr) else self.proxy

    @field_validator("proxy")
    @classmethod
    def _check_proxy(cls, proxy: str | SecretStr | None) -> SecretStr | None:
        if proxy is None:
            return None
        secret = proxy if isinstance(proxy, SecretStr) else SecretStr(proxy)
        parts = urlsplit(secret.get_secret_value())
        if parts.scheme not in {"http", "https"} or not parts.hostname:
            raise ValueError("must be http://host:port, with user:password@ before the host if it needs them")
        return secret

    @model_validator(mode="after")
    def _check_public(self) -> HttpSettings:
        if self.public_only and (self.proxy is not None or self.trust_env):
            raise ValueError("public_only cannot see where a proxy connects to; leave out proxy and trust_env")
        return self


UNIX = "http+unix"
"""Scheme of a URL whose host is the quoted path of a Unix domain socket, as Docker's clients write it."""


def unix_url(url: str) -> str | None:
    """``unix:/run/tei.sock``, ``unix:///run/tei.sock`` or ``unix:/run/vllm.sock:/v1``, as nginx writes it, in one form.

    That form is ``http+unix://%2Frun%2Fvllm.sock/v1``; it may also be given. ``None`` for a URL of another kind.

    Raises ValueError for a socket without a full path.
    """
    scheme, _, rest = url.partition(":")
    if scheme.lower() == "unix":
        name, _, path = rest.removeprefix("//").partition(":")
    elif scheme.lower() == UNIX:
        host, _, path = rest.removeprefix("//").partition("/")
        name, path = unquote(host), f"/{path}"
    else:
        return None
    if not name.startswith("/") or name.endswith("/") or (path and not path.startswith("/")) or set("?#") & set(path):
        raise ValueError("must name a Unix socket by its full path: unix:/run/tei.sock, or unix:/run/vllm.sock:/v1")
    return f"{UNIX}://{quote(name, safe='')}{re.sub('/{2,}', '/', path).rstrip('/')}"
