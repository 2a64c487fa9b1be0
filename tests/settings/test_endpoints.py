"""The providers' own variables: as their SDKs read them, a key and its address together."""

from __future__ import annotations

import copy
import pickle
from pathlib import Path
from typing import Any

import pytest
from pydantic import SecretStr

from aembed import Config, ConfigError, EmbedderFactory, HttpSettings, Profile, Registry, Source
from aembed._settings.config import find_vendor
from aembed._settings.keys import find_endpoint
from aembed._settings.options import Options
from aembed.testing import LoopbackServer

KEY = "sk-made-up-0123456789"
GATEWAY = "https://gateway.example/v1"


def endpoint(provider: str, environ: dict[str, str], **options: Any) -> tuple[str | None, str | None]:
    """The address and the key."""
    found = find_endpoint(find_vendor(Registry(), provider), Options(**options), environ)
    assert not callable(found.key)
    return found.base_url, None if found.key is None else found.key.get_secret_value()


@pytest.mark.parametrize(
    ("provider", "environ", "found"),
    [
        ("openai", {"OPENAI_API_KEY": KEY}, (None, KEY)),
        ("openai", {"OPENAI_API_KEY": KEY, "OPENAI_BASE_URL": GATEWAY}, (GATEWAY, KEY)),
        ("openai", {"OPENAI_API_KEY": f" {KEY}\n", "OPENAI_BASE_URL": " "}, (None, KEY)),
        ("openai", {"OPENAI_API_KEY": ""}, (None, None)),
        ("azure", {"AZURE_OPENAI_ENDPOINT": "https://a.openai.azure.com/"}, ("https://a.openai.azure.com", None)),
        (
            "azure",
            {"AZURE_OPENAI_API_KEY": KEY, "AZURE_OPENAI_ENDPOINT": "https://proxy.example"},
            ("https://proxy.example", KEY),
        ),
        ("google", {"GEMINI_API_KEY": KEY}, (None, KEY)),
        ("google", {"GEMINI_API_KEY": "sk-other", "GOOGLE_API_KEY": KEY}, (None, KEY)),
        ("google", {"GOOGLE_GEMINI_BASE_URL": "https://g.example/"}, ("https://g.example/v1beta", None)),
        ("cohere", {"CO_API_KEY": KEY, "COHERE_API_KEY": "sk-other"}, (None, KEY)),
        ("cohere", {"COHERE_API_KEY": KEY, "CO_API_URL": "https://c.example"}, ("https://c.example/v2", KEY)),
        ("cohere", {"CO_API_URL": "https://c.example/v2"}, ("https://c.example/v2", None)),
        ("ollama", {}, (None, None)),
        ("ollama", {"OLLAMA_HOST": "0.0.0.0"}, ("http://127.0.0.1:11434", None)),  # noqa: S104
        ("ollama", {"OLLAMA_HOST": ":5000"}, ("http://127.0.0.1:5000", None)),
        ("ollama", {"OLLAMA_HOST": "gpu"}, ("http://gpu:11434", None)),
        ("ollama", {"OLLAMA_HOST": "gpu:80/"}, ("http://gpu", None)),
        ("ollama", {"OLLAMA_HOST": "https://gpu"}, ("https://gpu", None)),
        ("ollama", {"OLLAMA_HOST": "http://gpu/path/"}, ("http://gpu/path", None)),
        ("ollama", {"OLLAMA_HOST": "[::1]:5000"}, ("http://[::1]:5000", None)),
        ("ollama", {"OLLAMA_HOST": "https://ollama.com", "OLLAMA_API_KEY": KEY}, ("https://ollama.com", KEY)),
        ("mistral", {"MISTRAL_API_KEY": KEY}, (None, KEY)),
        ("jina", {"JINA_API_KEY": KEY}, (None, KEY)),
        ("voyage", {"VOYAGE_API_KEY": KEY}, (None, KEY)),
        ("mock", {"OPENAI_API_KEY": KEY}, (None, None)),
    ],
    ids=str,
)
def test_variables_are_read_as_the_vendors_do(
    provider: str, environ: dict[str, str], found: tuple[str | None, str | None]
) -> None:
    assert endpoint(provider, environ) == found


def test_a_key_and_an_address_of_variables_belong_together() -> None:
    environ = {"OPENAI_API_KEY": KEY, "OPENAI_BASE_URL": GATEWAY}
    assert endpoint("openai", environ, base_url="https://elsewhere.example/v1")[1] is None
    assert endpoint("openai", environ, base_url=GATEWAY + "/")[1] == KEY
    assert endpoint("openai", environ, base_url="https://api.openai.com/v1")[1] == KEY
    assert endpoint("openai", environ, base_url="http://api.openai.com/v1")[1] is None
    assert endpoint("openai", environ, api_key="sk-own") == (GATEWAY, "sk-own")  # as openai.OpenAI(api_key=...) does


async def test_texts_go_to_the_gateway_that_a_variable_names(monkeypatch: pytest.MonkeyPatch) -> None:
    """``OPENAI_BASE_URL`` was ignored: with it set, texts and key went to api.openai.com."""
    async with LoopbackServer("openai", dim=8, api_key=KEY) as server, EmbedderFactory(Config()) as factory:
        monkeypatch.setenv("OPENAI_BASE_URL", server.base_url)
        monkeypatch.setenv("OPENAI_API_KEY", KEY)
        embedder = await factory.new_embedder("openai:m")
        assert (await embedder.embed_documents(["text"])).shape == (1, 8)
        assert server.counters.requests == 1


