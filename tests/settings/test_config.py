"""Settings: immutable, validated, merged in a fixed order, and every mistake is named with its mending."""

from __future__ import annotations

import inspect
from pathlib import Path
from typing import Any

import pytest
from pydantic import SecretStr

from aembed import Config, ConfigError, HttpSettings, Limits, Profile, RetryPolicy
from aembed._errors import nearest
from aembed._settings.config import resolve


def write(path: Path, text: str) -> Path:
    path.write_text(text, encoding="utf-8")
    return path


# ---- values


@pytest.mark.parametrize(
    ("make", "reason"),
    [
        (lambda: Limits(max_concurrency=0), "max_concurrency: .* greater than or equal to 1, not 0"),
        (lambda: Limits(requests_per_minute=-3), "requests_per_minute: .* greater than 0, not -3"),
        (lambda: Limits(requests_per_minute=float("inf")), "requests_per_minute: .* finite"),
        (lambda: RetryPolicy(max_attempts=0), "max_attempts: .* greater than or equal to 1, not 0"),
        (lambda: RetryPolicy(initial_delay=float("nan")), "initial_delay"),
        (lambda: RetryPolicy(max_delay="soon"), "max_delay: .* valid number.*, not 'soon'"),  # type: ignore[arg-type]
        (lambda: Config(timeout=0), "timeout: .* greater than 0, not 0"),
        (lambda: Config(model=7), "model: .* valid string, not 7"),  # type: ignore[arg-type]
        (lambda: Config(modell="x"), "unknown option 'modell'; did you mean 'model'"),  # type: ignore[call-arg]
        (lambda: Config(zzzzz="x"), "unknown option 'zzzzz'; known are: .*, model, .*"),  # type: ignore[call-arg]
        (lambda: Config(retry=3), "retry: give a RetryPolicy, or a table of its options, not 3"),  # type: ignore[arg-type]
        (lambda: Config(profiles={"a": {}}), "profiles.a.model is missing; give it a value"),  # type: ignore[dict-item]
        (
            lambda: Config(profiles={"a": {"model": "m", "dimension": 3}}),  # type: ignore[dict-item]
            "unknown option 'profiles.a.dimension'; did you mean 'dimensions'",
        ),
    ],
)
def test_a_wrong_value_is_named_with_its_mending(make: Any, reason: str) -> None:
    with pytest.raises(ConfigError, match=reason):
        make()


@pytest.mark.parametrize(
    ("url", "reason"),
    [
        ("api.example.com/v1", "must begin with http:// or https://"),
        ("ftp://example.com", "must begin with http:// or https://"),
        ("https://", "name a host"),
        ("https://a b/sk-secret", "no blank"),
        ("https://example.com/sk-secret\n", "no line break"),
        ("https://example.com:99999/sk-secret", "a port from 0 to 65535"),
        ("https://../sk-secret", "must name a host"),
        ("https://user:sk-secret@example.com", "must hold no user or password; give the key as api_key"),
        ("https://example.com/v1?key=sk-secret", r"leave out what follows '\?' or '#'"),
        ("https://example.com/#sk-secret", r"leave out what follows '\?' or '#'"),
    ],
)
def test_an_unusable_address_is_rejected_without_being_shown(url: str, reason: str) -> None:
    with pytest.raises(ConfigError, match=f"base_url: .*{reason}") as caught:
        Profile(model="m", base_url=url)
    assert "sk-secret" not in str(caught.value)


SPELLINGS = [
    "https://Example.com/v1/",
    "HTTPS://example.com:443//v1",
    "https://example.com/v1//",
]


@pytest.mark.parametrize("url", SPELLINGS)
def test_spellings_of_one_address_are_one(url: str) -> None:
    assert Profile(model="m", base_url=url).base_url == "https://example.com/v1"


@pytest.mark.parametrize("url", [None, "http://localhost:8080", "https://example.com/v1", "http://[::1]:81/v1"])
def test_an_address_that_will_do_stays_as_it_is(url: str | None) -> None:
    assert Profile(model="m", base_url=url).base_url == url


def test_every_mistake_is_named_at_once() -> None:
    with pytest.raises(ConfigError, match=r"max_attempts: .*; max_delay: "):
        RetryPolicy(max_attempts=0, max_delay=0)


@pytest.mark.parametrize("setting", [Config(), Limits(), RetryPolicy(), Profile(model="m")], ids=repr)
def test_settings_are_frozen(setting: Any) -> None:
    with pytest.raises(ValueError, match="frozen"):
        setting.timeout = 3.0


def test_equal_settings_are_equal() -> None:
    assert Limits(max_concurrency=3) == Limits(max_concurrency=3) != Limits()


