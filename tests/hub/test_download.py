"""``local:organisation/model`` with the hub's own client: one download, then no request; and each way it can fail."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from huggingface_hub import constants, snapshot_download

from aembed import (
    AuthenticationError,
    ConfigError,
    ConnectError,
    ModelNotFoundError,
    OverloadedError,
    Source,
)
from aembed.providers import local
from aembed.providers.hub import download_model
from tests.hub.server import Hub
from tests.toy_encoder import hidden, modules, write_json, write_model

NAME = "BAAI/bge-toy-en"


def a_model(directory: Path, *, pooling: str = "cls", file: str = "onnx/model.onnx", **files: Any) -> Path:
    """A model directory as sentence-transformers saves it."""
    described = modules("Transformer", "Pooling", "Normalize")
    config = {f"pooling_mode_{pooling}_token{'s' if pooling != 'cls' else ''}": True}
    write_json(write_model(directory, file=file), modules=described, pooling=config, **files)
    return directory


async def opened(model: str = NAME, **settings: Any) -> local.LocalProvider:
    return await local.open_provider(Source(provider="local", model=model, **settings))


async def vector(text: str = "red", *, model: str = NAME, kind: Any = "document", **settings: Any) -> Any:
    provider = await opened(model, **settings)
    reply = await provider.embed([text], kind=kind)
    await provider.aclose()
    return reply.vectors[0]


def unit(vector: Any) -> Any:
    return vector / np.linalg.norm(vector)


async def test_a_model_is_downloaded_once_and_its_configuration_applied(hub: Hub, tmp_path: Path) -> None:
    prompts = {"prompts": {"query": "query: ", "document": ""}}
    limits = {"max_seq_length": 9}
    source = a_model(tmp_path, config_sentence_transformers=prompts, sentence_bert_config=limits)
    commit = hub.repository(NAME).push(source)
    provider = await opened()
    assert provider.spec.name == NAME
    assert provider.spec.max_text_tokens == 9
    assert provider.spec.revision is not None
    assert provider.spec.revision.startswith(f"{commit}:onnx/model.onnx")
    query = await provider.embed(["red"], kind="query")
    document = await provider.embed(["red"], kind="document")
    np.testing.assert_allclose(query.vectors[0], unit(hidden("query: red")[0]), rtol=1e-5)
    np.testing.assert_allclose(document.vectors[0], unit(hidden("red")[0]), rtol=1e-5)
    hub.requests.clear()
    assert (await opened()).spec.revision == provider.spec.revision
    assert hub.requests == []


async def test_once_downloaded_it_opens_without_a_network(hub: Hub, tmp_path: Path) -> None:
    hub.repository(NAME).push(a_model(tmp_path))
    await download_model(f"local:{NAME}")
    hub.failing = 500
    assert (await vector()).shape == (4,)


async def test_a_moved_branch_is_taken_when_asked_for_and_is_another_revision(hub: Hub, tmp_path: Path) -> None:
    """A cache of vectors must not mix two versions of a model, nor one program change its model on its own."""
    repository = hub.repository(NAME)
    repository.push(a_model(tmp_path, pooling="cls"))
    first = await opened()
    repository.push(a_model(tmp_path, pooling="mean"))
    assert (await opened()).spec.revision == first.spec.revision
    downloaded = await download_model(f"local:{NAME}")
    second = await opened()
    assert second.spec.revision != first.spec.revision
    assert str(second.spec.revision).startswith(downloaded.revision)
    np.testing.assert_allclose(await vector(), unit(hidden("red").mean(axis=0)), rtol=1e-5)


async def test_a_revision_can_be_a_branch_or_a_commit(hub: Hub, tmp_path: Path) -> None:
    repository = hub.repository(NAME)
    old = repository.push(a_model(tmp_path, pooling="cls"), branch="v1")
    repository.push(a_model(tmp_path, pooling="max"))
    for model in (f"{NAME}@v1", f"{NAME}@{old}"):
        np.testing.assert_allclose(await vector(model=model), unit(hidden("red")[0]), rtol=1e-5)
    np.testing.assert_allclose(await vector(), unit(hidden("red").max(axis=0)), rtol=1e-5)


async def test_the_token_goes_to_the_hub_and_not_to_the_store_of_files(
    hub: Hub, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    repository = hub.repository(NAME)
    repository.push(a_model(tmp_path))
    repository.token = "hf_private"
    monkeypatch.setenv("HF_TOKEN", "hf_private")
    await vector()
    stored = [request for request in hub.requests if request.path.startswith("/cdn/")]
    asked = [request for request in hub.requests if not request.path.startswith("/cdn/")]
    assert {request.authorization for request in asked} == {"Bearer hf_private"}
    assert {request.authorization for request in stored if request.method == "GET"} == {None}


async def test_a_broken_download_resumes_where_it_broke(
    hub: Hub, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("huggingface_hub.file_download.time.sleep", lambda _: None)
    monkeypatch.setattr(constants, "DOWNLOAD_CHUNK_SIZE", 100)
    hub.repository(NAME).push(a_model(tmp_path))
    hub.broken_after = [250]
    await vector()
    downloads = [request for request in hub.requests if request.path.startswith("/cdn/") and request.method == "GET"]
    assert [request.range for request in downloads] == [None, "bytes=200-"]


async def test_weights_in_a_second_file_are_downloaded_too(hub: Hub, tmp_path: Path) -> None:
    import onnx

    source = a_model(tmp_path)
    path = source / "onnx/model.onnx"
    onnx.save(onnx.load(path), path, save_as_external_data=True, location="model.onnx_data", size_threshold=0)
    hub.repository(NAME).push(source)
    np.testing.assert_allclose(await vector(), unit(hidden("red")[0]), rtol=1e-5)
    hub.requests.clear()
    await vector()
    assert hub.requests == []


async def test_a_quantised_file_is_another_revision(hub: Hub, tmp_path: Path) -> None:
    hub.repository(NAME).push(write_model(a_model(tmp_path), file="onnx/model_quantized.onnx"))
    full = await opened()
    small = await opened(options={"file": "onnx/model_quantized.onnx"})
    assert small.spec.revision != full.spec.revision


async def test_the_only_onnx_file_is_found_by_any_name(hub: Hub, tmp_path: Path) -> None:
    hub.repository(NAME).push(a_model(tmp_path, file="onnx/model_fp16.onnx"))
    await vector()
    hub.requests.clear()
    await vector()
    assert hub.requests == []


NO_ONNX = r"has no ONNX file.*optimum-cli export onnx --model BAAI/bge-toy-en"


@pytest.mark.parametrize(
    ("files", "options", "message"),
    [
        ([], {}, NO_ONNX),
        (["onnx/a.onnx", "onnx/b.onnx"], {}, r"provider_options=.*file.*onnx/a\.onnx, onnx/b\.onnx"),
        (["onnx/model.onnx"], {"file": "c.onnx"}, r"has no c\.onnx\..*onnx/model\.onnx"),
    ],
)
async def test_a_repository_without_the_file_is_an_error_with_a_remedy(
    hub: Hub, tmp_path: Path, files: list[str], options: dict[str, Any], message: str
) -> None:
    a_model(tmp_path, file="onnx/x.onnx")
    (tmp_path / "onnx/x.onnx").unlink()
    for file in files:
        write_model(tmp_path, file=file)
    hub.repository(NAME).push(tmp_path)
    with pytest.raises(ConfigError, match=message):
        await opened(options=options)


async def test_nothing_is_guessed_about_the_pooling(hub: Hub, tmp_path: Path) -> None:
    hub.repository(NAME).push(write_model(tmp_path))
    with pytest.raises(ConfigError, match=r"no modules\.json.*provider_options=.*pooling"):
        await opened()
    got = await vector(options={"pooling": "cls", "normalize": True})
    np.testing.assert_allclose(got, unit(hidden("red")[0]), rtol=1e-5)


async def test_known_models_bring_pooling_and_prompts_that_their_repository_lacks(hub: Hub, tmp_path: Path) -> None:
    name = "intfloat/multilingual-e5-small"
    hub.repository(name).push(write_model(tmp_path))
    got = await vector("red", model=name, kind="query")
    np.testing.assert_allclose(got, unit(hidden("query: red").mean(axis=0)), rtol=1e-5)
    plain = await vector("red", model=name, kind="query", options={"query_prompt": ""})
    np.testing.assert_allclose(plain, unit(hidden("red").mean(axis=0)), rtol=1e-5)


async def test_vectors_are_shortened_where_the_model_was_trained_for_it(hub: Hub, tmp_path: Path) -> None:
    hub.repository(NAME).push(a_model(tmp_path, config={"matryoshka_dimensions": [2, 4]}))
    np.testing.assert_allclose(await vector(dimensions=2), unit(hidden("red")[0][:2]), rtol=1e-5)


async def test_the_client_s_errors_become_ours(hub: Hub, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("huggingface_hub.utils._http.time.sleep", lambda _: None)
    with pytest.raises(ModelNotFoundError, match=r"no model BAAI/bge-toy-en, or it is private.*HF_TOKEN") as caught:
        await opened()
    assert caught.value.status == 401
    hub.repository(NAME).push(a_model(tmp_path))
    with pytest.raises(ModelNotFoundError, match="no revision 'v9'"):
        await opened(f"{NAME}@v9")
    hub.repository(NAME).gated = True
    with pytest.raises(AuthenticationError, match=r"gated: accept its terms.*HF_TOKEN"):
        await opened()
    monkeypatch.setenv("HF_TOKEN", "hf_expired")
    hub.rejected_token = "hf_expired"
    with pytest.raises(AuthenticationError, match="rejects HF_TOKEN") as rejected:
        await opened()
    assert "hf_expired" not in str(rejected.value)


async def test_an_ailing_hub_is_an_error_that_may_pass(hub: Hub, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("huggingface_hub.utils._http.time.sleep", lambda _: None)
    hub.failing = 503
    with pytest.raises(OverloadedError, match="try later") as caught:
        await opened()
    assert caught.value.retryable
    monkeypatch.setattr(constants, "HUGGINGFACE_CO_URL_TEMPLATE", "http://127.0.0.1:9/{repo_id}/{revision}/{filename}")
    with pytest.raises(ConnectError, match=r"aembed download local:BAAI/bge-toy-en"):
        await opened()


async def test_offline_means_the_cache_alone(hub: Hub, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    with pytest.raises(ConfigError, match=r"HF_HUB_OFFLINE is set.*aembed download local:BAAI/bge-toy-en"):
        await opened()
    assert hub.requests == []


async def test_a_snapshot_by_another_tool_serves_offline(
    hub: Hub, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """``hf download NAME`` in the build of an image keeps no record of files that do not exist."""
    hub.repository(NAME).push(a_model(tmp_path))
    snapshot_download(NAME)
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    np.testing.assert_allclose(await vector(), unit(hidden("red")[0]), rtol=1e-5)


async def test_a_snapshot_by_another_tool_is_completed_where_there_is_a_network(hub: Hub, tmp_path: Path) -> None:
    """A file that it lacks may exist on the hub; what does not exist is asked for once."""
    hub.repository(NAME).push(a_model(tmp_path))
    snapshot_download(NAME)
    hub.requests.clear()
    await vector()
    asked = {request.path.rpartition("/")[2] for request in hub.requests}
    assert "config_sentence_transformers.json" in asked
    assert "modules.json" not in asked, "it is here already"
    hub.requests.clear()
    await vector()
    assert hub.requests == []


async def test_a_damaged_file_is_a_sentence(hub: Hub, tmp_path: Path) -> None:
    a_model(tmp_path)
    (tmp_path / "onnx/model.onnx").write_bytes(b"<html>sign in to the hotel's network</html>")
    hub.repository(NAME).push(tmp_path)
    with pytest.raises(ConfigError, match="not an ONNX file"):
        await opened()


async def test_a_repository_cannot_name_files_outside_of_it(hub: Hub, tmp_path: Path) -> None:
    described = modules("Transformer", "Pooling")
    described[1]["path"] = "../../../secrets"
    write_json(write_model(tmp_path), modules=described)
    hub.repository(NAME).push(tmp_path)
    await vector()
    assert not [request for request in hub.requests if "secrets" in request.path]


def test_the_environment_of_the_hub_s_tools_counts(hub: Hub, tmp_path: Path) -> None:
    """HF_ENDPOINT, HF_HOME and HF_HUB_OFFLINE, each read by the client itself when it is imported."""
    hub.repository(NAME).push(a_model(tmp_path / "source"))
    home = tmp_path / "home"
    program = (
        "import asyncio, sys, aembed\n"
        "async def main():\n"
        "    async with aembed.EmbedderFactory(aembed.Config()) as factory:\n"
        f"        embedder = await factory.new_embedder('local:{NAME}')\n"
        "        print((await embedder.embed_query('red')).shape)\n"
        "asyncio.run(main())"
    )
    environment = {**os.environ, "HF_ENDPOINT": hub.address, "HF_HOME": str(home)}
    for extra in ({}, {"HF_HUB_OFFLINE": "1", "HF_ENDPOINT": "http://127.0.0.1:9"}):
        command = [sys.executable, "-W", "error", "-c", program]
        done = subprocess.run(
            command, env={**environment, **extra}, cwd=tmp_path, capture_output=True, text=True, check=False
        )
        assert done.stdout == "(4,)\n", done.stderr
        assert done.stderr == ""
    assert (home / "hub" / f"models--{NAME.replace('/', '--')}").is_dir()
