"""The environment variables and hosts of one provider. Each HTTP API declares its own."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from urllib.parse import urlsplit


@dataclass(frozen=True, kw_only=True)
class Vendor:
    """Sources of a provider's key and address, and the hosts that may receive that key.

    A key from the environment goes to ``own_hosts`` over https, to the address in ``base_url_variable``, and nowhere
    else.
    """

    key_variables: tuple[str, ...] = ()
    """Environment variables that hold the API key; the first that is set wins.

    ``NAME_FILE`` names a file that holds the key, as container platforms mount secrets.
    """
    key_file_variables: tuple[str, ...] = ()
    """Environment variables that name a file with the key. They win over ``key_variables``."""
    base_url_variable: str | None = None
    """Environment variable that holds the server's address."""
    as_base_url: Callable[[str], str] = str
    """Converts the value of ``base_url_variable`` to a ``base_url``."""
    own_hosts: tuple[str, ...] = ()
    """Host names of the provider's own servers. A leading dot means every host below."""

    def is_own_host(self, base_url: str | None) -> bool:
        """True if ``base_url`` leads to the provider's own servers, as ``None`` does."""
        if base_url is None:
            return True
        host = urlsplit(base_url).hostname or ""
        return any(host == known or (known[0] == "." and host.endswith(known)) for known in self.own_hosts)

    def may_receive_key(self, base_url: str | None) -> bool:
        """True if a key from the environment may be sent to ``base_url``: an own host, over https."""
        return base_url is None or (base_url.lower().startswith("https://") and self.is_own_host(base_url))


NO_VENDOR = Vendor()
"""A provider that declares no variables: a model in this process, or an opener without an HTTP API."""


def with_path(path: str) -> Callable[[str], str]:
    """``as_base_url`` for SDKs whose variable holds the root of the server, without the API version's path."""
    return lambda root: root if root.rstrip("/").endswith(path) else root.rstrip("/") + path


def is_same_address(url: str | None, other: str | None) -> bool:
    """True for equal addresses; a slash at the end makes no difference."""
    return url is not None and other is not None and url.rstrip("/") == other.rstrip("/")
