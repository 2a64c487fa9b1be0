"""Untrusted model directories: odd, damaged, or built to read other files. Typed errors, nothing else."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import anyio.to_thread
import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper
from onnx.external_data_helper import set_external_data
from safetensors.numpy import save_file

from aembed._errors import AembedError, ConfigError, ProviderError
from aembed._types import Source
from aembed.providers import local, static
from tests.toy_encoder import TABLE, tokenizer, write_model


def source(directory: Path, provider: str = "local") -> Source:
    return Source(provider=provider, model=str(directory))


def keep_outside(directory: Path, location: str, *, in_attribute: bool = False) -> None:
    """The table's numbers are to be read from ``location``."""
    write_model(directory)
    model = onnx.load(directory / "model.onnx")
    tensor = model.graph.initializer[0]
    set_external_data(tensor, location)
    tensor.ClearField("raw_data")
    tensor.data_location = TensorProto.EXTERNAL
    if in_attribute:
        del model.graph.initializer[0]
        model.graph.node.insert(0, helper.make_node("Constant", [], ["table"], value=tensor))
    (directory / "model.onnx").write_bytes(model.SerializeToString())


OUTSIDE = ["../secret.bin", "sub/../../secret.bin", "link.bin", "folder/secret.bin", "/etc/hostname"]


@pytest.mark.parametrize("in_attribute", [False, True])
@pytest.mark.parametrize("location", OUTSIDE)
async def test_no_file_outside_of_the_directory_is_read(tmp_path: Path, location: str, *, in_attribute: bool) -> None:
    directory = tmp_path / "model"
    (directory / "sub").mkdir(parents=True)
    (tmp_path / "secret.bin").write_bytes(TABLE.tobytes())
    (directory / "link.bin").symlink_to(tmp_path / "secret.bin")
    (directory / "folder").symlink_to(tmp_path)
    keep_outside(directory, location, in_attribute=in_attribute)
    with pytest.raises(ConfigError, match=r"model\.onnx keeps weights in a file outside of its directory"):
        await local.open_provider(source(directory))


async def test_a_file_inside_is_read(tmp_path: Path) -> None:
    keep_outside(tmp_path, "weights.bin")
    (tmp_path / "weights.bin").write_bytes(TABLE.tobytes())
    provider = await local.open_provider(source(tmp_path))
    assert (await provider.embed(["red"], kind="document")).vectors.shape == (1, 4)


async def test_the_hubs_cache_has_links_to_its_blobs(tmp_path: Path) -> None:
    blobs, snapshot = tmp_path / "blobs", tmp_path / "snapshots" / "main"
    for directory in (blobs, snapshot):
        directory.mkdir(parents=True)
    (blobs / "0123").write_bytes(TABLE.tobytes())
    (snapshot / "weights.bin").symlink_to(blobs / "0123")
    keep_outside(snapshot, "weights.bin")
    try:
        await local.open_provider(source(snapshot))
    except ConfigError as error:  # onnxruntime itself may take it for outside
        assert "onnxruntime cannot load" in str(error)


@pytest.mark.parametrize("file", [b"", b"\x0b" * 50, b"\xff" * 50, b"\x3a\xff\xff\xff\xff\x0f" + b"x" * 50])
async def test_files_that_are_no_onnx_file(tmp_path: Path, file: bytes) -> None:
    write_model(tmp_path)
    (tmp_path / "model.onnx").write_bytes(file)
    with pytest.raises(ConfigError):
        await local.open_provider(source(tmp_path))


DEEP = "[" * 100_000
ODD_FILES: list[tuple[str, Any]] = [
    ("config.json", [1]),
    ("config.json", {"max_position_embeddings": "many"}),
    ("config.json", {"max_position_embeddings": {}}),
    ("config.json", DEEP),
    ("config.json", '{"max_position_embeddings": ' + "1" * 5000 + "}"),
    ("modules.json", {"a": 1}),
    ("modules.json", [{"path": "x"}]),
    ("modules.json", 7),
    ("1_Pooling/config.json", [1]),
    ("1_Pooling/config.json", {"pooling_mode": 7}),
    ("sentence_bert_config.json", {"max_seq_length": "long"}),
    ("tokenizer_config.json", {"model_max_length": []}),
    ("config_sentence_transformers.json", {"prompts": 7}),
    ("config_sentence_transformers.json", {"prompts": {"query": 7}}),
    ("tokenizer.json", DEEP),
    ("tokenizer.json", {}),
    ("tokenizer.json", {"normalizer": {"type": "Precompiled", "precompiled_charsmap": "AAAA"}}),
    (
        "tokenizer.json",
        {
            "post_processor": {
                "type": "TemplateProcessing",
                "single": [{"SpecialToken": {"id": "[X]", "type_id": 0}}, {"Sequence": {"id": "A", "type_id": 0}}],
                "pair": [],
                "special_tokens": {},
            }
        },
    ),
]


def spoil(directory: Path, name: str, content: Any) -> None:
    file = directory / name
    file.parent.mkdir(exist_ok=True)
    if name == "tokenizer.json" and content not in ({}, DEEP):
        content = json.loads(tokenizer().to_str()) | content
    file.write_text(content if isinstance(content, str) else json.dumps(content), encoding="utf-8")


@pytest.mark.parametrize(("name", "content"), ODD_FILES, ids=[f"{i} {name}" for i, (name, _) in enumerate(ODD_FILES)])
async def test_odd_files_of_an_encoder(tmp_path: Path, name: str, content: Any) -> None:
    spoil(write_model(tmp_path), name, content)
    try:
        provider = await local.open_provider(source(tmp_path))
        await provider.embed(["red"], kind="query")
    except AembedError as error:
        assert str(error).isprintable()


