"""A wrong value of a field that takes several types is one sentence about the field."""

from __future__ import annotations

from typing import Any

import pytest

from aembed import Config, ConfigError, new_embedder

STRING = "input should be a valid string (keyword)"


@pytest.mark.parametrize(
    ("options", "sentences"),
    [
        ({"headers": {"x-route": 1}}, [f"headers.x-route: {STRING}"]),
        ({"headers": {"x-route": None, "x-a": 2}}, [f"headers.x-route: {STRING}", f"headers.x-a: {STRING}"]),
        ({"headers": {1: "a"}}, [f"headers.1: {STRING}"]),
        ({"http": {"proxy": 3}}, [f"http.proxy: {STRING}"]),
        ({"merge": {"max_texts": 0}}, ["merge.max_texts: input should be greater than or equal to 1, not 0 (keyword)"]),
        ({"retry": 3}, ["retry: give a RetryPolicy, or a table of its options, not 3 (keyword)"]),
    ],
    ids=str,
)
async def test_it_names_the_field_and_no_type_of_pydantics(options: Any, sentences: list[str]) -> None:
    with pytest.raises(ConfigError) as caught:
        await new_embedder("mock", config=Config(), **options)
    assert str(caught.value) == "; ".join(sentences)
