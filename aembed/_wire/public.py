"""Sockets that lead to the public internet only, for a ``base_url`` that somebody else has chosen.

The address is looked at when the socket for it is made: behind any name resolution, and each time anew.

Source: https://owasp.org/www-community/attacks/Server_Side_Request_Forgery; IANA's special-purpose address registries,
as :mod:`ipaddress` has them; RFC 6052 for addresses of IPv4 within IPv6.
"""

from __future__ import annotations

import socket
from ipaddress import IPv4Address, IPv6Address, IPv6Network, ip_address
from typing import Any

NAT64 = IPv6Network("64:ff9b::/96")


class NotPublicError(OSError):
    """The address is one of this machine, of a private network, or of nobody."""


def open_public(found: tuple[Any, ...]) -> socket.socket:
    """A socket for an address as ``getaddrinfo`` gives it. Raises :class:`NotPublicError` for most of them."""
    family, kind, protocol, _, address = found
    if not is_public(address[0]):
        raise NotPublicError("not a public address")
    return socket.socket(family, kind, protocol)


def is_public(address: str) -> bool:
    """True if it, and the IPv4 address within it, can be reached from anywhere."""
    ip = ip_address(address.partition("%")[0])
    within = _within(ip) if isinstance(ip, IPv6Address) else None
    return ip.is_global and not ip.is_multicast and (within is None or is_public(str(within)))


def _within(ip: IPv6Address) -> IPv4Address | None:
    if ip in NAT64:
        return IPv4Address(ip.packed[-4:])
    return ip.ipv4_mapped or ip.sixtofour or (ip.teredo[1] if ip.teredo else None)
