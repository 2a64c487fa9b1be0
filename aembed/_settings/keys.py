"""Sources of an API key and of its address: an option, a function, a file, or the provider's variables.

A key goes to the ``base_url`` that was given with it, or to the provider's own hosts, and nowhere else. The same holds
for the key and the address in the provider's variables, which are those of its SDK.
"""

from __future__ import annotations

import inspect
import os
import socket
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from ipaddress import IPv4Address, IPv6Address
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import anyio.to_thread
from pydantic import SecretStr

from aembed._errors import ConfigError
from aembed._settings.http import HttpSettings
from aembed._settings.layers import KEYS
from aembed._settings.options import AskKey, Options, Profile, checked_url
from aembed._settings.secrets import KEY_HEADERS, may_be_secret, more_than_key
from aembed._settings.vendors import Vendor, is_same_address


@dataclass(frozen=True, slots=True, kw_only=True)
class KeyAndAddress:
    """Address and key of a provider, and the origin of each: "" for the provider's own default."""

    base_url: str | None
    base_url_origin: str
    key: SecretStr | AskKey | None
    """The key, or the function that gives it."""
    key_origin: str


def find_endpoint(vendor: Vendor, settings: Options, environ: Mapping[str, str] = os.environ) -> KeyAndAddress:
    """Address and key, from settings, else from the provider's variables.

    Raises:
        ConfigError: a variable holds no address; a key would go over plain http.
    """
    named = _address(vendor, environ)
    url, url_origin = settings.base_url, "base_url"
    if url is None:
        url, url_origin = named, vendor.base_url_variable or ""
    key, key_origin = _given(settings)
    if key is None and (vendor.may_receive_key(url) or is_same_address(url, named)):
        key, key_origin = _from_environment(vendor, environ)
    holds_key = key is not None or not KEY_HEADERS.isdisjoint(map(str.lower, settings.headers))
    if url is not None and holds_key:
        check_key_is_covered(url, settings.http)
    return KeyAndAddress(base_url=url, base_url_origin=url_origin if url else "", key=key, key_origin=key_origin)


def check_key_is_covered(url: str, http: HttpSettings) -> None:
    """Raises :class:`ConfigError` if a key would cross a network in clear text."""
    host = urlsplit(url).hostname or ""
    if urlsplit(url).scheme != "http" or http.allow_key_over_http or host == "localhost" or host.endswith(".localhost"):
        return
    address = _address_of(host)
    if address is not None and (address.is_loopback or address.is_unspecified):
        return
    if address is not None and http.public_only and not address.is_global:
        return  # public_only allows no such connection
    raise ConfigError(
        f"a key over plain http to {host} can be read on the way; give an https:// base_url, "
        "or allow it with http=HttpSettings(allow_key_over_http=True)"
    )


def fields_for(
    name: str, profile: Profile, options: Mapping[str, object], vendor_of: Callable[[str], Vendor]
) -> dict[str, object]:
    """The fields of a profile for an embedder with these keywords. Its key and headers go to no other ``base_url``.

    Raises:
        ConfigError: ``base_url`` leads elsewhere, and no key or headers are given with it.
    """
    fields = profile.table()
    url = options.get("base_url")
    if not isinstance(url, str) or is_same_address(url, profile.base_url):
        return fields
    if vendor_of(profile.model.partition(":")[0]).may_receive_key(url):
        return fields
    for names in (KEYS, {"headers"}):
        held = [fields.pop(field, None) for field in names]
        if any(held) and not names & options.keys():
            whose = profile.base_url or "the provider's own hosts"
            raise ConfigError(
                f"base_url: the {'key' if names is KEYS else 'headers'} of profile {name!r}, given for {whose}, will "
                f"not be sent elsewhere; give {'api_key' if names is KEYS else 'headers'} together with base_url"
            )
    return fields


async def ask_key(ask: AskKey) -> tuple[SecretStr, float | None]:
    """The key, and when it expires, in seconds since 1970. A function that is not async runs in a worker thread.

    Raises:
        ConfigError: the function gives no key.
    """
    answer: Any = await anyio.to_thread.run_sync(ask)
    if inspect.isawaitable(answer):
        answer = await answer
    expires_at = None
    if isinstance(answer, tuple) and len(answer) == 2 and isinstance(answer[1], (int, float)):
        answer, expires_at = answer[0], float(answer[1])
    if isinstance(answer, str):
        return SecretStr(answer), expires_at
    if isinstance(answer, SecretStr):
        return answer, expires_at
    kind = type(answer).__name__
    del answer
    raise ConfigError(f"api_key: the function gave a {kind}, not the key as a str, or the key and when it expires")


def _address(vendor: Vendor, environ: Mapping[str, str]) -> str | None:
    value = environ.get(vendor.base_url_variable or "", "").strip()
    if not value:
        return None
    try:
        return checked_url(vendor.as_base_url(value))
    except ValueError as error:
        raise ConfigError(f"{vendor.base_url_variable}: {error}") from None


def _given(settings: Options) -> tuple[SecretStr | AskKey | None, str]:
    if settings.api_key_file is not None:
        return partial(_read, Path(settings.api_key_file), "api_key_file"), "api_key_file"
    key = settings.api_key
    return (SecretStr(key) if isinstance(key, str) else key), "" if key is None else "api_key"


def _from_environment(vendor: Vendor, environ: Mapping[str, str]) -> tuple[SecretStr | AskKey | None, str]:
    for name in vendor.key_file_variables:
        if environ.get(name, "").strip():
            return partial(_read, Path(environ[name]), name), name
    for name in vendor.key_variables:
        if environ.get(name, "").strip():
            return _alone(environ[name].strip(), name), name
    for name in (f"{name}_FILE" for name in vendor.key_variables):
        if environ.get(name, "").strip():
            return partial(_read, Path(environ[name]), name), name
    return None, ""


def _read(file: Path, origin: str) -> SecretStr:
    try:
        key = file.expanduser().read_text(encoding="utf-8-sig").strip()
    except OSError as error:
        if may_be_secret(str(file)):
            reason = "names no file, and looks like a key itself; give the path of a file that holds it"
            raise ConfigError(f"{origin} {reason}, or the key as api_key") from None
        raise ConfigError(
            f"{origin}: the key file {str(file)!r} cannot be read: {error.strerror}; check the path"
        ) from None
    except UnicodeDecodeError:
        raise ConfigError(
            f"{origin}: the key file {str(file)!r} is not text; it must hold the key and nothing else"
        ) from None
    if not key:
        raise ConfigError(f"{origin}: the key file {str(file)!r} is empty; it must hold the key and nothing else")
    return _alone(key, f"{origin}: the key file {str(file)!r}")


def _alone(key: str, where: str) -> SecretStr:
    if (more := more_than_key(key)) is not None:
        del key  # from a traceback that shows local variables
        raise ConfigError(f"{where} holds {more}; it must hold the key and nothing else")
    return SecretStr(key)


def _address_of(host: str) -> IPv4Address | IPv6Address | None:
    """The address of a host that is not a name, in any spelling that a resolver takes: 127.1, 0x7f.1, 2130706433."""
    try:
        return IPv4Address(socket.inet_aton(host))
    except OSError:
        pass
    try:
        address = IPv6Address(host)
    except ValueError:
        return None
    return address.ipv4_mapped or address