def test_the_hint_is_the_nearest_name_or_all_of_them() -> None:
    assert nearest("mok", ["mock", "local"]) == "; did you mean 'mock'?"
    assert nearest("zzz", ["mock", "local"]) == "; known are: local, mock"


# ---- layers


def test_options_win_over_the_profile_and_the_profile_over_the_config() -> None:
    config = Config(
        timeout=1.0, deadline=1.0, normalize=True, profiles={"p": Profile(model="m", timeout=2.0, deadline=2.0)}
    )
    model, options = resolve(config, "p", {"timeout": 3.0})
    assert (model, options.timeout, options.deadline, options.normalize) == ("m", 3.0, 2.0, True)


def test_none_is_an_answer_too() -> None:
    _, options = resolve(Config(timeout=1.0), "m", {"timeout": None})
    assert options.timeout is None
    assert "timeout" in options.model_fields_set


def test_fields_not_set_stay_unset() -> None:
    _, options = resolve(Config(), "m", {})
    assert options.model_fields_set == set()


# ---- file and environment


def test_nothing_there_is_the_default() -> None:
    assert Config.load() == Config()
    assert Config().model == "local"


FILE = """
model = "mock"
timeout = 5.0

[retry]
max_attempts = 2

[profiles.search]
model = "openai:small"
api_key = "sk-secret"
dimensions = 256
limits = { requests_per_minute = 3000 }
"""


def check_file(config: Config) -> None:
    search = config.profiles["search"]
    assert (config.model, config.timeout, config.retry.max_attempts) == ("mock", 5.0, 2)
    assert (search.model, search.dimensions, search.limits.requests_per_minute) == ("openai:small", 256, 3000.0)
    assert search.api_key == SecretStr("sk-secret")
    assert "sk-secret" not in repr(config)


def test_a_file_is_read(tmp_path: Path) -> None:
    check_file(Config.load(write(tmp_path / "any.toml", FILE)))


def test_the_file_in_the_working_directory_is_found(tmp_path: Path) -> None:
    write(tmp_path / "aembed.toml", FILE)  # tests run in tmp_path
    check_file(Config.load())


def test_the_file_in_the_environment_is_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AEMBED_CONFIG", str(write(tmp_path / "other.toml", FILE)))
    check_file(Config.load())


def test_variables_win_over_the_file_and_leave_the_rest_of_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AEMBED_TIMEOUT", "9")
    monkeypatch.setenv("AEMBED_RETRY__MAX_DELAY", "3")
    monkeypatch.setenv("AEMBED_PROFILES__SEARCH__DIMENSIONS", "64")
    monkeypatch.setenv("AEMBED_PROFILES__OTHER__MODEL", "static")
    config = Config.load(write(tmp_path / "a.toml", FILE))
    assert (config.timeout, config.model) == (9.0, "mock")
    assert (config.retry.max_attempts, config.retry.max_delay) == (2, 3.0)
    assert (config.profiles["search"].model, config.profiles["search"].dimensions) == ("openai:small", 64)
    assert config.profiles["other"].model == "static"


def test_variables_alone_will_do(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AEMBED_MODEL", "mock")
    assert Config.load().model == "mock"


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"model = ", "bad.toml: not valid TOML"),
        (b"model = 'caf\xe9'", "bad.toml: byte 12 is not UTF-8; save the file as UTF-8$"),
        (b"modell = 'mock'", "unknown option 'modell'; did you mean 'model'"),
        (b"timeout = -1", "timeout: .* greater than 0, not -1"),
    ],
)
def test_a_bad_file_is_explained(tmp_path: Path, content: bytes, reason: str) -> None:
    path = tmp_path / "bad.toml"
    path.write_bytes(content)
    with pytest.raises(ConfigError, match=reason):
        Config.load(path)


def test_a_file_that_is_not_there_is_missed_only_if_it_was_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    Config.load()
    with pytest.raises(ConfigError, match=r"gone\.toml' does not exist"):
        Config.load(tmp_path / "gone.toml")
    with pytest.raises(ConfigError, match="is not a file"):
        Config.load(tmp_path)
    monkeypatch.setenv("AEMBED_CONFIG", "gone.toml")
    with pytest.raises(ConfigError, match=r"gone\.toml' does not exist"):
        Config.load()


@pytest.mark.parametrize("proxy", ["user:secret@host:9", "socks5://host:1", "http://"])
def test_a_proxy_is_an_http_url(proxy: str) -> None:
    with pytest.raises(ConfigError, match="proxy: must be http://host:port") as caught:
        HttpSettings(proxy=SecretStr(proxy))
    assert "secret" not in str(caught.value)


def test_an_interpreter_shows_the_fields_of_a_setting() -> None:
    assert list(inspect.signature(Limits).parameters) == list(Limits.model_fields)
