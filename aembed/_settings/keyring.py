"""A key that is renewed after a 401 and before it expires."""

from __future__ import annotations

import time
from collections.abc import Callable

import anyio
from pydantic import SecretStr

from aembed._settings.keys import ask_key
from aembed._settings.options import AskKey

RENEW_BEFORE_S = 300.0
"""Time before the expiry, or a tenth of the key's life, if that is less.

Source: azure-core, ``BearerTokenCredentialPolicy``."""


class KeyRing:
    """The key of one function. All embedders with this function share it, so that the function is called once."""

    def __init__(self, ask: AskKey, clock: Callable[[], float] = time.time) -> None:
        self._ask = ask
        self._clock = clock
        self._key: SecretStr | None = None
        self._first: SecretStr | None = None
        self._renew_at: float | None = None
        self._asking = anyio.Lock()

    def __repr__(self) -> str:
        return "<KeyRing>"

    async def get(self) -> SecretStr:
        """The key. Calls the function if there is no key yet, or if it is about to expire, and raises its errors."""
        key = self._usable()
        if key is None:
            async with self._asking:
                key = self._usable() or await self._renew()
        return key

    async def first(self) -> SecretStr:
        """The first key of the function. It identifies the account, also after a renewal."""
        key = await self.get()
        return self._first or key

    async def renewed(self, rejected: SecretStr) -> SecretStr:
        """Another key than the rejected one, or the same if the function has no other."""
        async with self._asking:
            if self._key is not None and self._key is not rejected:
                return self._key  # another request was first
            return await self._renew()

    def _usable(self) -> SecretStr | None:
        is_old = self._renew_at is not None and self._clock() >= self._renew_at
        return None if is_old else self._key

    async def _renew(self) -> SecretStr:
        key, expires_at = await ask_key(self._ask)
        now = self._clock()
        self._key = key
        self._first = self._first or key
        self._renew_at = None if expires_at is None else expires_at - min(RENEW_BEFORE_S, (expires_at - now) / 10)
        return key