async def test_a_panic_at_opening(tmp_path: Path) -> None:
    spoil(write_model(tmp_path), *ODD_FILES[-2])
    with pytest.raises(ConfigError, match="the tokenizers package panicked"):
        await local.open_provider(source(tmp_path))


def write_static(directory: Path, *, tokens: Any = None, config: Any = None, **tensors: Any) -> Path:
    spoil(directory, "tokenizer.json", tokens or json.loads(tokenizer().to_str()))
    spoil(directory, "config.json", {"normalize": True} if config is None else config)
    save_file(tensors or {"embeddings": TABLE}, directory / "model.safetensors")
    return directory


async def test_a_tokenizer_that_fails_at_a_text(tmp_path: Path) -> None:
    words = {"model": {"type": "WordLevel", "unk_token": "[NO]", "vocab": {"red": 4, "[NO-UNK]": 5}}}
    provider = await static.open_provider(source(write_static(tmp_path, tokens=words), "static"))
    await provider.embed(["red"], kind="document")
    with pytest.raises(ProviderError, match="the model's tokenizer fails at a text"):
        await provider.embed(["green"], kind="document")


@pytest.mark.parametrize(
    "tensors",
    [
        {"embeddings": TABLE[:3]},
        {"embeddings": TABLE[0]},
        {"embeddings": TABLE[:0]},
        {"embeddings": TABLE, "weights": np.ones(3, np.float32)},
        {"embeddings": TABLE, "mapping": np.full(len(TABLE), len(TABLE))},
        {"embeddings": TABLE, "mapping": np.full(len(TABLE), -1)},
        {"embeddings": TABLE, "mapping": np.zeros((len(TABLE), 2), np.int64)},
        {"other": TABLE},
    ],
)
async def test_odd_tables(tmp_path: Path, tensors: dict[str, Any]) -> None:
    with pytest.raises(ConfigError, match=r"save the model again|has no tensor named"):
        await static.open_provider(source(write_static(tmp_path, **tensors), "static"))


@pytest.mark.parametrize("config", [[1], {"max_length": "long"}, {"max_length": -1}, {"max_length": 0}, DEEP])
async def test_odd_files_of_a_table(tmp_path: Path, config: Any) -> None:
    with pytest.raises(ConfigError):
        await static.open_provider(source(write_static(tmp_path, config=config), "static"))


IDS = len(TABLE)
WEIGHTS, MAPPING = np.ones(IDS, np.float32), np.arange(IDS)


@pytest.mark.parametrize(
    ("tensors", "is_fine"),
    [
        ({"embeddings": TABLE}, True),
        ({"embedding.weight": TABLE}, True),
        ({"embeddings": TABLE[:-1]}, False),
        ({"embeddings": TABLE, "weights": WEIGHTS}, True),
        ({"embeddings": TABLE, "weights": WEIGHTS[:-1]}, False),
        ({"embeddings": TABLE, "weights": WEIGHTS[:, None]}, False),
        ({"embeddings": TABLE, "mapping": MAPPING}, True),
        ({"embeddings": TABLE[:1], "mapping": MAPPING * 0}, True),
        ({"embeddings": TABLE[:-1], "mapping": MAPPING}, False),
        ({"embeddings": TABLE, "mapping": MAPPING[:-1]}, False),
        ({"embeddings": TABLE, "mapping": MAPPING - 1}, False),
        ({"embeddings": TABLE, "mapping": MAPPING, "weights": WEIGHTS[:-1]}, False),
        ({"embeddings": TABLE[:, :0]}, False),
    ],
)
async def test_every_token_needs_its_row_and_its_weight(
    tmp_path: Path, tensors: dict[str, Any], *, is_fine: bool
) -> None:
    opening = static.open_provider(source(write_static(tmp_path, **tensors), "static"))
    if is_fine:
        assert (await (await opening).embed(["red"], kind="document")).vectors.shape == (1, TABLE.shape[1])
    else:
        with pytest.raises(ConfigError, match="save the model again"):
            await opening


@pytest.mark.parametrize(
    ("config", "limit", "is_unit"),
    [
        ({}, 512, False),
        ({"max_length": None}, None, False),
        ({"max_length": 1}, 1, False),
        ({"normalize": True}, 512, True),
        ({"normalize": False}, 512, False),
    ],
)
async def test_what_a_configuration_leaves_out(
    tmp_path: Path, config: dict[str, Any], limit: int | None, is_unit: bool
) -> None:
    directory = write_static(tmp_path, config=config)
    provider = await static.open_provider(source(directory, "static"))
    assert provider.spec.max_text_tokens == limit
    vectors = (await provider.embed(["red"], kind="document")).vectors
    expected = TABLE[4] / (np.linalg.norm(TABLE[4]) if is_unit else 1)
    np.testing.assert_allclose(vectors, [expected], rtol=1e-5)
    split = await static.open_provider(Source(provider="static", model=str(directory), overlong="split"))
    assert split.spec.max_text_tokens is None
    sizes = split.measure(["red blue", "red pink"])
    assert [(size.tokens, size.unknown) for size in sizes] == [(2, 0), (2, 1)]


@pytest.mark.parametrize(("characters", "is_here"), [(200, True), (201, False)])
async def test_a_text_of_two_hundred_characters_needs_no_thread(
    tmp_path: Path, characters: int, is_here: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    provider = await static.open_provider(source(write_static(tmp_path), "static"))
    threads: list[int] = []
    run_sync = anyio.to_thread.run_sync

    async def noted(*given: Any, **options: Any) -> Any:
        threads.append(1)
        return await run_sync(*given, **options)

    monkeypatch.setattr("anyio.to_thread.run_sync", noted)
    await provider.embed(["red" + " " * (characters - 3)], kind="query")
    assert (not threads) is is_here
