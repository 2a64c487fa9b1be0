"""``local:/path``: a directory's configuration is followed, and missing files are named."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from pydantic import SecretStr
from tokenizers import processors

from aembed import BadTextError, ConfigError, MissingExtraError, Source, TextTooLongError
from aembed.providers import local
from tests.toy_encoder import hidden, modules, tokenizer, write_json, write_model

TEXTS = ["red", "dark blue green", "light green"]


def source(directory: Path, **settings: Any) -> Source:
    return Source(provider="local", model=str(directory), **settings)


async def embed(directory: Path, texts: list[str], *, kind: Any = "document", **settings: Any) -> Any:
    provider = await local.open_provider(source(directory, **settings))
    reply = await provider.embed(texts, kind=kind)
    await provider.aclose()
    assert reply.vectors.dtype == np.float32
    assert reply.vectors.flags.c_contiguous
    return reply


POOLED = {
    "mean": lambda text: hidden(text).mean(axis=0),
    "cls": lambda text: hidden(text)[0],
    "max": lambda text: hidden(text).max(axis=0),
    "lasttoken": lambda text: hidden(text)[-1],
}
FLAGS = {
    "mean": {"pooling_mode_mean_tokens": True, "pooling_mode_cls_token": False},
    "cls": {"pooling_mode_cls_token": True, "pooling_mode_mean_tokens": False, "include_prompt": True},
    "max": {"pooling_mode_max_tokens": True},
    "lasttoken": {"pooling_mode": "lasttoken"},
}


@pytest.mark.parametrize("pooling", POOLED)
async def test_pooling_is_read_from_the_directory(tmp_path: Path, pooling: str) -> None:
    write_json(write_model(tmp_path), modules=modules("Transformer", "Pooling"), pooling=FLAGS[pooling])
    reply = await embed(tmp_path, TEXTS)
    np.testing.assert_allclose(reply.vectors, [POOLED[pooling](text) for text in TEXTS], rtol=1e-5)
    assert reply.tokens == 3 + 5 + 4


async def test_vectors_have_unit_length_where_the_directory_says_so(tmp_path: Path) -> None:
    write_json(write_model(tmp_path), modules=modules("Transformer", "Pooling", "Normalize"))
    reply = await embed(tmp_path, TEXTS)
    expected = np.array([hidden(text).mean(axis=0) for text in TEXTS])
    np.testing.assert_allclose(reply.vectors, expected / np.linalg.norm(expected, axis=1, keepdims=True), rtol=1e-5)


async def test_options_overrule_the_directory(tmp_path: Path) -> None:
    write_model(tmp_path)
    reply = await embed(tmp_path, TEXTS, options={"pooling": "cls", "normalize": True})
    expected = hidden("red")[0] / np.linalg.norm(hidden("red")[0])
    np.testing.assert_allclose(reply.vectors[0], expected, rtol=1e-5)


@pytest.mark.parametrize("inputs", [("input_ids",), ("input_ids", "attention_mask", "token_type_ids")])
async def test_a_model_gets_the_inputs_it_declares(tmp_path: Path, inputs: tuple[str, ...]) -> None:
    reply = await embed(write_model(tmp_path, inputs=inputs), TEXTS)
    np.testing.assert_allclose(reply.vectors[1], hidden(TEXTS[1]).mean(axis=0), rtol=1e-5)


async def test_a_pooled_output_is_taken_as_it_is(tmp_path: Path) -> None:
    reply = await embed(write_model(tmp_path, pooled=True), TEXTS)
    np.testing.assert_allclose(reply.vectors, [hidden(text)[0] for text in TEXTS], rtol=1e-5)


async def test_prompts_go_before_the_text_by_kind(tmp_path: Path) -> None:
    prompts = {"query": "query: ", "passage": "passage: "}
    write_json(write_model(tmp_path), config_sentence_transformers={"prompts": prompts})
    query = await embed(tmp_path, ["red"], kind="query")
    document = await embed(tmp_path, ["red"])
    np.testing.assert_allclose(query.vectors[0], hidden("query: red").mean(axis=0), rtol=1e-5)
    np.testing.assert_allclose(document.vectors[0], hidden("passage: red").mean(axis=0), rtol=1e-5)
    assert query.tokens == document.tokens == 4


async def test_a_text_of_no_tokens_is_rejected_by_position(tmp_path: Path) -> None:
    bare = tokenizer()
    bare.post_processor = processors.TemplateProcessing(single="$A", special_tokens=[])
    write_model(tmp_path)
    bare.save(str(tmp_path / "tokenizer.json"))
    with pytest.raises(BadTextError, match="no tokens") as caught:
        await embed(tmp_path, ["red", " "])
    assert caught.value.index == 1


async def test_no_texts_give_no_rows(tmp_path: Path) -> None:
    assert (await embed(write_model(tmp_path), [])).vectors.shape == (0, 4)


@pytest.mark.parametrize("file", ["onnx/model.onnx", "encoder_q8.onnx"])
async def test_the_model_is_found_under_its_usual_names(tmp_path: Path, file: str) -> None:
    reply = await embed(write_model(tmp_path, file=file), TEXTS)
    assert reply.vectors.shape == (3, 4)


@pytest.mark.parametrize(
    ("files", "limit"),
    [
        ({"sentence_bert_config": {"max_seq_length": 6}, "config": {"max_position_embeddings": 512}}, 6),
        ({"tokenizer_config": {"model_max_length": 1e30}, "config": {"max_position_embeddings": 512}}, 512),
        ({"config": {"max_position_embeddings": 514, "model_type": "xlm-roberta", "pad_token_id": 1}}, 512),
        ({"config": {"max_position_embeddings": 515, "model_type": "camembert", "pad_token_id": 2}}, 512),
        ({"config": {"max_position_embeddings": 514, "model_type": "mpnet"}}, 512),
        ({"config": {"max_position_embeddings": 512, "model_type": "bert", "pad_token_id": 0}}, 512),
        ({"config": {"model_type": "roberta"}}, None),
        ({"tokenizer_config": {"model_max_length": 999_999}}, 999_999),
        ({"tokenizer_config": {"model_max_length": 1_000_000}}, None),
        ({}, None),
    ],
)
async def test_the_length_limit_is_the_smallest_the_files_name(
    tmp_path: Path, files: dict[str, Any], limit: int | None
) -> None:
    write_json(write_model(tmp_path), **files)
    provider = await local.open_provider(source(tmp_path))
    assert provider.spec.max_text_tokens == limit


LONG = "red green blue dark light red green"  # 7 words; with limit 5 there is room for 3 between [CLS] and [SEP]


async def test_an_overlong_text_is_rejected_by_position_and_never_quoted(tmp_path: Path) -> None:
    write_json(write_model(tmp_path), sentence_bert_config={"max_seq_length": 5})
    with pytest.raises(TextTooLongError, match=r'9 tokens.*takes 5.*overlong="truncate"') as caught:
        await embed(tmp_path, ["red", LONG, LONG])
    assert caught.value.index == 1
    assert "green" not in str(caught.value)


async def test_an_overlong_text_is_cut(tmp_path: Path) -> None:
    write_json(write_model(tmp_path), sentence_bert_config={"max_seq_length": 5})
    reply = await embed(tmp_path, ["red", LONG], overlong="truncate")
    np.testing.assert_allclose(reply.vectors[1], hidden("red green blue").mean(axis=0), rtol=1e-5)
    assert list(reply.truncated) == [1]
    assert reply.tokens == 3 + 5


@pytest.mark.parametrize("normalize", [False, True])
async def test_an_overlong_text_is_the_mean_of_its_pieces(tmp_path: Path, *, normalize: bool) -> None:
    types = ("Transformer", "Pooling", "Normalize") if normalize else ("Transformer", "Pooling")
    write_json(write_model(tmp_path), sentence_bert_config={"max_seq_length": 5}, modules=modules(*types))
    reply = await embed(tmp_path, [LONG, "red"], overlong="split")
    pieces = [hidden(piece).mean(axis=0) for piece in ("red green blue", "dark light red", "green")]
    red = hidden("red").mean(axis=0)
    if normalize:
        pieces = [piece / np.linalg.norm(piece) for piece in pieces]
        red /= np.linalg.norm(red)
    expected = np.average(pieces, axis=0, weights=[5, 5, 3])
    expected /= np.linalg.norm(expected) if normalize else 1
    np.testing.assert_allclose(reply.vectors, [expected, red], rtol=1e-5)
    assert reply.tokens == 5 + 5 + 3 + 3
    assert list(reply.truncated) == []


async def test_a_bad_directory_is_named_with_its_missing_parts(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"no model directory at .*nowhere"):
        await embed(tmp_path / "nowhere", TEXTS)
    with pytest.raises(ConfigError, match=r"no model\.onnx or onnx/model\.onnx .*none.*export"):
        await embed(tmp_path, TEXTS)
    write_model(tmp_path, file="a.onnx")
    write_model(tmp_path, file="b.onnx")
    with pytest.raises(ConfigError, match=r"a\.onnx, b\.onnx.*provider_options"):
        await embed(tmp_path, TEXTS)
    assert (await embed(tmp_path, TEXTS, options={"file": "b.onnx"})).vectors.shape == (3, 4)
    (tmp_path / "tokenizer.json").unlink()
    with pytest.raises(ConfigError, match=r"no tokenizer\.json"):
        await embed(tmp_path, TEXTS, options={"file": "b.onnx"})


@pytest.mark.parametrize(
    ("files", "message"),
    [
        ({"modules": modules("Transformer", "Pooling", "Dense")}, "Dense module"),
        ({"pooling": {"pooling_mode_weightedmean_tokens": True}}, "weightedmean is not one of mean, cls"),
        ({"pooling": {"pooling_mode_cls_token": True, "pooling_mode_max_tokens": True}}, r"cls\+max"),
        ({"pooling": {"pooling_mode_cls_token": True, "include_prompt": False}}, "without its prompt"),
    ],
)
async def test_files_the_provider_cannot_run_are_rejected(tmp_path: Path, files: dict[str, Any], message: str) -> None:
    write_json(write_model(tmp_path), **files)
    with pytest.raises(ConfigError, match=message):
        await local.open_provider(source(tmp_path))


@pytest.mark.parametrize("name", ["model.onnx", "tokenizer.json", "config.json"])
async def test_a_broken_file_is_named(tmp_path: Path, name: str) -> None:
    write_model(tmp_path)
    (tmp_path / name).write_text("{broken", encoding="utf-8")
    with pytest.raises(ConfigError, match=name):
        await local.open_provider(source(tmp_path))


async def test_an_input_that_text_does_not_have_is_rejected(tmp_path: Path) -> None:
    write_model(tmp_path, inputs=("input_ids", "pixel_values"))
    with pytest.raises(ConfigError, match="pixel_values"):
        await local.open_provider(source(tmp_path))


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"api_key": SecretStr("secret")}, "takes no api_key"),
        ({"base_url": "http://localhost"}, "takes no base_url"),
        ({"headers": {"a": "b"}}, "takes no headers"),
        ({"options": {"thread": 2}}, "did you mean 'threads'"),
        ({"options": {"colour": 2}}, r"unknown option .colour."),
        ({"options": {"threads": "two"}}, "threads: .*integer"),
        ({"options": {"threads": 0}}, "threads: .*greater than or equal to 1, not 0"),
        ({"options": {"pooling": "median"}}, "pooling: .*'mean', 'cls', 'max' or 'lasttoken', not 'median'"),
        ({"dimensions": 2}, "answers 4 and cannot be shortened"),
    ],
)
async def test_a_setting_that_means_nothing_here_is_rejected(
    tmp_path: Path, settings: dict[str, Any], message: str
) -> None:
    write_model(tmp_path)
    with pytest.raises(ConfigError, match=message) as caught:
        await local.open_provider(source(tmp_path, **settings))
    assert "secret" not in str(caught.value)


async def test_missing_packages_come_with_the_command(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_model(tmp_path)
    monkeypatch.setitem(__import__("sys").modules, "tokenizers", None)
    with pytest.raises(MissingExtraError, match=r'pip install "aembed\[local\]"'):
        await local.open_provider(source(tmp_path))


async def test_fault_93_a_changed_directory_is_another_revision(tmp_path: Path) -> None:
    """A cache must not give out vectors of the model that stood here before."""

    async def revision() -> str | None:
        provider = await local.open_provider(source(tmp_path))
        await provider.aclose()
        return provider.spec.revision

    write_model(tmp_path)
    first = await revision()
    assert first is not None
    assert len(first) == 16
    assert await revision() == first
    write_json(tmp_path, modules=modules("Transformer", "Pooling", "Normalize"))
    assert await revision() != first
