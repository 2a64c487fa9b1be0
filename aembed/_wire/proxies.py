"""The proxy and the user that the environment names: variables, the system's settings, and ``.netrc``.

Read by ``urllib`` and ``netrc`` of the standard library, so that they mean here what they mean elsewhere.
"""

from __future__ import annotations

import netrc
import os
from pathlib import Path
from urllib.parse import urlsplit
from urllib.request import getproxies, proxy_bypass

from aembed._errors import ConfigError
from aembed._wire.route import PORTS, Proxy, basic, proxy_of


def proxy_from_environment(scheme: str, host: str) -> Proxy | None:
    """``HTTP_PROXY`` or ``HTTPS_PROXY``, else ``ALL_PROXY``, unless ``NO_PROXY`` exempts the host.

    Raises:
        ConfigError: the variable names a proxy that is not reached over http or https.
    """
    proxies = getproxies()
    name = scheme if proxies.get(scheme) else "all"
    url = proxies.get(name)
    if not url or proxy_bypass(host):
        return None
    if "//" not in url:
        url = f"http://{url}"  # as curl takes it
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


def user_from_netrc(host: str) -> str | None:
    """An ``Authorization`` header for the host, from the file that ``NETRC`` names, or ``~/.netrc``."""
    named = os.environ.get("NETRC")
    usual = Path.home() / ("_netrc" if os.name == "nt" else ".netrc")
    try:
        found = netrc.netrc(named or usual).authenticators(host)
    except (OSError, netrc.NetrcParseError):
        return None
    return None if found is None else basic(found[0] or found[1] or "", found[2] or "")
