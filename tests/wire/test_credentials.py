"""The key that a request carries: the one that holds now, in its header, and cut out of what a server says."""

from __future__ import annotations

from typing import Any

import pytest
from pydantic import SecretStr

from aembed import AuthenticationError, ConfigError
from aembed._types import Source
from aembed._wire.access import bearer, key_header, key_of, require_key
from aembed._wire.credentials import Credentials

FIRST, SECOND, THIRD = (SecretStr(f"sk-{name}-0123456789") for name in ("first", "second", "third"))


class Keys:
    """Gives the keys of a list, the last one for ever."""

    def __init__(self, *keys: Any) -> None:
        self.left = list(keys)
        self.rejected: list[SecretStr] = []

    async def get(self) -> SecretStr:
        key = self.left.pop(0) if len(self.left) > 1 else self.left[0]
        if isinstance(key, Exception):
            raise key
        return SecretStr(key.get_secret_value())

    async def renewed(self, rejected: SecretStr) -> SecretStr:
        self.rejected.append(rejected)
        return await self.get()


def credentials(*keys: Any, **headers: str) -> Credentials:
    source = Source(provider="p", api_key=FIRST, keys=Keys(*keys) if keys else None, headers=headers)
    return Credentials(bearer(source), source)


async def test_a_key_that_stays() -> None:
    fixed = credentials()
    sent = await fixed.current()
    assert sent == {"Content-Type": "application/json", "Authorization": "Bearer sk-first-0123456789"}
    assert not fixed.may_change
    assert not await fixed.renewed(sent)
    assert await fixed.current() is sent


async def test_a_key_that_is_asked_for_before_each_request() -> None:
    changing = credentials(FIRST, SECOND, SECOND)
    sent = [(await changing.current())["Authorization"] for _ in range(3)]
    assert changing.may_change
    assert sent == ["Bearer sk-first-0123456789", *["Bearer sk-second-0123456789"] * 2]


async def test_the_same_key_changes_nothing() -> None:
    changing = credentials(FIRST)
    before = changing.headers
    assert await changing.current() is before
    assert not await changing.renewed(before)


async def test_a_rejected_key_is_renewed_once_for_all_who_sent_it() -> None:
    changing = credentials(SECOND, THIRD)
    sent = changing.headers
    assert await changing.renewed(sent)
    assert changing.headers["Authorization"] == "Bearer sk-second-0123456789"
    assert await changing.renewed(sent), "another request has renewed it"
    assert changing.headers["Authorization"] == "Bearer sk-second-0123456789"
    assert await changing.renewed(changing.headers)
    assert changing.headers["Authorization"] == "Bearer sk-third-0123456789"


async def test_the_latest_two_keys_and_the_users_headers_are_secrets() -> None:
    changing = credentials(SECOND, THIRD, tenant="a-tenant", empty="")
    secrets = changing.secrets
    assert secrets == ["sk-first-0123456789", "a-tenant"]
    await changing.current()
    assert secrets == ["sk-second-0123456789", "sk-first-0123456789", "a-tenant"]
    await changing.current()
    assert secrets == ["sk-third-0123456789", "sk-second-0123456789", "a-tenant"]


async def test_the_users_own_headers_go_before_and_stay() -> None:
    changing = credentials(SECOND, **{"X-Key": "sk-first-0123456789", "Content-Type": "text/x"})
    await changing.current()
    assert changing.headers == {
        "Content-Type": "text/x",
        "Authorization": "Bearer sk-second-0123456789",
        "X-Key": "sk-first-0123456789",
    }


async def test_a_key_function_that_fails() -> None:
    changing = credentials(LookupError("sk-first-0123456789"))
    with pytest.raises(AuthenticationError) as caught:
        await changing.current()
    assert str(caught.value) == "the api_key function failed with LookupError; see its __cause__"
    assert isinstance(caught.value.__cause__, LookupError)
    ours = ConfigError("of ours")
    with pytest.raises(ConfigError) as as_it_is:
        await credentials(ours).current()
    assert as_it_is.value is ours


def test_where_a_key_goes() -> None:
    source = Source(provider="p", api_key=FIRST)
    assert bearer(source) == {"Authorization": "Bearer sk-first-0123456789"}
    assert key_header(source, "api-key") == {"api-key": "sk-first-0123456789"}
    assert require_key(source, "P_KEY") == "sk-first-0123456789"
    without = Source(provider="p")
    assert (bearer(without), key_header(without, "api-key"), key_of(without)) == ({}, {}, None)


@pytest.mark.parametrize(
    ("base_url", "says"),
    [
        (None, "openai needs an api_key; give one, or set OPENAI_API_KEY"),
        ("https://h", "openai needs an api_key; give one (OPENAI_API_KEY is only sent to its own host)"),
    ],
)
def test_a_key_that_is_missing(base_url: str | None, says: str) -> None:
    with pytest.raises(ConfigError) as caught:
        require_key(Source(provider="openai", base_url=base_url), "OPENAI_API_KEY")
    assert str(caught.value) == says


@pytest.mark.parametrize("key", ["", " \n"])
def test_a_key_that_is_empty(key: str) -> None:
    with pytest.raises(ConfigError, match=r"^api_key is empty; give the key, or leave api_key out$"):
        key_of(Source(provider="p", api_key=SecretStr(key)))


@pytest.mark.parametrize("key", ["sk one", "sk-é", "sk\n1", "sk-1 "])
def test_a_key_with_letters_that_no_key_has(key: str) -> None:
    with pytest.raises(ConfigError, match=r"^api_key has characters no key has") as caught:
        key_of(Source(provider="p", api_key=SecretStr(key)))
    assert key not in str(caught.value)
