"""The route to a URL: the server or proxy to connect to, and the head of the request."""

from __future__ import annotations

import re
from base64 import b64encode
from collections.abc import Mapping
from dataclasses import dataclass, field
from urllib.parse import quote, unquote, urlsplit

from aembed._errors import ConfigError
from aembed._settings.http import UNIX
from aembed._settings.secrets import SecretHeaders, SecretText
from aembed._version import __version__
from aembed._wire.connection_errors import no_url

USER_AGENT = f"aembed/{__version__}"
PORTS = {"http": 80, "https": 443}
IN_A_PATH = "/%:@!$&'()*+,;=-._~"
"""Characters that a path may hold besides letters and digits, RFC 3986 section 3.3; ``%`` of encoded ones included."""
OURS = {"connection", "content-length", "expect", "keep-alive", "te", "trailer", "transfer-encoding", "upgrade"}
"""Headers that give a request's length and the fate of the connection."""

_HOST = re.compile(r"[\w!$&'()*+,;=~.-]+|[0-9a-f:.]+(%[\w.~-]+)?", re.ASCII)
_FIELD = re.compile(r"[!#$%&'*+.^`|~\w-]+: [^\r\n\0]*", re.ASCII)


@dataclass(frozen=True, slots=True)
class Proxy:
    """A forward proxy. ``authorization`` is the value of a header."""

    scheme: str
    host: str
    port: int
    authorization: str | None = field(default=None, repr=False)


@dataclass(frozen=True, slots=True, eq=False)
class Origin:
    """A server, and the proxy before it, if any. Connections to one origin are interchangeable."""

    is_tls: bool
    host: str
    port: int
    proxy: Proxy | None = None
    socket_path: str | None = None
    """Path of a Unix domain socket, which is connected to instead."""

    @property
    def authority(self) -> str:
        """Host and port, as the head of a request names them."""
        host = self.host.partition("%")[0]  # the zone of an address concerns this machine alone
        return f"[{host}]" if ":" in host else host

    @property
    def host_header(self) -> str:
        is_usual = self.port == PORTS["https" if self.is_tls else "http"]
        return self.authority if is_usual else f"{self.authority}:{self.port}"


class Route:
    """The parts that all requests to one URL share."""

    __slots__ = ("_head", "_headers", "_target", "_user", "origin")

    def __init__(self, origin: Origin, target: str, user: str | None = None) -> None:
        self.origin = origin
        self._target = target
        self._user = user
        """Authorization for a request that has none: the user's, of ``.netrc``."""
        self._headers: Mapping[str, str] | None = None
        self._head = b""

    def head(self, headers: Mapping[str, str]) -> bytes:
        """The head up to the length of the body, kept while a provider passes the same object of headers."""
        if headers is not self._headers:
            self._head = self._encoded(SecretHeaders(headers))
            self._headers = headers
        return self._head

    def _encoded(self, given: Mapping[str, str]) -> bytes:
        fields = {
            "host": ("Host", self.origin.host_header),
            "user-agent": ("User-Agent", USER_AGENT),
            "accept": ("Accept", "*/*"),
            "accept-encoding": ("Accept-Encoding", "gzip, deflate"),
        }
        proxy = self.origin.proxy
        if self._user is not None:
            fields["authorization"] = ("Authorization", SecretText(self._user))
        if proxy is not None and proxy.authorization is not None and not self.origin.is_tls:
            fields["proxy-authorization"] = ("Proxy-Authorization", SecretText(proxy.authorization))
        fields |= {name.lower(): (name, SecretText(value)) for name, value in given.items()}
        ours = next((name for name in fields if name in OURS), None)
        if ours is not None:
            raise ConfigError(f"headers: {ours!r} cannot be chosen, the connection sets it; leave it out")
        lines = [SecretText(f"{name}: {value}") for name, value in fields.values()]
        if not all(map(_FIELD.fullmatch, lines)):
            raise ConfigError("headers: one has a line break, or another character that no header can have")
        return "\r\n".join((f"POST {self._target} HTTP/1.1", *lines, "Content-Length: ")).encode()


def split(url: str) -> tuple[Origin, str]:
    """The server that ``url`` names, and the rest of it as a request line has it.

    Raises:
        BadRequestError: it is not an http or https URL.
    """
    try:
        parts = urlsplit(url)
        if parts.scheme == UNIX:
            origin = Origin(is_tls=False, host="localhost", port=80, socket_path=unquote(parts.netloc))
            return origin, quote(parts.path or "/", safe=IN_A_PATH)
        port = parts.port
        host = _ascii(parts.hostname or "")
    except ValueError:  # UnicodeError is one
        raise no_url() from None
    if parts.scheme not in PORTS or not _HOST.fullmatch(host) or port == 0:
        raise no_url()
    target = quote(parts.path or "/", safe=IN_A_PATH)
    if parts.query:
        target = f"{target}?{quote(parts.query, safe=IN_A_PATH + '?')}"
    return Origin(parts.scheme == "https", host, port or PORTS[parts.scheme]), target


def proxy_of(url: str) -> Proxy:
    """The proxy that ``http://user:password@host:port`` names."""
    parts = urlsplit(url)
    authorization = None
    if parts.username is not None:
        authorization = basic(unquote(parts.username), unquote(parts.password or ""))
    host, port = parts.hostname or "", parts.port
    return Proxy(parts.scheme, _ascii(host), port or PORTS[parts.scheme], authorization)


def basic(user: str, password: str) -> str:
    """RFC 7617."""
    return f"Basic {b64encode(f'{user}:{password}'.encode()).decode()}"


def _ascii(host: str) -> str:
    return host if host.isascii() else host.encode("idna").decode()
