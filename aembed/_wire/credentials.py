"""Request headers with the current API key: a fixed one, or one that a function renews."""

from __future__ import annotations

from collections.abc import Awaitable, Mapping
from dataclasses import replace

from pydantic import SecretStr

from aembed._errors import AembedError, AuthenticationError
from aembed._settings.secrets import SecretHeaders, SecretText
from aembed._types import Source
from aembed._wire.auth import checked_headers, key_of

KEYS_KEPT = 2
"""Number of recent keys that are redacted from errors: a server may still quote the one before the current key."""


class Credentials:
    """Headers and secrets of one provider. ``keyed`` holds the key of ``source`` in the headers of the API."""

    def __init__(self, keyed: Mapping[str, str], source: Source) -> None:
        keyed = SecretHeaders(keyed)  # hidden from a traceback that shows local variables
        self._source = source
        self._headers_of_user = checked_headers(source.headers)
        self._of_user = [value for value in source.headers.values() if value]
        self._keys = [SecretText(key) for key in [key_of(source)] if key]
        self.secrets: list[str] = [*self._keys, *self._of_user]
        """Texts that are redacted from everything a server sends."""
        self.headers = SecretHeaders({"Content-Type": "application/json", **keyed, **self._headers_of_user})
        self.may_change = source.keys is not None

    async def current(self) -> SecretHeaders[str]:
        """The headers of the next request. Raises :class:`AuthenticationError` if the key function fails."""
        if self._source.keys is not None:
            await self._use(self._source.keys.get())
        return self.headers

    async def renewed(self, sent: SecretHeaders[str]) -> bool:
        """True if the key function gives another key than the one in the headers that the server rejected."""
        keys, rejected = self._source.keys, self._source.api_key
        if sent is self.headers and keys is not None and rejected is not None:
            await self._use(keys.renewed(rejected))
        return sent is not self.headers

    async def _use(self, asking: Awaitable[SecretStr]) -> None:
        try:
            key = await asking
        except AembedError:
            raise
        except Exception as error:  # its message may hold a key, and is not shown  # the function is the user's
            name = type(error).__name__
            raise AuthenticationError(f"the api_key function failed with {name}; see its __cause__") from error
        if key != self._source.api_key:
            self._put_in(replace(self._source, api_key=key))

    def _put_in(self, source: Source) -> None:
        """Replace the key wherever the provider put it; headers of the user stay as they are."""
        before, after = (SecretText(key_of(each) or "") for each in (self._source, source))
        self.headers = SecretHeaders(
            {
                name: value if name in self._headers_of_user else value.replace(before, after)
                for name, value in self.headers.items()
            }
        )
        self._source = source
        self._keys = [after, *self._keys][:KEYS_KEPT]
        self.secrets[:] = [*self._keys, *self._of_user]