@pytest.mark.parametrize(
    ("variable", "value", "reason"),
    [
        ("OPENAI_BASE_URL", "gateway.example", "OPENAI_BASE_URL: must begin with http:// or https://"),
        ("OPENAI_BASE_URL", "https://me:sk-secret@gateway.example", "OPENAI_BASE_URL: must hold no user or password"),
        ("OLLAMA_HOST", "gpu:99999", "OLLAMA_HOST: "),
    ],
)
def test_a_wrong_address_is_named_with_its_variable(variable: str, value: str, reason: str) -> None:
    with pytest.raises(ConfigError, match=reason) as caught:
        endpoint(variable.partition("_")[0].lower(), {variable: value})
    assert "sk-secret" not in str(caught.value)


def test_the_origin_of_address_and_key_can_be_asked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_BASE_URL", GATEWAY)
    monkeypatch.setenv("OPENAI_API_KEY", KEY)
    file = tmp_path / "a.toml"
    file.write_text('[profiles.p]\nmodel = "openai:m"\nbase_url = "https://own.example"\napi_key = "sk-own"')
    config = Config.load(file)
    found = config.endpoint("openai:m")
    assert (found.base_url, found.base_url_origin, found.key_origin) == (GATEWAY, "OPENAI_BASE_URL", "OPENAI_API_KEY")
    assert KEY not in repr(found)
    found = config.endpoint("p")
    assert found.base_url_origin == found.key_origin == f"[profiles.p] of {file}"
    found = Config(profiles={"q": Profile(model="openai:m", api_key="sk")}).endpoint("q")
    assert (found.base_url_origin, found.key_origin) == ("OPENAI_BASE_URL", "profile 'q'")


# ---- plain http


@pytest.mark.parametrize("host", ["localhost", "127.0.0.1", "[::1]", "127.9.9.9", "a.localhost"])
def test_a_key_may_go_over_http_within_this_machine(host: str) -> None:
    assert endpoint("openai", {}, base_url=f"http://{host}:80/v1", api_key=KEY)[1] == KEY


@pytest.mark.parametrize("host", ["gpu", "10.0.0.1", "api.openai.com", "localhost.evil.example"])
@pytest.mark.parametrize(
    "secret", [{"api_key": KEY}, {"headers": {"Authorization": KEY}}, {"headers": {"API-Key": KEY}}]
)
def test_a_key_over_http_to_another_machine_needs_a_word(host: str, secret: dict[str, Any]) -> None:
    url = f"http://{host}/v1"
    with pytest.raises(
        ConfigError, match=rf"a key over plain http to {host} can be read .*allow_key_over_http"
    ) as caught:
        endpoint("openai", {}, base_url=url, **secret)
    assert KEY not in str(caught.value)
    allowed = HttpSettings(allow_key_over_http=True)
    assert endpoint("openai", {}, base_url=url, http=allowed, **secret)[0] == url
    assert endpoint("openai", {}, base_url=url, headers={"x-route": "a"})[0] == url


# ---- secrets in the wrong place


@pytest.mark.parametrize(
    "options",
    [
        {"http": "http://user:pw-secret@proxy:3128"},
        {"retry": KEY},
        {"limits": KEY},
        {"profiles": KEY},
        {"timeout": KEY},
        {"model": [KEY]},
        {"merge": KEY},
    ],
    ids=str,
)
def test_a_secret_in_the_place_of_another_setting_is_not_shown(options: dict[str, Any]) -> None:
    with pytest.raises(ConfigError) as caught:
        Config(**options)
    assert KEY not in str(caught.value)
    assert "secret" not in str(caught.value).replace("looks like a secret", "")


async def test_a_key_in_the_place_of_its_file_is_not_shown(factory: EmbedderFactory) -> None:
    with pytest.raises(ConfigError, match="api_key_file names no file, and looks like a key itself") as caught:
        await factory.new_embedder("openai:m", api_key_file=KEY)
    assert KEY not in str(caught.value)


@pytest.mark.parametrize(
    "key", ["sk-proj-Abcdefghijklmnop12", "hf_Abcdefghijklmnopqr", "AIzaSyAbcdefghijklmnop", "jina_0123456789abcdef"]
)
@pytest.mark.parametrize("place", ["{}", "openai:{}"])
async def test_a_key_in_the_place_of_a_model_is_not_shown(factory: EmbedderFactory, key: str, place: str) -> None:
    with pytest.raises(ConfigError, match="the model looks like a key, and is not shown; give 'provider:m") as caught:
        await factory.new_embedder(place.format(key), api_key=KEY)
    assert key not in f"{caught.value!r} {caught.value.__context__!r}"


def test_a_dump_shows_no_secret() -> None:
    profile = Profile(model="m", api_key=KEY, headers={"x": KEY}, http=HttpSettings(proxy=f"http://me:{KEY}@proxy:1"))
    config = Config(profiles={"p": profile})
    assert KEY not in str(config.model_dump()) + config.model_dump_json() + repr(config) + repr(config.model_dump())


def test_a_source_with_a_secret_is_not_pickled() -> None:
    for source in (Source(provider="p", api_key=SecretStr(KEY)), Source(provider="p", headers={"x": KEY})):
        with pytest.raises(TypeError, match="Source holds a key or headers and cannot be pickled"):
            pickle.dumps(source)
    plain = Source(provider="p", model="m")
    assert pickle.loads(pickle.dumps(plain)) == plain  # noqa: S301  # our own
    assert copy.deepcopy(plain) == plain


async def test_a_byte_order_mark_is_no_part_of_a_key(tmp_path: Path) -> None:
    from tests.settings.test_keys import key_of

    (tmp_path / "key").write_bytes(b"\xef\xbb\xbf" + KEY.encode() + b"\r\n")
    assert await key_of(api_key_file=tmp_path / "key") == KEY
