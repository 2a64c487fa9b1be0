"""Sources of a key, which is read when it is needed."""

from __future__ import annotations

import pickle
import threading
import traceback
from pathlib import Path
from typing import Any

import pytest
from pydantic import SecretStr

from aembed import Config, ConfigError, EmbedderFactory, HttpSettings, Profile, Provider, Registry, Source
from aembed._wire.auth import key_of as given_key
from aembed.testing import ScriptedProvider

KEY = "sk-made-up-0123456789"


async def key_of(name: str = "shop", config: Config | None = None, **options: Any) -> str | None:
    """The key that the opener gets."""
    seen: list[Source] = []

    async def open_shop(source: Source) -> Provider:
        seen.append(source)
        return ScriptedProvider()

    registry = Registry()
    registry.register("shop", open_shop)
    registry.register("openai", open_shop, replace=True)
    async with EmbedderFactory(config or Config(), registry=registry) as factory:
        await factory.new_embedder(name, **options)
    assert KEY not in repr(seen)
    key = seen[0].api_key
    return None if key is None else key.get_secret_value()


@pytest.mark.parametrize("key", [KEY, SecretStr(KEY), lambda: KEY, lambda: SecretStr(KEY)])
async def test_a_key_or_a_function_that_gives_it(key: Any) -> None:
    assert await key_of(api_key=key) == KEY


async def test_a_function_is_asked_in_a_worker_thread_for_each_embedder() -> None:
    asked: list[int] = []

    def keyring() -> str:
        asked.append(threading.get_ident())
        return KEY

    config = Config(profiles={"p": Profile(model="shop", api_key=keyring)})
    assert asked == []
    assert [await key_of("p", config) for _ in range(2)] == [KEY, KEY]
    assert len(asked) == 2
    assert threading.get_ident() not in asked


async def test_a_function_that_gives_no_key_or_fails() -> None:
    with pytest.raises(ConfigError, match="api_key: the function gave a NoneType, not the key as a str"):
        await key_of(api_key=lambda: None)

    def locked() -> str:
        raise PermissionError("the keyring is locked")

    with pytest.raises(PermissionError, match="the keyring is locked"):
        await key_of(api_key=locked)


async def test_a_file_holds_the_key(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "key"
    file.write_text(f"{KEY}\n")
    assert await key_of(api_key_file=file) == KEY
    (tmp_path / "aembed.toml").write_text(f'[profiles.p]\nmodel = "shop"\napi_key_file = "{file.as_posix()}"\n')
    assert await key_of("p", Config.load(tmp_path / "aembed.toml")) == KEY
    (tmp_path / "aembed.toml").unlink()
    monkeypatch.setenv("AEMBED_PROFILES__P__MODEL", "shop")
    monkeypatch.setenv("AEMBED_PROFILES__P__API_KEY_FILE", str(file))
    assert await key_of("p", Config.load()) == KEY


@pytest.mark.parametrize(
    ("base_url", "sent"), [(None, True), ("https://api.openai.com/v1", True), ("https://elsewhere.example", False)]
)
async def test_the_usual_variable_may_name_a_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, base_url: str | None, sent: bool
) -> None:
    (tmp_path / "key").write_text(KEY)
    monkeypatch.delenv("OPENAI_API_KEY", raising=False)
    monkeypatch.setenv("OPENAI_API_KEY_FILE", str(tmp_path / "key"))
    assert (await key_of("openai:m", base_url=base_url) == KEY) is sent
    monkeypatch.setenv("OPENAI_API_KEY", "sk-first")
    assert await key_of("openai:m") == "sk-first"
    assert await key_of() is None


