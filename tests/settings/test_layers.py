"""Settings of four layers become one, field by field; a guard is never lost, and a key stays with its address."""

from __future__ import annotations

import itertools
from pathlib import Path
from typing import Any

import pytest

from aembed import Config, ConfigError, HttpSettings, Limits, MergePolicy, Profile, RetryPolicy
from aembed._settings.config import resolve
from aembed._settings.layers import merged
from tests.settings.files import write

FIELDS = ("max_attempts", "initial_delay", "max_delay")
LAYERS = ("keyword", "profile", "variable", "file")
"""In the order in which they win."""


@pytest.mark.parametrize("order", list(itertools.permutations(LAYERS, 3)), ids="-".join)
def test_fault_89_tables_merge_field_by_field(
    order: tuple[str, ...], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each of three layers sets two of three fields: each field is that of the closest layer that sets it."""
    said: dict[str, dict[str, float]] = {
        layer: {FIELDS[i]: 10 * i + LAYERS.index(layer) + 1, FIELDS[(i + 1) % 3]: 10 * i + LAYERS.index(layer) + 5}
        for i, layer in enumerate(order)
    }
    expected: dict[str, float] = {"max_attempts": 5, "initial_delay": 0.5, "max_delay": 30.0}
    for layer in reversed(LAYERS):
        expected |= said.get(layer, {})

    text = "\n".join(f"{name} = {value}" for name, value in said.get("file", {}).items())
    profile = ", ".join(f"{name} = {value}" for name, value in said.get("profile", {}).items())
    file = write(tmp_path / "a.toml", f'[retry]\n{text}\n[profiles.p]\nmodel = "m"\nretry = {{ {profile} }}\n')
    for name, value in said.get("variable", {}).items():
        monkeypatch.setenv(f"AEMBED_RETRY__{name.upper()}", str(value))
    keyword = said.get("keyword")
    options: dict[str, Any] = {} if keyword is None else {"retry": RetryPolicy.from_table(keyword)}
    _, settings = resolve(Config.load(file), "p", options)
    assert {name: getattr(settings.retry, name) for name in FIELDS} == expected


@pytest.mark.parametrize("upper", ["profile", "keyword"])
def test_fault_89_a_part_of_a_table_leaves_its_other_parts(upper: str) -> None:
    """A regression: attempts under a profile with ``max_delay``, a quota under ``limits=`` of a call."""
    config = Config(
        retry=RetryPolicy(max_attempts=1),
        limits=Limits(requests_per_minute=60),
        http=HttpSettings(ca_file="ca.pem"),
        merge=MergePolicy(max_texts=7),
        profiles={"empty": Profile(model="m"), "full": Profile(model="m", **PARTS)},
    )
    _, settings = resolve(config, "full" if upper == "profile" else "empty", PARTS if upper == "keyword" else {})
    assert settings.retry == RetryPolicy(max_attempts=1, max_delay=9.0)
    assert settings.limits == Limits(requests_per_minute=60, max_concurrency=3)
    assert settings.http == HttpSettings(ca_file="ca.pem", read_timeout=5.0)
    assert settings.merge == MergePolicy(max_texts=7, window=0.5)


PARTS: dict[str, Any] = {
    "retry": RetryPolicy(max_delay=9.0),
    "limits": Limits(max_concurrency=3),
    "http": HttpSettings(read_timeout=5.0),
    "merge": MergePolicy(window=0.5),
}


def test_headers_and_options_of_a_provider_merge_by_name() -> None:
    profile = Profile(model="m", headers={"a": "1", "b": "2"}, provider_options={"seed": 1, "task": "x"})
    _, settings = resolve(
        Config(profiles={"p": profile}), "p", {"headers": {"b": "3"}, "provider_options": {"seed": 2}}
    )
    assert {name: value.get_secret_value() for name, value in settings.headers.items()} == {"a": "1", "b": "3"}  # type: ignore[union-attr]
    assert settings.provider_options == {"seed": 2, "task": "x"}


def test_true_switches_on_the_table_below_and_false_switches_it_off() -> None:
    config = Config(merge=MergePolicy(max_texts=7))
    assert resolve(config, "m", {"merge": True})[1].merge == MergePolicy(max_texts=7)
    assert resolve(config, "m", {"merge": False})[1].merge is False


def test_none_takes_a_field_back() -> None:
    config = Config(limits=Limits(requests_per_minute=60, max_concurrency=2))
    _, settings = resolve(config, "m", {"limits": Limits(requests_per_minute=None)})
    assert settings.limits == Limits(requests_per_minute=None, max_concurrency=2)


# ---- guards


@pytest.mark.parametrize("below", ["config", "profile"])
@pytest.mark.parametrize("http", [{"read_timeout": 5.0}, {"public_only": False}], ids=repr)
def test_a_guard_is_switched_on_by_any_layer_and_off_by_none(below: str, http: dict[str, Any]) -> None:
    guarded = HttpSettings(public_only=True)
    profile = Profile(model="m", http=guarded) if below == "profile" else Profile(model="m")
    config = Config(http=guarded if below == "config" else HttpSettings(), profiles={"p": profile})
    _, settings = resolve(config, "p", {"http": HttpSettings(**http)})
    assert settings.http.public_only
    _, settings = resolve(Config(), "m", {"http": guarded})
    assert settings.http.public_only


def test_a_variable_switches_no_guard_of_the_file_off(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AEMBED_HTTP__PUBLIC_ONLY", "off")
    assert Config.load(write(tmp_path / "a.toml", "[http]\npublic_only = true")).http.public_only


def test_a_proxy_of_a_closer_layer_does_not_go_round_a_guard() -> None:
    config = Config(http=HttpSettings(public_only=True))
    with pytest.raises(ConfigError, match=r"http: public_only cannot see where a proxy connects to.*\(keyword\)"):
        resolve(config, "m", {"http": HttpSettings(proxy="http://proxy:3128")})


# ---- keys


def test_one_kind_of_key_takes_the_place_of_the_other() -> None:
    config = Config(profiles={"p": Profile(model="m", api_key_file="key")})
    _, settings = resolve(config, "p", {"api_key": "sk"})
    assert settings.api_key_file is None


@pytest.mark.parametrize("field", ["api_key", "api_key_file", "headers"])
@pytest.mark.parametrize("home", [None, "https://gateway.example/v1"])
def test_key_and_headers_of_a_profile_go_to_no_other_address(field: str, home: str | None) -> None:
    secret: Any = {"authorization": "Bearer sk"} if field == "headers" else "sk"
    config = Config(profiles={"p": Profile(model="openai:m", base_url=home, **{field: secret})})
    with pytest.raises(ConfigError, match=r"base_url: the (key|headers) of profile 'p', given for .* will not be sent"):
        resolve(config, "p", {"base_url": "https://elsewhere.example/v1"})
    _, own = resolve(config, "p", {"base_url": "https://api.openai.com/v1"})
    assert getattr(own, field)
    if home is not None:
        assert getattr(resolve(config, "p", {"base_url": home + "/"})[1], field)


def test_key_and_headers_given_with_an_address_replace_the_profiles() -> None:
    profile = Profile(model="openai:m", api_key="sk-profile", headers={"a": "1", "b": "2"})
    options = {"base_url": "https://elsewhere.example/v1", "api_key": "sk-call", "headers": {"b": "3"}}
    _, settings = resolve(Config(profiles={"p": profile}), "p", options)
    assert list(settings.headers) == ["b"]
    assert repr(settings.api_key) == "SecretStr('**********')"


def test_merging_changes_neither_side() -> None:
    lower, upper = {"retry": {"max_attempts": 1}}, {"retry": {"max_delay": 2}}
    assert merged(lower, upper) == {"retry": {"max_attempts": 1, "max_delay": 2}}
    assert (lower, upper) == ({"retry": {"max_attempts": 1}}, {"retry": {"max_delay": 2}})
