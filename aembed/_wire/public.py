"""Sockets that lead to the public internet only (protection from SSRF), for a ``base_url`` from a third party.

The address is checked when its socket is made: after name resolution, and again for every connection.

The table is written here: the addresses that :mod:`ipaddress` calls global differ by version of Python, and include
those that clouds use internally. Source: https://owasp.org/www-community/attacks/Server_Side_Request_Forgery.
"""

from __future__ import annotations

import socket
from ipaddress import IPv4Address, IPv6Address, IPv6Network, ip_address, ip_network
from typing import Any

NOT_PUBLIC = tuple(
    ip_network(network)
    for network in (
        "0.0.0.0/8",  # this host: RFC 791
        "10.0.0.0/8",  # private: RFC 1918
        "100.64.0.0/10",  # shared by carriers: RFC 6598; 100.100.100.200 is Alibaba Cloud's metadata
        "127.0.0.0/8",  # loopback: RFC 1122
        "168.63.129.16/32",  # Azure's platform, which hands out certificates and settings of a machine
        "169.254.0.0/16",  # link-local: RFC 3927; metadata of most clouds
        "172.16.0.0/12",  # private: RFC 1918
        "192.0.0.0/24",  # protocol assignments: RFC 6890; 192.0.0.192 is Oracle Cloud's metadata
        "192.0.2.0/24",  # documentation: RFC 5737
        "192.88.99.0/24",  # relays of 6to4, deprecated: RFC 7526
        "192.168.0.0/16",  # private: RFC 1918
        "198.18.0.0/15",  # benchmarks: RFC 2544
        "198.51.100.0/24",  # documentation: RFC 5737
        "203.0.113.0/24",  # documentation: RFC 5737
        "224.0.0.0/4",  # multicast: RFC 5771
        "240.0.0.0/4",  # reserved, and broadcast: RFC 1112, RFC 919
        "2001::/23",  # protocol assignments, Teredo among them: RFC 2928
        "2001:db8::/32",  # documentation: RFC 3849
        "3fff::/20",  # documentation: RFC 9637
    )
)
"""IANA's registries of special-purpose addresses, https://www.iana.org/assignments/iana-ipv4-special-registry and
iana-ipv6-special-registry, and what clouds use for themselves:
https://learn.microsoft.com/azure/virtual-network/what-is-ip-address-168-63-129-16,
https://docs.oracle.com/iaas/Content/Compute/Tasks/gettingmetadata.htm."""

UNICAST = IPv6Network("2000::/3")
"""All that IANA has given out of IPv6, https://www.iana.org/assignments/ipv6-address-space: no fc00::/7, fe80::/10,
fec0::/10, ff00::/8, 5f00::/16, 64:ff9b:1::/48, nor an IPv4-compatible address."""

NAT64 = IPv6Network("64:ff9b::/96")
"""An address of IPv4 behind a translator: RFC 6052."""
SIX_TO_FOUR = IPv6Network("2002::/16")
"""The same behind a relay: RFC 3056."""


class NotPublicError(OSError):
    """The address belongs to this machine or a private network, or is not assigned."""


def open_public(found: tuple[Any, ...]) -> socket.socket:
    """A socket for an address as ``getaddrinfo`` gives it. Raises :class:`NotPublicError` for most of them."""
    family, kind, protocol, _, address = found
    if not is_public(address[0]):
        raise NotPublicError("not a public address")
    return socket.socket(family, kind, protocol)


def is_public(address: str) -> bool:
    """True if it can be reached from anywhere; for an address of IPv4 within one of IPv6, if that can."""
    ip = ip_address(address.partition("%")[0])
    if isinstance(ip, IPv6Address):
        if ip.ipv4_mapped is not None:
            ip = ip.ipv4_mapped
        elif ip in NAT64:
            ip = IPv4Address(ip.packed[-4:])
        elif ip not in UNICAST or (ip in SIX_TO_FOUR and not is_public(str(IPv4Address(ip.packed[2:6])))):
            return False
    return not any(ip in network for network in NOT_PUBLIC)
