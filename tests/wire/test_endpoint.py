"""From what people copy as ``base_url`` to the URL that is asked."""

from __future__ import annotations

import pytest

from aembed._types import Source
from aembed._wire.endpoint import endpoint, root, with_version

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
def test_where_embeddings_are(base_url: str | None, asked: str) -> None:
    assert endpoint(Source(provider="openai", base_url=base_url), DEFAULT, "/embeddings") == asked


def test_only_one_ending_is_taken_off() -> None:
    source = Source(provider="tei", base_url="http://host/embed/embed_all")
    assert root(source, DEFAULT, "/embed_all", "/embed") == "http://host/embed"
    assert root(source, DEFAULT, "/rerank", "/embed_all") == "http://host/embed"
    assert root(source, DEFAULT) == "http://host/embed/embed_all"


@pytest.mark.parametrize(
    ("url", "with_it"),
    [
        ("http://localhost:8000/embeddings", "http://localhost:8000/v1/embeddings"),
        ("http://localhost:8000/v1/embeddings", None),
        ("http://localhost:8000", None),
    ],
)
def test_the_version_goes_before_a_path_of_one_part(url: str, with_it: str | None) -> None:
    assert with_version(url) == with_it
