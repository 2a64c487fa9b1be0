"""The merge policy, from code, file and environment."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from aembed import Config, ConfigError, EmbedderFactory, MergePolicy


async def test_the_configuration_has_the_merge_policy(monkeypatch: pytest.MonkeyPatch) -> None:
    Path("aembed.toml").write_text("merge = true\n", encoding="utf-8")  # noqa: ASYNC240
    assert Config.load().merge is True
    monkeypatch.setenv("AEMBED_MERGE", "false")
    assert Config.load().merge is False
    monkeypatch.delenv("AEMBED_MERGE")
    Path("aembed.toml").write_text("[merge]\nwindow = 0.5\n", encoding="utf-8")  # noqa: ASYNC240
    assert Config.load().merge == MergePolicy(window=0.5)
    monkeypatch.setenv("AEMBED_MERGE__MAX_TEXTS", "7")
    assert Config.load().merge == MergePolicy(window=0.5, max_texts=7)


@pytest.mark.parametrize("value", [7, "yes please", MergePolicy], ids=repr)
async def test_a_value_that_is_no_merge_policy_is_rejected(factory: EmbedderFactory, value: Any) -> None:
    with pytest.raises(ConfigError, match=r"^merge: give True, or a MergePolicy with max_texts and window, not [^;]*$"):
        await factory.new_embedder("mock", merge=value)


@pytest.mark.parametrize(
    ("table", "words"),
    [
        ({"max_texts": 0}, "merge.max_texts: input should be"),
        ({"windows": 1}, "'merge.windows'; did you mean 'window'"),
    ],
)
def test_a_wrong_table_is_rejected_with_its_field(table: Any, words: str) -> None:
    with pytest.raises(ConfigError, match=words) as caught:
        Config(merge=table)
    assert "bool" not in str(caught.value)


@pytest.mark.parametrize("option", [{"max_texts": 0}, {"window": -1.0}, {"windows": 1.0}])
def test_a_wrong_policy_is_rejected(option: Any) -> None:
    with pytest.raises(ConfigError, match=next(iter(option))):
        MergePolicy(**option)
