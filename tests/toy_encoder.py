"""A model directory small enough to check by hand: a table of vectors, a matrix, and a word-level tokenizer."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper
from tokenizers import Tokenizer, models, pre_tokenizers, processors

WORDS = ("[PAD]", "[UNK]", "[CLS]", "[SEP]", "red", "green", "blue", "dark", "light", "query:", "passage:")
DIM = 4
TABLE = np.random.default_rng(7).normal(size=(len(WORDS), DIM)).astype(np.float32)
MATRIX = np.random.default_rng(8).normal(size=(DIM, DIM)).astype(np.float32)


def hidden(text: str) -> np.ndarray[Any, np.dtype[np.float32]]:
    """The token vectors of ``[CLS] text [SEP]`` as the model computes them."""
    ids = [WORDS.index(word) if word in WORDS else 1 for word in ("[CLS]", *text.split(), "[SEP]")]
    return np.asarray(TABLE[ids] @ MATRIX)


def write_model(
    directory: Path,
    *,
    inputs: Sequence[str] = ("input_ids", "attention_mask"),
    pooled: bool = False,
    file: str = "model.onnx",
) -> Path:
    """``model.onnx`` and ``tokenizer.json``; with ``pooled`` it answers ``sentence_embedding``, its CLS vector."""
    nodes = [
        helper.make_node("Gather", ["table", inputs[0]], ["embedded"]),
        helper.make_node("MatMul", ["embedded", "matrix"], ["last_hidden_state"]),
    ]
    constants = {"table": TABLE, "matrix": MATRIX}
    name = "last_hidden_state"
    shape: list[str | int | None] = ["n", "tokens", DIM]
    if pooled:
        nodes.append(helper.make_node("Gather", ["last_hidden_state", "first"], ["sentence_embedding"], axis=1))
        constants["first"] = np.array(0)
        name, shape = "sentence_embedding", ["n", DIM]
    graph = helper.make_graph(
        nodes,
        "toy",
        [helper.make_tensor_value_info(one, TensorProto.INT64, ["n", "tokens"]) for one in inputs],
        [helper.make_tensor_value_info(name, TensorProto.FLOAT, shape)],
        [numpy_helper.from_array(value, key) for key, value in constants.items()],
    )
    path = directory / file
    path.parent.mkdir(parents=True, exist_ok=True)
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8), path)
    tokenizer().save(str(directory / "tokenizer.json"))
    return directory


def tokenizer() -> Tokenizer:
    made = Tokenizer(models.WordLevel({word: number for number, word in enumerate(WORDS)}, unk_token="[UNK]"))
    made.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    made.post_processor = processors.TemplateProcessing(
        single="[CLS] $A [SEP]", special_tokens=[("[CLS]", 2), ("[SEP]", 3)]
    )
    return made


def write_json(directory: Path, **files: Any) -> None:
    """Each argument a file: ``modules=[...]`` writes ``modules.json``, ``pooling`` writes ``1_Pooling/config.json``."""
    for name, content in files.items():
        path = directory / ("1_Pooling/config.json" if name == "pooling" else f"{name}.json")
        path.parent.mkdir(exist_ok=True)
        path.write_text(json.dumps(content), encoding="utf-8")


def modules(*types: str) -> list[dict[str, str]]:
    """The content of ``modules.json``."""
    folders = {"Pooling": "1_Pooling"}
    return [{"type": f"sentence_transformers.models.{one}", "path": folders.get(one, "")} for one in types]
