"""The parts of an ONNX file that aembed writes and reads, against the onnx package."""

from __future__ import annotations

from typing import Any

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from aembed.providers._packaged.onnx_file import model, node, read_initializers, tensor, value_info

ARRAYS: list[Any] = [
    np.array([[1.5, -2.0, 3.25]], np.float32),
    np.array([-7, 5], np.int8),
    np.array([2**31 - 1], np.int32),
    np.array([[[-1], [2**40]]], np.int64),
    np.array([True, False]),
    np.array(3.0, np.float32),
]


@pytest.mark.parametrize("array", ARRAYS, ids=lambda array: str(array.dtype))
def test_a_tensor_is_written_as_it_is_read(array: Any) -> None:
    written = TensorProto.FromString(tensor("t", array))
    assert written.name == "t"
    np.testing.assert_array_equal(numpy_helper.to_array(written), array, strict=True)


@pytest.mark.parametrize(("dtype", "code"), [(np.float32, TensorProto.FLOAT), (np.int64, TensorProto.INT64)])
def test_a_size_is_a_number_or_a_name(dtype: Any, code: int) -> None:
    shape: list[str | int] = ["batch", 384, 1]
    written = onnx.ValueInfoProto.FromString(value_info("input_ids", dtype, shape))
    assert written == helper.make_tensor_value_info("input_ids", code, shape)


def test_an_operation_has_its_names_and_attributes() -> None:
    written = onnx.NodeProto.FromString(node("Op", ["a", "b"], ["c", "d"], domain="some.where", axis=-1, epsilon=0.5))
    made = helper.make_node("Op", ["a", "b"], ["c", "d"], domain="some.where", axis=-1, epsilon=0.5)
    assert written == made


def test_a_file_has_its_graph_and_its_versions() -> None:
    one = value_info("one", np.float32, ["n"])
    written = onnx.ModelProto.FromString(
        model(
            [node("Add", ["one", "t"], ["two"])],
            [tensor("t", np.ones(1, np.float32))],
            [one],
            [value_info("two", np.float32, ["n"])],
            opsets={"": 17, "com.microsoft": 1},
        )
    )
    onnx.checker.check_model(written)
    graph = written.graph
    assert (written.ir_version, graph.name) == (8, "aembed")
    assert [(each.domain, each.version) for each in written.opset_import] == [("", 17), ("com.microsoft", 1)]
    assert [each.op_type for each in graph.node] == ["Add"]
    names = [[each.name for each in group] for group in (graph.initializer, graph.input, graph.output)]
    assert names == [["t"], ["one"], ["two"]]


def test_constants_are_read_whatever_else_is_said_of_them() -> None:
    made = [numpy_helper.from_array(array, f"t{number}") for number, array in enumerate(ARRAYS)]
    for each in made:
        each.doc_string = "what it is for"
        each.data_location = TensorProto.DEFAULT
    graph = helper.make_graph([helper.make_node("Identity", ["x"], ["y"])], "g", [], [], made, doc_string="words")
    found = read_initializers(helper.make_model(graph, producer_name="other").SerializeToString())
    assert list(found) == [f"t{number}" for number in range(len(ARRAYS))]
    for array, read in zip(ARRAYS, found.values(), strict=True):
        np.testing.assert_array_equal(read, array, strict=True)


def test_a_file_without_constants_has_none() -> None:
    graph = helper.make_graph([helper.make_node("Identity", ["x"], ["y"])], "g", [], [])
    assert read_initializers(helper.make_model(graph).SerializeToString()) == {}
