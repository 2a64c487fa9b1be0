"""``aembed models`` and ``aembed download``."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.cli.command import Aembed
from tests.hub.conftest import hub
from tests.hub.server import Hub
from tests.toy_encoder import modules, write_json, write_model

__all__ = ["hub"]


def test_models_lists_each_with_its_facts(aembed: Aembed) -> None:
    code, out, _ = aembed("models")
    assert code == 0
    rows = {line.split("\t")[0]: line.split("\t")[1:] for line in out.splitlines()}
    assert rows["local:all-MiniLM-L6-v2"] == ["384", "English", "256", "23", "mean, unit", "vectors compared"]
    assert rows["local:BAAI/bge-small-en-v1.5"][4:] == ["cls, unit", "rules only"]


def test_download_reports_size_revision_and_place(aembed: Aembed, hub: Hub, tmp_path: Path) -> None:
    write_json(write_model(tmp_path / "model"), modules=modules("Transformer", "Pooling"))
    commit = hub.repository("a/b").push(tmp_path / "model")
    code, out, err = aembed("download", "local:a/b")
    assert code == 0, err
    assert out.startswith("local:a/b: 0.0 MB at revision " + commit)


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        (("openai:text-embedding-3-small",), 2, "give local:organisation/model"),
        (("local:a/missing",), 3, "check the name, or set HF_TOKEN"),
        (("local:a/b", "--option", "file=7"), 2, "name of a file"),
    ],
)
def test_a_failed_download_is_one_sentence(
    aembed: Aembed,
    hub: Hub,
    arguments: tuple[str, ...],
    code: int,
    words: str,
) -> None:
    got, out, err = aembed("download", *arguments)
    assert (got, out) == (code, "")
    assert words in err
    assert err.count("\n") == 1
