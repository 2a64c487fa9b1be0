"""Redaction of everything that looks like a key."""

from __future__ import annotations

import pytest
from pydantic import SecretStr

from aembed import Registry
from aembed._settings.base import shown
from aembed._settings.config import find_vendor
from aembed._settings.secrets import SecretHeaders, SecretText, clear, in_clear, may_be_secret


@pytest.mark.parametrize(
    ("text", "secret"),
    [
        ("sk-1234567", True),
        ("sk-123456", False),
        ("AIza12345678", True),
        ("jina_abcdefgh", True),
        (" hf_abcdefgh\n", True),
        ("abcdefghij0123456789", True),
        ("abcdefghij012345678", False),
        ("abcdefghijklmnopqrst", False),
        ("01234567890123456789", False),
        ("a text of 20 letters and more", False),
        ("/home/user/of/a/long/path/1", False),
        ("text-embedding-3-small", True),
        ("http://user:password@host", True),
        ("http://host/user@x", False),
        ("", False),
    ],
)
def test_strings_that_look_like_a_key(text: str, secret: bool) -> None:
    assert may_be_secret(text) is secret


@pytest.mark.parametrize(
    ("value", "words"),
    [
        ("short", "'short'"),
        (5, "5"),
        (0.5, "0.5"),
        (None, "None"),
        (True, "True"),
        ("sk-12345678", "********** (it looks like a secret)"),
        (["sk-12345678"], "a list"),
        (SecretStr("x"), "a SecretStr"),
    ],
)
def test_a_value_in_an_error(value: object, words: str) -> None:
    assert shown(value) == words


def test_texts_and_headers_that_are_not_shown() -> None:
    assert repr(SecretText("key")) == "'...'"
    headers = in_clear({"A": SecretStr("key"), "B": "plain"})
    assert headers == {"A": "key", "B": "plain"}
    assert repr(headers) == "<headers A, B>"
    assert repr(SecretHeaders()) == "<headers >"
    assert (clear("key"), clear(SecretStr("key"))) == ("key", "key")


@pytest.mark.parametrize(
    ("provider", "base_url", "own"),
    [
        ("openai", None, True),
        ("openai", "https://api.openai.com/v1", True),
        ("openai", "https://eu.api.openai.com", True),
        ("openai", "https://xapi.openai.com", False),
        ("openai", "https://openai.com", False),
        ("openai", "https://api.openai.com.evil.example", False),
        ("openai", "https://evil.example/api.openai.com", False),
        ("azure", "https://name.openai.azure.com", True),
        ("azure", "https://openai.azure.com", False),
        ("voyage", "https://sub.api.voyageai.com", False),
        ("mistral", "https://api.mistral.ai/v1", True),
        ("mock", "https://api.openai.com", False),
        ("mock", None, True),
    ],
)
def test_a_providers_own_hosts(provider: str, base_url: str | None, own: bool) -> None:
    assert find_vendor(Registry(), provider).is_own_host(base_url) is own


def test_each_host_is_its_providers_alone() -> None:
    vendors = {name: find_vendor(Registry(), name) for name in Registry().names()}
    for provider, vendor in vendors.items():
        for host in vendor.own_hosts:
            url = f"https://{'name' if host.startswith('.') else ''}{host}/v1"
            assert [other for other in vendors if vendors[other].is_own_host(url)] == [provider]
