"""From what people copy as ``base_url`` to the URL that is asked."""

from __future__ import annotations

import pytest

from aembed._types import Source
from aembed._wire.endpoint import find_endpoint, root, with_v1
from aembed._wire.prompts import Prompts
from aembed.providers.openai import COMPATIBLE, OPENAI

DEFAULT = "https://api.openai.com/v1"


@pytest.mark.parametrize(
    ("base_url", "asked"),
    [
        (None, f"{DEFAULT}/embeddings"),
        (DEFAULT, f"{DEFAULT}/embeddings"),
        (f"{DEFAULT}/", f"{DEFAULT}/embeddings"),
        (f"{DEFAULT}/embeddings", f"{DEFAULT}/embeddings"),
        (f"{DEFAULT}/embeddings/", f"{DEFAULT}/embeddings"),
        ("https://api.openai.com", f"{DEFAULT}/embeddings"),
        ("https://api.openai.com/embeddings", f"{DEFAULT}/embeddings"),
        ("https://eu.api.openai.com/", "https://eu.api.openai.com/v1/embeddings"),
        ("https://api.openai.com//v1///", f"{DEFAULT}/embeddings"),
        ("http://localhost:8000", "http://localhost:8000/embeddings"),
        ("http://localhost:8000/a//b?key=1#part", "http://localhost:8000/a/b/embeddings"),
    ],
)
def test_the_url_of_embeddings(base_url: str | None, asked: str) -> None:
    source = Source(provider="openai", model="m", base_url=base_url, headers={"Authorization": "x"})
    assert find_endpoint(OPENAI, source).url == asked


def test_only_one_ending_is_taken_off() -> None:
    url = "http://host/embed/embed_all"
    assert root(COMPATIBLE, url, "/embed_all", "/embed") == "http://host/embed"
    assert root(COMPATIBLE, url, "/rerank", "/embed_all") == "http://host/embed"
    assert root(COMPATIBLE, url) == "http://host/embed/embed_all"


@pytest.mark.parametrize(
    ("url", "with_it"),
    [
        ("http://localhost:8000/embeddings", "http://localhost:8000/v1/embeddings"),
        ("http://localhost:8000/v1/embeddings", None),
        ("http://localhost:8000", None),
    ],
)
def test_the_version_goes_before_a_path_of_one_part(url: str, with_it: str | None) -> None:
    assert with_v1(url) == with_it


def test_a_prompt_goes_before_each_text_of_its_kind() -> None:
    prompts = Prompts(query_prompt="query: ")
    assert prompts.before(["a", "b"], "query") == ["query: a", "query: b"]
    assert prompts.before(["a", "b"], "document") == ["a", "b"]
    assert Prompts(document_prompt="passage: ").before(["a"], "document") == ["passage: a"]
