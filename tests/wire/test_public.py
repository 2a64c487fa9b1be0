"""Addresses of the public internet, and all others."""

from __future__ import annotations

import socket
from typing import Any

import pytest

from aembed import ConfigError, HttpSettings
from aembed._wire.public import NotPublicError, is_public, open_public

PRIVATE = """
    127.0.0.1 127.8.9.10 0.0.0.0 10.1.2.3 172.16.0.1 172.31.255.255 192.168.1.1 169.254.169.254 100.64.0.1 100.127.1.1
    198.18.0.1 224.0.0.1 240.0.0.1 255.255.255.255 192.0.0.1 ::1 :: fe80::1 fe80::1%eth0 fc00::1 fd00:ec2::254 ff02::1
    ::ffff:127.0.0.1 ::ffff:169.254.169.254 64:ff9b::a00:1 2002:7f00:1:: 2001:0:4136:e378:8000:63bf:3fff:fdd2
    100.100.100.200 2001:db8::1 192.0.0.192 168.63.129.16 ::ffff:168.63.129.16 64:ff9b::a83f:8110 64:ff9b::c000:c0
    64:ff9b:1::808:808 ::7f00:1 ::808:808 ::10.0.0.1 ::ffff:0:8.8.8.8 fec0::1 feff::1 5f00::1 100::1 3fff::1 4000::1
    2002:a9fe:a9fe::1 2002:a83f:8110::1 2001:20::1 192.88.99.1 203.0.113.7 192.0.2.1 198.51.100.1 0.1.2.3 ff05::2
"""
PUBLIC = """
    8.8.8.8 1.1.1.1 172.32.0.1 192.169.0.1 168.63.129.17 192.0.1.1 2606:4700::1111 64:ff9b::808:808 ::ffff:8.8.8.8
    2002:808:808::1 2a00:1450::1 2001:200::1
"""


@pytest.mark.parametrize("address", PRIVATE.split())
def test_not_public(address: str) -> None:
    assert not is_public(address)


@pytest.mark.parametrize("address", PUBLIC.split())
def test_public(address: str) -> None:
    assert is_public(address)


def test_a_socket_for_a_public_address_and_none_for_another() -> None:
    kind = (socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP, "")
    with open_public((*kind, ("8.8.8.8", 443))) as made:
        assert (made.family, made.type) == kind[:2]
    with pytest.raises(NotPublicError, match="not a public address"):
        open_public((*kind, ("127.0.0.1", 443)))


@pytest.mark.parametrize("more", [{"proxy": "http://proxy:3128"}, {"trust_env": True}])
def test_a_proxy_would_make_it_void(more: dict[str, Any]) -> None:
    with pytest.raises(ConfigError, match="leave out proxy and trust_env"):
        HttpSettings(public_only=True, **more)
