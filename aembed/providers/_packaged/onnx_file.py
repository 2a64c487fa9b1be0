"""The parts of an ONNX file that aembed reads and writes: tensors and nodes, as bytes of the protobuf format.

Field numbers: https://github.com/onnx/onnx/blob/main/onnx/onnx.proto.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from aembed.providers._packaged.protobuf import encode, fields

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from numpy.typing import NDArray

_FLOAT_ATTRIBUTE, _INT_ATTRIBUTE = 1, 2
_DTYPES: dict[int, type[np.generic]] = {1: np.float32, 3: np.int8, 6: np.int32, 7: np.int64, 9: np.bool_}
_CODES = {dtype: code for code, dtype in _DTYPES.items()}


def read_initializers(model: bytes) -> dict[str, NDArray[Any]]:
    """The constant tensors of a model by name, as read-only views of ``model``."""
    tensors: dict[str, NDArray[Any]] = {}
    for graph in _messages(memoryview(model), 7):
        for tensor in _messages(graph, 5):
            name, array = _read_tensor(tensor)
            tensors[name] = array
    return tensors


def tensor(name: str, array: NDArray[Any]) -> bytes:
    """A constant tensor."""
    dims = b"".join(encode(1, size) for size in array.shape)
    return dims + encode(2, _CODES[array.dtype.type]) + encode(8, name) + encode(9, array.tobytes())


def node(op: str, inputs: Sequence[str], outputs: Sequence[str], *, domain: str = "", **attributes: float) -> bytes:
    """One operation, with integer and float attributes."""
    parts = [encode(1, name) for name in inputs] + [encode(2, name) for name in outputs] + [encode(4, op)]
    for name, value in attributes.items():
        kind = (encode(2, value), _FLOAT_ATTRIBUTE) if isinstance(value, float) else (encode(3, value), _INT_ATTRIBUTE)
        parts.append(encode(5, encode(1, name) + kind[0] + encode(20, kind[1])))
    return b"".join(parts) + encode(7, domain)


def value_info(name: str, dtype: type[np.generic], shape: Sequence[str | int]) -> bytes:
    """An input or output of the graph; a size is a number or a name."""
    dims = [encode(1, encode(2 if isinstance(size, str) else 1, size)) for size in shape]
    return encode(1, name) + encode(2, encode(1, encode(1, _CODES[dtype]) + encode(2, b"".join(dims))))


def model(
    nodes: Iterable[bytes],
    tensors: Iterable[bytes],
    inputs: Iterable[bytes],
    outputs: Iterable[bytes],
    *,
    opsets: dict[str, int],
) -> bytes:
    """A whole ONNX file."""
    parts = {1: nodes, 2: [b"aembed"], 5: tensors, 11: inputs, 12: outputs}
    graph = b"".join(encode(number, part) for number, some in parts.items() for part in some)
    versions = b"".join(encode(8, encode(1, domain) + encode(2, version)) for domain, version in opsets.items())
    return encode(1, 8) + encode(7, graph) + versions


def _messages(message: memoryview, number: int) -> list[memoryview]:
    return [value for found, value in fields(message) if found == number and isinstance(value, memoryview)]


def _read_tensor(message: memoryview) -> tuple[str, NDArray[Any]]:
    name, raw = "", memoryview(b"")
    dtype: np.dtype[Any] = np.dtype(np.float32)
    shape: list[int] = []
    for number, value in fields(message):
        if number == 1 and isinstance(value, int):
            shape.append(value)
        elif number == 2 and isinstance(value, int):
            dtype = np.dtype(_DTYPES[value])
        elif number == 8 and isinstance(value, memoryview):
            name = str(value, "utf-8")
        elif number == 9 and isinstance(value, memoryview):
            raw = value
    return name, np.frombuffer(raw, dtype=dtype).reshape(shape)
