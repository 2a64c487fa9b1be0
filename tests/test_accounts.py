"""Limits of an account are the union of those of its open embedders, in any order."""

from __future__ import annotations

import itertools
from typing import Any

import pytest
from pydantic import SecretStr

from aembed import Config, ConfigError, EmbedderFactory, Limits, ModelSpec, Profile
from aembed._accounts import Accounts, account_of, has_owner, label_of, quota_group, with_defaults
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


@pytest.mark.parametrize(
    ("spec", "limits", "slots", "is_learnt"),
    [
        ({"max_concurrency": 5}, Limits(), 5, False),
        ({"max_concurrency": 5}, Limits(max_concurrency=3), 3, False),
        ({"max_concurrency": 5, "adaptive": True}, Limits(), 5, True),
        ({"max_concurrency": 5, "adaptive": True}, Limits(max_concurrency=3), 3, False),
    ],
    ids=str,
)
def test_requests_at_once_are_those_of_the_user_or_the_provider(
    spec: dict[str, Any], limits: Limits, slots: int, is_learnt: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = noted_gates(monkeypatch)
    Accounts().join("a", "a", GROUP, ModelSpec(name="m", **spec), limits)
    assert made == [(slots, {"adaptive": is_learnt, "per_input": False})]


def test_a_quota_of_texts_counts_texts(monkeypatch: pytest.MonkeyPatch) -> None:
    made = noted_gates(monkeypatch)
    Accounts().join("a", "a", GROUP, ModelSpec(name="m", quota_unit="input"), Limits())
    assert [options["per_input"] for _, options in made] == [True]


def noted_gates(monkeypatch: pytest.MonkeyPatch) -> list[tuple[int, dict[str, bool]]]:
    """Requests at once and options of every gate that is made from now on."""
    made: list[tuple[int, dict[str, bool]]] = []

    def gate(slots: int, limits: Limits, **options: bool) -> Gate:
        made.append((slots, options))
        return Gate(slots, limits, **options)

    monkeypatch.setattr("aembed._accounts.Gate", gate)
    return made


@pytest.mark.parametrize(
    ("account", "owned"),
    [
        (("openai", None, "digest"), True),
        (("openai", "http://host", None), True),
        (("local", None, None), False),
        (7, False),
    ],
)
def test_models_in_this_process_have_no_owner(account: Any, owned: bool) -> None:
    assert has_owner(account) is owned


def test_an_account_shows_no_key() -> None:
    provider, base_url, digest = account_of("openai", "http://host", SecretStr("sk-secret"))  # type: ignore[misc]
    assert (provider, base_url) == ("openai", "http://host")
    assert digest is not None
    assert "sk-secret" not in digest
    assert account_of("local", None, None) == ("local", None, None)
    assert len(label_of(GROUP)) == 8
    assert label_of(GROUP) != label_of((GROUP[0], "model"))


def test_a_quota_is_of_all_models_or_of_one() -> None:
    account = GROUP[0]
    assert quota_group(account, ModelSpec(name="m")) == (account, None)
    assert quota_group(account, ModelSpec(name="m", quota_scope="model")) == (account, "m")


def test_a_provider_that_was_handed_in_is_forgotten_with_its_last_embedder() -> None:
    accounts = Accounts()
    of_instance: Any = (7, None)
    for group in (of_instance, GROUP):
        for member in ("a", "b"):
            accounts.join(member, member, group, SPEC, Limits())
        accounts.leave("a", group)
    assert len(accounts.statistics()) == 2
    for group in (of_instance, GROUP):
        accounts.leave("b", group)
    (left,) = accounts.statistics()
    assert (left.account, left.provider, left.model) == (label_of(GROUP), "custom", None)


@pytest.mark.parametrize("state", ["in_flight", "waiting"])
def test_accounts_are_busy_while_one_of_them_is(state: str, monkeypatch: pytest.MonkeyPatch) -> None:
    accounts = Accounts()
    assert not accounts.is_busy
    gates = [accounts.join("a", "a", (("p", None, key), None), SPEC, Limits()) for key in "kl"]
    assert not accounts.is_busy
    monkeypatch.setattr(Gate, state, property(lambda gate: int(gate is gates[0])))
    assert accounts.is_busy


async def test_an_embedder_that_is_closed_leaves_its_account_to_others() -> None:
    """Whatever its limits were; and what the account has learnt stays."""
    account: Any = {"base_url": "http://127.0.0.1:9/v1", "api_key": "sk-any"}
    async with EmbedderFactory(Config()) as factory:
        first = await factory.new_embedder("openai:m", limits=Limits(max_concurrency=3), **account)
        with pytest.raises(ConfigError, match="close the other embedder"):
            await factory.new_embedder("openai:m", limits=Limits(max_concurrency=4), **account)
        await first.aclose()
        second = await factory.new_embedder("openai:m", limits=Limits(max_concurrency=4), **account)
        assert second.statistics().slots == 4
        assert len(factory.statistics().accounts) == 1


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
