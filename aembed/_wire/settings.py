"""How connections are made."""

from __future__ import annotations

from typing import Annotated
from urllib.parse import urlsplit

from pydantic import Field, SecretStr, field_validator

from aembed._setting import Setting

Seconds = Annotated[float, Field(gt=0, allow_inf_nan=False)]


class HttpSettings(Setting):
    """TLS, proxy and socket timeouts. Certificates are always verified, and no redirect is ever followed."""

    ca_file: str | None = None
    """PEM file with the certificate authorities to trust, instead of the system's."""
    proxy: SecretStr | None = None
    """``http://user:password@host:port``."""

    @field_validator("proxy")
    @classmethod
    def _check_proxy(cls, proxy: SecretStr | None) -> SecretStr | None:
        parts = urlsplit("" if proxy is None else proxy.get_secret_value())
        if proxy is not None and (parts.scheme not in {"http", "https"} or not parts.hostname):
            raise ValueError("must be http://host:port, with user:password@ before the host if it needs them")
        return proxy

    trust_env: bool = False
    """Honour ``HTTP_PROXY``, ``HTTPS_PROXY``, ``NO_PROXY`` and ``~/.netrc``."""
    connect_timeout: Seconds = 10.0
    read_timeout: Seconds = 60.0
    """Seconds of silence between two pieces of an answer. The whole attempt has ``timeout``."""
