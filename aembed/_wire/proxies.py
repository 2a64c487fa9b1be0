"""The proxy and the user that the environment names: variables, the system's settings, and ``.netrc``.

Read by ``urllib`` and ``netrc`` of the standard library, so that they have their usual meaning.
"""

from __future__ import annotations

import netrc
import os
import re
from ipaddress import ip_address, ip_network
from pathlib import Path
from urllib.parse import urlsplit
from urllib.request import getproxies, proxy_bypass

from aembed._errors import ConfigError
from aembed._wire.route import PORTS, Origin, Proxy, basic, proxy_of

_SEPARATORS = re.compile(r"[,\s]+")
"""Separators in ``NO_PROXY``: curl takes blanks as well as commas."""
_DOMAIN = re.compile(r"(\*?\.)?(?P<host>[^*:/]+)(:(?P<port>\d+))?")


def way_to(origin: Origin, proxy_url: str | None, *, trust_env: bool) -> tuple[Proxy | None, str | None]:
    """The proxy that leads to a server, and an ``Authorization`` header for the server.

    Raises:
        ConfigError: a variable names a proxy that cannot be used.
    """
    if origin.socket_path is not None:
        return None, None
    proxy = None if proxy_url is None else proxy_of(proxy_url)
    if not trust_env:
        return proxy, None
    if proxy is None:
        proxy = proxy_from_environment(origin)
    return proxy, user_from_netrc(origin.host)


def proxy_from_environment(origin: Origin) -> Proxy | None:
    """``HTTP_PROXY`` or ``HTTPS_PROXY``, else ``ALL_PROXY``, unless ``NO_PROXY`` exempts the host.

    Raises:
        ConfigError: the variable names a proxy that is not reached over http or https.
    """
    proxies = getproxies()
    scheme = "https" if origin.is_tls else "http"
    name = scheme if proxies.get(scheme) else "all"
    url = proxies.get(name)
    if not url or _is_exempt(origin, proxies.get("no", "")):
        return None
    if "//" not in url:
        url = f"http://{url}"  # the meaning that curl gives it
    proxy = None
    try:
        if urlsplit(url).scheme in PORTS and urlsplit(url).hostname:
            proxy = proxy_of(url)
    except ValueError:
        pass
    if proxy is None:
        del url, proxies  # from a traceback that shows local variables
        raise ConfigError(
            f"{name.upper()}_PROXY names a proxy that does not begin with http:// or https://, which trust_env cannot "
            "use; set the variable to one that does"
        )
    if proxy.authorization is None:
        return Proxy(proxy.scheme, proxy.host, proxy.port, user_from_netrc(proxy.host))
    return proxy


def _is_exempt(origin: Origin, listed: str) -> bool:
    """True if ``NO_PROXY``, or the system, exempts the server from the proxy.

    ``urllib`` compares text: IPv6 may have brackets. It knows no ``*.``, no networks, and no blank between entries.
    """
    if any(map(proxy_bypass, (origin.host, origin.authority, f"{origin.authority}:{origin.port}"))):
        return True
    entries = _SEPARATORS.split(listed.lower())
    return any(_is_in_domain(origin, entry) or _is_in_network(origin.host, entry) for entry in entries)


def _is_in_domain(origin: Origin, entry: str) -> bool:
    """True for a host and its subdomains, as ``host``, ``.host`` or ``*.host`` name them; a port limits it to that."""
    found = _DOMAIN.fullmatch(entry)
    if found is None or found["port"] not in {None, str(origin.port)}:
        return False
    return f".{origin.host}".endswith(f".{found['host']}")


def _is_in_network(host: str, network: str) -> bool:
    """True for an address in ``10.0.0.0/8`` or ``fd00::/8``. A name is not looked up, as the proxy may know another."""
    if "/" not in network:
        return False
    try:
        return ip_address(host) in ip_network(network.replace("[", "").replace("]", ""), strict=False)
    except ValueError:
        return False


def user_from_netrc(host: str) -> str | None:
    """An ``Authorization`` header for the host, from the file that ``NETRC`` names, or ``~/.netrc``.

    Only from the entry of this very machine, never from ``default``.
    """
    named = os.environ.get("NETRC")
    try:
        usual = Path.home() / ("_netrc" if os.name == "nt" else ".netrc")
        machines = netrc.netrc(named or usual).hosts
    except (OSError, RuntimeError, UnicodeError, netrc.NetrcParseError):  # RuntimeError: a user without a home
        return None
    # "default" is the name of the entry for all other machines: a password must not go to any base_url.
    login, _, password = machines.get(host if host != "default" else "", ("", "", ""))
    return basic(login or "", password or "") if login or password else None
