"""A framework that is missing, too old or changed is one sentence with the fix."""

from __future__ import annotations

import importlib
import pickle
import sys

import pytest

from aembed import MissingExtraError
from aembed.integrations.framework import imported

MODULES = {
    "langchain": ("langchain_core", "langchain"),
    "llama_index": ("llama_index", "llama-index"),
    "pydantic_ai": ("pydantic_ai", "pydantic-ai"),
    "haystack": ("haystack", "haystack"),
    "chroma": ("chromadb", "chroma"),
    "ray": ("ray", "ray"),
}


@pytest.mark.parametrize("module", MODULES)
def test_a_missing_framework_comes_with_its_command(module: str, monkeypatch: pytest.MonkeyPatch) -> None:
    package, extra = MODULES[module]
    for name in [name for name in sys.modules if name.split(".")[0] == package]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, package, None)
    monkeypatch.delitem(sys.modules, f"aembed.integrations.{module}", raising=False)
    with pytest.raises(MissingExtraError, match=rf'pip install -U "aembed\[{extra}\]"'):
        importlib.import_module(f"aembed.integrations.{module}")


def test_a_changed_framework_is_named_with_its_version() -> None:
    said = r"another version of pytest than the installed \d.*has no attribute 'Gone'"
    with pytest.raises(MissingExtraError, match=said), imported("pytest", extra="chroma"):
        _ = pytest.Gone  # type: ignore[attr-defined]


def test_adapters_are_pickled_by_name_and_never_with_a_key() -> None:
    from aembed import ConfigError
    from aembed.integrations.embedders import Embedders

    again = pickle.loads(pickle.dumps(Embedders("mock", {"dimensions": 8})))  # noqa: S301
    assert (again.saved_model(), again.saved_options()) == ("mock", {"dimensions": 8})
    with pytest.raises(ConfigError, match="api_key cannot be saved or pickled"):
        pickle.dumps(Embedders("openai", {"api_key": "sk-secret"}))
