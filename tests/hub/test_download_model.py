"""Downloads of models ahead of their use: what is downloaded, and what the answer says of it."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from aembed import ConfigError
from aembed.providers.hub import download_model
from tests.hub.server import Hub
from tests.toy_encoder import TABLE, modules, tokenizer, write_json, write_model


def encoder(directory: Path, *files: str) -> Path:
    for file in files:
        write_model(directory, file=file)
    write_json(directory, modules=modules("Transformer", "Pooling"))
    return directory


def table(directory: Path) -> Path:
    from safetensors.numpy import save_file

    save_file({"embeddings": TABLE}, directory / "model.safetensors")
    tokenizer().save(str(directory / "tokenizer.json"))
    (directory / "config.json").write_text(json.dumps({"normalize": True}))
    return directory


@pytest.mark.parametrize(
    ("asked", "model"),
    [("a/b", "local:a/b"), ("local:a/b", "local:a/b"), ("a/b@v1", "local:a/b@v1"), ("local:a/b@main", "local:a/b")],
)
async def test_an_encoder_is_named_as_it_is_opened(asked: str, model: str, hub: Hub, tmp_path: Path) -> None:
    commit = hub.repository("a/b").push(encoder(tmp_path, "onnx/model.onnx"))
    hub.repository("a/b").push(tmp_path, branch="v1")
    downloaded = await download_model(asked)
    assert (downloaded.model, downloaded.revision, downloaded.directory.name) == (model, commit, commit)
    files = ["tokenizer.json", "onnx/model.onnx"]
    assert downloaded.size >= sum((tmp_path / file).stat().st_size for file in files)
    assert downloaded.size == sum(each.stat().st_size for each in downloaded.directory.rglob("*") if each.is_file())


async def test_a_table_is_named_as_it_is_opened(hub: Hub, tmp_path: Path) -> None:
    hub.repository("a/b").push(table(tmp_path))
    downloaded = await download_model("static:a/b")
    assert downloaded.model == "static:a/b"
    assert (downloaded.directory / "model.safetensors").is_file()


async def test_the_file_of_the_options_is_the_one_that_is_downloaded(hub: Hub, tmp_path: Path) -> None:
    hub.repository("a/b").push(encoder(tmp_path, "onnx/model.onnx", "onnx/model_int8.onnx"))
    downloaded = await download_model("a/b", provider_options={"file": "onnx/model_int8.onnx"})
    weights = [each.name for each in downloaded.directory.rglob("*.onnx")]
    assert weights == ["model_int8.onnx"]


@pytest.mark.parametrize("file", [7, True, ["model.onnx"]])
async def test_a_file_that_is_no_name_is_rejected(file: object, hub: Hub) -> None:
    with pytest.raises(ConfigError, match="give the name of a file of the repository"):
        await download_model("a/b", provider_options={"file": file})
    assert hub.requests == []
