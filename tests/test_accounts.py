"""Limits of an account are the union of those of its open embedders, in any order."""

from __future__ import annotations

import itertools
from typing import Any

import pytest

from aembed import Config, ConfigError, EmbedderFactory, Limits, ModelSpec, Profile
from aembed._accounts import Accounts, with_defaults
from aembed._gate import Gate

SPEC = ModelSpec(name="m", max_concurrency=5, requests_per_minute=100.0)
GROUP = (("openai", None, "key"), None)


def limits_of(gate: Gate) -> dict[str, Any]:
    quotas = gate.account.quotas
    return {"requests": quotas.requests.limit, "tokens": quotas.tokens.limit, "slots": gate.account.concurrency.most}


@pytest.mark.parametrize("order", list(itertools.permutations(("a", "b", "c"))), ids="".join)
def test_limits_are_a_union_in_every_order(order: tuple[str, ...]) -> None:
    said = {
        "a": Limits(requests_per_minute=60),
        "b": Limits(),
        "c": Limits(tokens_per_minute=1000, max_concurrency=2),
    }
    accounts = Accounts()
    gates = {accounts.join(name, name, GROUP, SPEC, said[name]) for name in order}
    (gate,) = gates
    assert limits_of(gate) == {"requests": 60, "tokens": 1000, "slots": 2}


@pytest.mark.parametrize("order", ["ab", "ba"])
def test_a_contradiction_names_both_in_every_order(order: str) -> None:
    accounts = Accounts()
    accounts.join(order[0], f"profile {order[0]!r}", GROUP, SPEC, Limits(requests_per_minute=ord(order[0])))
    with pytest.raises(ConfigError, match=r"already runs with requests_per_minute=.*give the same") as caught:
        accounts.join(order[1], f"profile {order[1]!r}", GROUP, SPEC, Limits(requests_per_minute=ord(order[1])))
    assert "profile 'a'" in str(caught.value)
    assert "profile 'b'" in str(caught.value)


def test_limits_of_a_closed_embedder_are_forgotten() -> None:
    accounts = Accounts()
    gate = accounts.join("a", "a", GROUP, SPEC, Limits(requests_per_minute=60, max_concurrency=2))
    accounts.join("b", "b", GROUP, SPEC, Limits(tokens_per_minute=1000))
    accounts.leave("a", GROUP)
    assert limits_of(gate) == {"requests": 100, "tokens": 1000, "slots": 5}
    assert accounts.join("c", "c", GROUP, SPEC, Limits(requests_per_minute=30)) is gate
    assert limits_of(gate)["requests"] == 30


def test_a_rejected_embedder_leaves_nothing_behind() -> None:
    accounts = Accounts()
    gate = accounts.join("a", "a", GROUP, SPEC, Limits(requests_per_minute=60))
    with pytest.raises(ConfigError):
        accounts.join("b", "b", GROUP, SPEC, Limits(requests_per_minute=30, tokens_per_minute=1))
    assert limits_of(gate) == {"requests": 60, "tokens": None, "slots": 5}
    accounts.leave("a", GROUP)
    accounts.join("b", "b", GROUP, SPEC, Limits(requests_per_minute=30))


def test_the_users_word_is_before_the_providers_for_every_field() -> None:
    for name in Limits.model_fields:
        value = 0.5 if name == "query_share" else 7
        assert getattr(with_defaults(Limits.from_table({name: value}), SPEC), name) == value
    assert with_defaults(Limits(), SPEC) == Limits(max_concurrency=5, requests_per_minute=100.0)


@pytest.mark.parametrize("order", [("a", "b"), ("b", "a")])
async def test_two_profiles_of_one_account_open_in_any_order(order: tuple[str, ...]) -> None:
    config = Config(
        profiles={
            "a": Profile(model="mock", provider_options={"seed": 1}, limits=Limits(max_concurrency=2)),
            "b": Profile(model="mock", provider_options={"seed": 2}),
        }
    )
    async with EmbedderFactory(config) as factory:
        first, second = [await factory.new_embedder(name) for name in order]
        assert "/2 " in repr(first)
        assert "/2 " in repr(second)


async def test_a_contradiction_between_profiles_is_the_same_in_every_check() -> None:
    config = Config(
        profiles={name: Profile(model="mock", limits=Limits(max_concurrency=n)) for n, name in enumerate("abc", 1)}
    )
    for _ in range(3):
        async with EmbedderFactory(config) as factory:
            health = await factory.check_health()
        assert [name for name, answer in health.items() if not answer.ok] == ["b", "c"]
        assert "max_concurrency=1 (profile 'a'), not 2 (profile 'b')" in str(health["b"].error)
