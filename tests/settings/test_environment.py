"""Environment variables: aembed's names, their values, and errors that name them."""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import Any

import anyio.to_thread
import pytest

from aembed import Config, ConfigError, EmbedderFactory, HttpSettings, MergePolicy
from aembed._settings.values import WORDS
from tests.settings.files import write

OF_KUBERNETES = {
    "AEMBED_PORT": "tcp://10.0.0.1:80",
    "AEMBED_SERVICE_HOST": "10.0.0.1",
    "AEMBED_SERVICE_PORT": "80",
    "AEMBED_PORT_80_TCP": "tcp://10.0.0.1:80",
    "AEMBED_PORT_80_TCP_ADDR": "10.0.0.1",
    "AEMBED_API_SERVICE_HOST": "10.0.0.1",
    "AEMBED_CACHE_PORT": "tcp://10.0.0.2:6379",
    "AEMBED_MODEL_SERVICE_PORT_HTTP": "80",
    "AEMBED_TIMEOUT__NESTED": "1",
}


def test_fault_91_unknown_variables_are_ignored(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in OF_KUBERNETES.items():
        monkeypatch.setenv(name, value)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert Config.load() == Config()


@pytest.mark.parametrize(
    ("name", "meant"),
    [
        ("AEMBED_MODLE", "AEMBED_MODEL"),
        ("AEMBED_TIMEOUTS", "AEMBED_TIMEOUT"),
        ("AEMBED_CONFIGS", "AEMBED_CONFIG"),
        ("AEMBED_RETRY__MAX_ATTEMPT", "AEMBED_RETRY__MAX_ATTEMPTS"),
        ("AEMBED_PROFILE__A__MODEL", "AEMBED_PROFILES__A__MODEL"),
        ("AEMBED_PROFILES__A__DIMENSION", "AEMBED_PROFILES__A__DIMENSIONS"),
        ("AEMBED_MERGE__WINDOWS", "AEMBED_MERGE__WINDOW"),
        ("AEMBED_RETRY_MAX_ATTEMPTS", "AEMBED_RETRY__MAX_ATTEMPTS"),
        ("AEMBED_HTTP_PROXY", "AEMBED_HTTP__PROXY"),
    ],
)
def test_fault_91_a_near_miss_is_warned_of(monkeypatch: pytest.MonkeyPatch, name: str, meant: str) -> None:
    monkeypatch.setenv(name, "1")
    monkeypatch.setenv("AEMBED_PORT", "tcp://10.0.0.1:80")
    with pytest.warns(UserWarning, match=rf"{name}, did you mean {meant}\?$") as caught:
        Config.load()
    assert len(caught) == 1
    assert caught[0].filename == __file__


async def test_in_a_worker_thread_a_near_miss_is_a_warning_of_aembed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AEMBED_MODLE", "mock")
    with pytest.warns(UserWarning, match="AEMBED_MODEL") as caught:
        await anyio.to_thread.run_sync(Config.load)
    assert [Path(warning.filename).parts[-3:-1] for warning in caught] == [("aembed", "_settings")]


def test_fault_91_near_misses_are_one_warning(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AEMBED_MODLE", "mock")
    monkeypatch.setenv("AEMBED_STRICTT", "1")
    with pytest.warns(UserWarning, match=r"AEMBED_MODLE, .* AEMBED_STRICTT, ") as caught:
        assert Config.load() == Config()
    assert len(caught) == 1


@pytest.mark.parametrize("name", ["AEMBED_MODEL", "AEMBED_TIMEOUT", "AEMBED_CACHE", "AEMBED_PROFILES", "AEMBED_CONFIG"])
@pytest.mark.parametrize("value", ["", "  "])
def test_fault_91_an_empty_variable_is_unset(monkeypatch: pytest.MonkeyPatch, name: str, value: str) -> None:
    monkeypatch.setenv(name, value)
    assert Config.load() == Config()


@pytest.mark.parametrize("word", [case for word in WORDS for case in (word, word.upper())])
def test_yes_and_no_are_the_same_words_everywhere(word: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """In variables, files and code; ``AEMBED_CACHE=off`` once made a file of this name."""
    meant = WORDS[word.lower()]
    for name in ("CACHE", "MERGE", "STRICT", "NORMALIZE", "HTTP__TRUST_ENV"):
        monkeypatch.setenv(f"AEMBED_{name}", word)
    file = write(tmp_path / "a.toml", f'cache = "{word}"\nmerge = "{word}"\nstrict = "{word}"')
    loaded, of_file = Config.load(), Config.load(file)
    made = Config(**dict.fromkeys(("cache", "merge", "strict", "normalize"), word))  # type: ignore[arg-type]
    for config in (loaded, of_file, made):
        assert (config.cache, config.merge, config.strict) == (meant, meant, meant)
    assert (loaded.normalize, loaded.http.trust_env) == (meant, meant)


@pytest.mark.parametrize("place", ["vectors.db", "./vectors", "cache/vectors", Path("vectors")])
def test_a_path_has_a_separator_or_a_suffix(place: Any) -> None:
    assert Config(cache=place).cache == Path(place)


@pytest.mark.parametrize("place", ["vectors", "yess", "enabled", "nil"])
def test_a_bare_word_is_no_path(place: str) -> None:
    with pytest.raises(ConfigError, match=r"cache: a path has a separator or a suffix: write './name' or 'name.db'"):
        Config(cache=place)


async def test_no_cache_may_be_given_as_none(factory: EmbedderFactory) -> None:
    await (await factory.new_embedder("mock", cache=None)).embed_query("text")
    assert Config(cache=None).cache is False


def test_a_table_may_be_json_and_be_added_to(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AEMBED_PROFILES", '{"a": {"model": "mock", "provider_options": {"seed": 7}}}')
    monkeypatch.setenv("AEMBED_PROFILES__A__DIMENSIONS", "8")
    monkeypatch.setenv("AEMBED_PROFILES__B__MODEL", "[mock]")
    monkeypatch.setenv("AEMBED_PROFILES__B__HEADERS__X-ROUTE", "{a}")
    monkeypatch.setenv("AEMBED_MERGE", '{"window": 0.5}')
    config = Config.load()
    assert (config.profiles["a"].dimensions, config.profiles["a"].provider_options) == (8, {"seed": 7})
    assert (config.profiles["b"].model, list(config.profiles["b"].headers)) == ("[mock]", ["x-route"])
    assert config.merge == MergePolicy(window=0.5)


# ---- an error names its origin


@pytest.mark.parametrize(
    ("name", "value", "reason"),
    [
        ("AEMBED_TIMEOUT", "soon", r"timeout: .* valid number.*'soon' \(AEMBED_TIMEOUT\)"),
        ("AEMBED_RETRY__MAX_ATTEMPTS", "0", r"retry\.max_attempts: .* not '0' \(AEMBED_RETRY__MAX_ATTEMPTS\)"),
        ("AEMBED_RETRY", '{"max_attempt": 3}', r"'retry.max_attempt'; did you mean 'max_attempts'\? \(AEMBED_RETRY\)"),
        ("AEMBED_RETRY", "[3", r"AEMBED_RETRY: not valid JSON; give a table as JSON, or one variable per field"),
        ("AEMBED_PROFILES", "sk-secret", r"profiles: .* dictionary, not a str \(AEMBED_PROFILES\)"),
        ("AEMBED_PROFILES__A__TIMEOUT", "3", r"profiles\.a\.model is missing; .* \(AEMBED_PROFILES__A__TIMEOUT\)"),
        ("AEMBED_HTTP__PROXY", "sk-secret", r"http\.proxy: must be http://host:port.* \(AEMBED_HTTP__PROXY\)"),
    ],
)
def test_a_bad_variable_is_named(monkeypatch: pytest.MonkeyPatch, name: str, value: str, reason: str) -> None:
    monkeypatch.setenv(name, value)
    with pytest.raises(ConfigError, match=reason) as caught:
        Config.load()
    assert "sk-secret" not in str(caught.value)


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("timeout = -1", r"timeout: .* greater than 0, not -1 \(.*bad\.toml\)$"),
        ("[retry]\nmax_attempts = 0", r"retry\.max_attempts: .* not 0 \(\[retry\] of .*bad\.toml\)$"),
        ("[profiles.a]\ndimensions = 3", r"profiles\.a\.model is missing; .* \(\[profiles\.a\] of .*bad\.toml\)$"),
        ("[profiles.a.limits]\nmax_concurency = 3", r"'max_concurrency'\? \(\[profiles\.a\.limits\] of .*bad\.toml\)"),
    ],
)
def test_a_bad_table_of_a_file_is_named(tmp_path: Path, text: str, reason: str) -> None:
    with pytest.raises(ConfigError, match=reason):
        Config.load(write(tmp_path / "bad.toml", text))


async def test_a_bad_keyword_is_named(factory: EmbedderFactory) -> None:
    with pytest.raises(ConfigError, match=r"timeout: .* not -1 \(keyword\)$"):
        await factory.new_embedder("mock", timeout=-1)


async def test_a_model_that_cannot_be_opened_is_named_with_its_origin(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    text = '[profiles.a]\nmodel = "mok"\n[profiles.b]\nmodel = "mock"\nprovider_options = { sed = 7 }\n'
    file = write(tmp_path / "a.toml", text)
    monkeypatch.setenv("AEMBED_MODEL", "moc")
    async with EmbedderFactory(Config.load(file)) as factory:
        with pytest.raises(
            ConfigError, match=r"unknown provider 'mok'; .* \(profile 'a', \[profiles\.a\] of .*toml\)$"
        ):
            await factory.new_embedder("a")
        with pytest.raises(
            ConfigError, match=r"'sed'; did you mean 'seed'\? \(profile 'b', \[profiles\.b\] of .*toml\)"
        ):
            await factory.new_embedder("b")
        with pytest.raises(ConfigError, match=r"unknown provider 'moc'; did you mean 'mock'\? \(AEMBED_MODEL\)$"):
            await factory.new_embedder()


def test_the_origin_of_a_field_can_be_asked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = write(tmp_path / "a.toml", 'model = "mock"\n[retry]\nmax_delay = 1.0\n[profiles.p]\nmodel = "mock"')
    monkeypatch.setenv("AEMBED_RETRY__MAX_ATTEMPTS", "2")
    config = Config.load(file)
    assert config.sources == (str(file), "AEMBED_RETRY__MAX_ATTEMPTS")
    assert config.origin("model") == str(file)
    assert config.origin("retry", "max_attempts") == "AEMBED_RETRY__MAX_ATTEMPTS"
    assert config.origin("retry", "max_delay") == f"[retry] of {file}"
    assert config.origin("profiles", "p") == f"[profiles.p] of {file}"
    assert config.origin("timeout") == ""
    assert Config().origin("model") == ""


def test_the_origin_makes_no_configuration_another(tmp_path: Path) -> None:
    assert Config.load(write(tmp_path / "a.toml", "timeout = 3")) == Config(timeout=3)


@pytest.mark.parametrize("text", ["a" * 2**20 + "=1", "a = " + "[" * 5000, "timeout = 1" + "0" * 6000])
def test_a_hostile_file_is_an_error_of_ours(tmp_path: Path, text: str) -> None:
    with pytest.raises(ConfigError):
        Config.load(write(tmp_path / "a.toml", text))


def test_numbers_of_numpy_are_numbers() -> None:
    np = pytest.importorskip("numpy")
    config = Config(timeout=np.float32(3), deadline=np.int64(4), strict=np.bool_(True))
    assert (config.timeout, config.deadline, config.strict) == (3.0, 4.0, True)
    assert isinstance(HttpSettings(read_timeout=np.float32(2)).read_timeout, float)
