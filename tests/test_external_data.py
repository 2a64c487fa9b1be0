"""Every place of an ONNX file that may hold a tensor, by ONNX's own schema: none names a file that goes unseen."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import onnx
import pytest
from onnx import ModelProto, TensorProto

from aembed import ConfigError
from aembed.providers._external_data import check_external_data, external_files

Field = Any
"""A descriptor of protobuf, which has no types."""


def messages(kind: Any) -> list[Field]:
    return [field for field in kind.fields if field.message_type is not None]


def shortest(kind: Any) -> list[Field] | None:
    """The fields that lead from a kind of message to a tensor, as few as may be; ``None`` if none do."""
    ways: list[tuple[Any, list[Field]]] = [(kind, [])]
    seen = set()
    for at, way in ways:
        if at.name == "TensorProto":
            return way
        if at.name not in seen:
            seen.add(at.name)
            ways += [(field.message_type, [*way, field]) for field in messages(at)]
    return None


def places() -> Iterator[list[Field]]:
    """A way from the model to a tensor through each field of each kind of message."""
    ways: list[tuple[Any, list[Field]]] = [(ModelProto.DESCRIPTOR, [])]
    seen = {"TensorProto"}
    for at, way in ways:
        if at.name in seen:
            continue
        seen.add(at.name)
        for field in messages(at):
            ways.append((field.message_type, [*way, field]))
            if (rest := shortest(field.message_type)) is not None:
                yield [*way, field, *rest]


PLACES = {".".join(field.name for field in way): way for way in places()}


def model_with_a_tensor(way: list[Field], location: str) -> bytes:
    model = ModelProto()
    at: Any = model
    for field in way:
        at = getattr(at, field.name)
        if hasattr(at, "add"):
            at = at.add()
    at.CopyFrom(TensorProto(name="weights", data_location=TensorProto.EXTERNAL))
    at.external_data.add(key="offset", value="7")
    at.external_data.add(key="location", value=location)
    assert onnx.load_from_string(model.SerializeToString()) == model
    return bytes(model.SerializeToString())


def test_the_schema_is_walked_to_its_ends() -> None:
    assert {"graph.initializer", "graph.sparse_initializer.values", "graph.node.attribute.t"} <= PLACES.keys()
    assert "functions.attribute_proto.graphs.initializer" in PLACES


@pytest.mark.parametrize("place", PLACES)
def test_a_file_is_seen_wherever_it_is_named(place: str, tmp_path: Path) -> None:
    (tmp_path / "model.onnx").write_bytes(model_with_a_tensor(PLACES[place], "deep/weights.bin"))
    assert external_files(tmp_path, "model.onnx") == ["deep/weights.bin"]
    (tmp_path / "model.onnx").write_bytes(model_with_a_tensor(PLACES[place], "../weights.bin"))
    assert external_files(tmp_path, "model.onnx") == []
    with pytest.raises(ConfigError, match="outside of its directory"):
        check_external_data(tmp_path / "model.onnx", tmp_path)


@pytest.mark.parametrize(("graphs", "is_read"), [(20, True), (21, False)])
def test_graphs_within_graphs_end_somewhere(graphs: int, is_read: bool, tmp_path: Path) -> None:
    model = ModelProto()
    graph = model.graph
    for _ in range(graphs):
        graph = graph.node.add().attribute.add().g
    graph.SetInParent()
    (tmp_path / "model.onnx").write_bytes(model.SerializeToString())
    if is_read:
        assert external_files(tmp_path, "model.onnx") == []
    else:
        with pytest.raises(ConfigError, match="not an ONNX file, or a damaged one"):
            external_files(tmp_path, "model.onnx")