async def test_a_key_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"the key file '.*nowhere' cannot be read: No such file"):
        await key_of(api_key_file=tmp_path / "nowhere")
    (tmp_path / "binary").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(ConfigError, match="is not text; it must hold the key and nothing else"):
        await key_of(api_key_file=tmp_path / "binary")
    (tmp_path / "empty").write_text("\n")
    with pytest.raises(ConfigError, match=r"the key file '.*empty' is empty; it must hold the key"):
        await key_of(api_key_file=tmp_path / "empty")
    with pytest.raises(ConfigError, match=r"^api_key and api_key_file are both given; leave one out$") as caught:
        await key_of(api_key=KEY, api_key_file=tmp_path / "nowhere")
    assert KEY not in str(caught.value)


MORE = [
    (f"OPENAI_API_KEY={KEY}", "an assignment, NAME=KEY"),
    (f"export OPENAI_API_KEY='{KEY}'", "an assignment, NAME=KEY"),
    (f"api_key = {KEY}", "an assignment, NAME=KEY"),
    (f'"{KEY}"', "quotes"),
    (f"{KEY}'", "quotes"),
    (f"# of the shop\n{KEY}", "several lines"),
    (f'{{"api_key":"{KEY}"}}', "JSON"),
    (f"Bearer {KEY}", "the word Bearer"),
]


@pytest.mark.parametrize(("text", "more"), MORE)
async def test_a_file_or_variable_with_more_than_a_key_is_rejected_and_not_shown(
    text: str, more: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "key"
    file.write_text(text)
    with pytest.raises(ConfigError) as of_file:
        await key_of(api_key_file=file)
    wanted = f"holds {more}; it must hold the key and nothing else"
    assert str(of_file.value) == f"api_key_file: the key file {str(file)!r} {wanted}"
    monkeypatch.delenv("OPENAI_API_KEY", raising=False)
    monkeypatch.setenv("OPENAI_API_KEY_FILE", str(file))
    with pytest.raises(ConfigError) as of_named_file:
        await key_of("openai:m")
    assert str(of_named_file.value) == f"OPENAI_API_KEY_FILE: the key file {str(file)!r} {wanted}"
    monkeypatch.setenv("OPENAI_API_KEY", text)
    with pytest.raises(ConfigError) as of_variable:
        await key_of("openai:m")
    assert str(of_variable.value) == f"OPENAI_API_KEY {wanted}"
    for caught in (of_file, of_named_file, of_variable):
        assert "made-up" not in "".join(traceback.format_exception(caught.value))


@pytest.mark.parametrize(("text", "more"), MORE)
def test_so_is_a_key_that_is_given(text: str, more: str) -> None:
    with pytest.raises(ConfigError) as caught:
        given_key(Source(provider="openai", api_key=SecretStr(text)))
    assert str(caught.value) == f"api_key holds {more}; give the key and nothing else"


@pytest.mark.parametrize("key", [KEY, "c2VjcmV0LWtleQ==", "KEY=", "key_4f:0a1b2c", "id.secret-token~x", "token=="])
async def test_a_key_of_any_form_is_taken(key: str, tmp_path: Path) -> None:
    (tmp_path / "key").write_text(f"\ufeff{key}\r\n", encoding="utf-8")
    assert await key_of(api_key_file=tmp_path / "key") == key
    assert given_key(Source(provider="openai", api_key=SecretStr(key))) == key


@pytest.mark.parametrize(
    "setting",
    [
        Profile(model="openai", api_key=SecretStr(KEY)),
        Profile(model="openai", headers={"x-key": KEY}),
        HttpSettings(proxy=SecretStr(f"http://me:{KEY}@proxy:3128")),
    ],
)
def test_settings_with_a_secret_are_not_pickled(setting: Profile | HttpSettings) -> None:
    with pytest.raises(TypeError, match="cannot be pickled; let the other process read it"):
        pickle.dumps(setting)
    if isinstance(setting, Profile):
        with pytest.raises(TypeError, match="cannot be pickled"):
            pickle.dumps(Config(profiles={"p": setting}))


def test_settings_without_one_are() -> None:
    config = Config(model="p", profiles={"p": Profile(model="mock", dimensions=8)})
    assert pickle.loads(pickle.dumps(config)) == config  # noqa: S301  # our own
