"""The key that a request carries: the one that holds now, in its header, and cut out of what a server says."""

from __future__ import annotations

from typing import Any

import pytest
from pydantic import SecretStr

from aembed import AuthenticationError, ConfigError, MissingKeyError
from aembed._types import Source
from aembed._wire.auth import check_has_key, key_headers, key_of
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
    return Credentials(key_headers(source), source)


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


async def test_a_rejected_key_is_renewed_once_for_all_requests_with_it() -> None:
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


def test_the_header_of_a_key() -> None:
    source = Source(provider="p", api_key=FIRST)
    assert key_headers(source) == {"Authorization": "Bearer sk-first-0123456789"}
    assert key_headers(source, "api-key") == {"api-key": "sk-first-0123456789"}
    without = Source(provider="p")
    assert (key_headers(without), key_headers(without, "api-key"), key_of(without)) == ({}, {}, None)


@pytest.mark.parametrize(
    ("variables", "says"),
    [
        ((), "p needs an api_key; pass api_key"),
        (("P_KEY",), "p needs an api_key; set P_KEY, or pass api_key"),
        (("P_KEY", "Q_KEY"), "p needs an api_key; set P_KEY or Q_KEY, or pass api_key"),
    ],
)
def test_a_missing_key_and_its_variables(variables: tuple[str, ...], says: str) -> None:
    with pytest.raises(MissingKeyError) as caught:
        check_has_key(Source(provider="p"), variables)
    assert str(caught.value) == says


def test_a_header_of_the_user_takes_the_place_of_a_key() -> None:
    check_has_key(Source(provider="p", headers={"authorization": "Bearer token"}), ())
    check_has_key(Source(provider="p", headers={"X-Key": "token"}), (), "x-key")
    check_has_key(Source(provider="p", api_key=FIRST), ())
    with pytest.raises(MissingKeyError):
        check_has_key(Source(provider="p", headers={"X-Key": "token"}), ())


@pytest.mark.parametrize("key", ["", " \n"])
def test_a_key_that_is_empty(key: str) -> None:
    with pytest.raises(ConfigError, match=r"^api_key is empty; give the key, or leave api_key out$"):
        key_of(Source(provider="p", api_key=SecretStr(key)))


@pytest.mark.parametrize("key", ["sk one", "sk-é", "sk-1 "])
def test_a_key_with_letters_that_no_key_has(key: str) -> None:
    with pytest.raises(
        ConfigError, match=r"^api_key contains whitespace or non-ASCII characters; check how it was copied"
    ) as caught:
        key_of(Source(provider="p", api_key=SecretStr(key)))
    assert key not in str(caught.value)
