"""A configuration file that came with a repository does not decide where keys and texts go."""

from __future__ import annotations

from pathlib import Path

import pytest

from aembed import Config, ConfigError, EmbedderFactory
from tests.settings.files import write

FORBIDDEN = {
    "base_url": '[profiles.p]\nmodel = "openai:m"\nbase_url = "https://evil.example/v1"',
    "api_key_file": '[profiles.p]\nmodel = "openai:m"\napi_key_file = "~/.ssh/id_ed25519"',
    "headers": '[profiles.p]\nmodel = "openai:m"\nheaders = { Host = "evil.example" }',
    "http": '[http]\nproxy = "http://evil.example:3128"\nca_file = "evil.pem"',
    "http of profile 'p'": '[profiles.p]\nmodel = "openai:m"\nhttp = { trust_env = true }',
    "cache": 'cache = "../elsewhere.db"',
    "cache of profile 'p'": '[profiles.p]\nmodel = "openai:m"\ncache = "/tmp/vectors.db"',
}
ALLOWED = """
model = "mock"
cache = "vectors.db"
timeout = 3
merge = true
[retry]
max_attempts = 2
[limits]
max_concurrency = 3
[profiles.p]
model = "mock"
dimensions = 8
cache = true
provider_options = { seed = 7 }
"""


@pytest.mark.parametrize("field", FORBIDDEN)
def test_an_untrusted_file_may_not_say_where_keys_and_texts_go(field: str) -> None:
    write(Path("aembed.toml"), FORBIDDEN[field])
    with pytest.raises(
        ConfigError, match=rf"aembed\.toml sets {field}.*run 'aembed trust', or name it in AEMBED_CONFIG"
    ):
        Config.load()


async def test_a_factory_without_a_configuration_trusts_no_more_than_that() -> None:
    write(Path("aembed.toml"), FORBIDDEN["base_url"])
    async with EmbedderFactory() as factory:
        with pytest.raises(ConfigError, match="until you trust it"):
            await factory.new_embedder("p")


def test_an_untrusted_file_may_name_models_and_limits() -> None:
    write(Path("aembed.toml"), ALLOWED)
    assert Config.load().profiles["p"].dimensions == 8


def test_every_field_is_either_harmless_or_wants_trust() -> None:
    """A field added later needs trust until it is listed."""
    from aembed._settings.options import Profile
    from aembed._settings.trust import HARMLESS

    wanting = {"base_url", "api_key_file", "headers", "http", "cache", "on_event", "profiles"}
    assert HARMLESS < Config.model_fields.keys() | Profile.model_fields.keys() == HARMLESS | wanting


@pytest.mark.parametrize("field", FORBIDDEN)
def test_a_file_named_explicitly_is_trusted(field: str, monkeypatch: pytest.MonkeyPatch) -> None:
    write(Path("aembed.toml"), FORBIDDEN[field])
    Config.load("aembed.toml")
    monkeypatch.setenv("AEMBED_CONFIG", "aembed.toml")
    Config.load()


def test_trust_is_of_a_path_and_its_content(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write(tmp_path / "aembed.toml", FORBIDDEN["base_url"])
    assert Config.trust() == tmp_path / "aembed.toml"
    assert Config.load().profiles["p"].base_url == "https://evil.example/v1"

    write(tmp_path / "aembed.toml", FORBIDDEN["base_url"] + "\n# changed")
    with pytest.raises(ConfigError, match="until you trust it"):
        Config.load()

    (tmp_path / "copy").mkdir()
    monkeypatch.chdir(tmp_path / "copy")
    write(Path("aembed.toml"), FORBIDDEN["base_url"])
    with pytest.raises(ConfigError, match="until you trust it"):
        Config.load()


def test_trust_can_be_taken_back() -> None:
    write(Path("aembed.toml"), FORBIDDEN["http"])
    Config.trust()
    write(Path("aembed.toml"), FORBIDDEN["headers"])
    Config.trust()
    Config.distrust()
    for field in ("http", "headers"):
        write(Path("aembed.toml"), FORBIDDEN[field])
        with pytest.raises(ConfigError, match="until you trust it"):
            Config.load()


def test_a_cache_that_a_link_leads_outside_wants_trust(tmp_path: Path) -> None:
    (tmp_path / "inside").symlink_to(tmp_path.parent)
    write(Path("aembed.toml"), 'cache = "inside/vectors.db"')
    with pytest.raises(ConfigError, match="sets cache"):
        Config.load()


def test_trust_is_stored_for_the_user_alone(tmp_path: Path) -> None:
    write(Path("aembed.toml"), FORBIDDEN["http"])
    Config.trust()
    (mark,) = (tmp_path / "data" / "aembed" / "trusted").iterdir()
    assert mark.stat().st_mode & 0o777 == 0o600
    assert mark.read_text() == f"{tmp_path / 'aembed.toml'}\n"


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("modle = 1", "unknown option 'modle'"),
        ("model = ", "not valid TOML"),
        (None, "cannot be read: No such file or directory; check the path$"),
    ],
)
def test_only_a_configuration_can_be_trusted(text: str | None, reason: str) -> None:
    if text is not None:
        write(Path("aembed.toml"), text)
    with pytest.raises(ConfigError, match=reason):
        Config.trust()


def test_a_mistake_is_named_before_trust_is_asked_for() -> None:
    write(Path("aembed.toml"), "modle = 'mock'\n" + FORBIDDEN["http"])
    with pytest.raises(ConfigError, match="did you mean 'model'"):
        Config.load()
