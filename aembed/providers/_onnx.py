"""One ONNX encoder: token ids in, pooled vectors out; and which texts go through it together."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from aembed._errors import ConfigError, ProviderError
from aembed._vectors import unit_length
from aembed.providers._device import CPU, ExecutionProvider, check_device
from aembed.providers._extra import load_package
from aembed.providers._pool import pool

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from numpy.typing import NDArray

    from aembed._types import Vectors
    from aembed.providers._model_dir import ModelFiles
    from aembed.providers._tokenize import TokenIds

_INPUTS = ("input_ids", "attention_mask", "token_type_ids")
_OUTPUTS = ("sentence_embedding", "last_hidden_state", "token_embeddings")
"""Outputs of token vectors, in order of preference. ``pooler_output`` is not among them: it is BERT's head for another
task."""
RUN_TOKENS = 384
"""Largest run in tokens, padding included: with more the activations do not fit the cache, see
``perf/local/README.md``."""

DEVICE_RUN_TOKENS = 16_384
"""The same on a GPU, which is slow at small runs: a whole batch. Not measured; ``max_batch_tokens`` is the limit."""

RUN_OVERHEAD_TOKENS = 24
"""Fixed cost of a run in tokens, because it reads all weights: padding may cost as much."""

_WAITING = {"session.intra_op.spin_duration_us": "20", "session.force_spinning_stop": "1"}
"""Threads of a run wait for each other spinning, as waking one takes longer than the gaps between two operations; but
not for long, since a thread that spins may keep the very thread that it waits for from the core, and not at all after
the run. onnxruntime before 1.26 has no such duration, ignores it, and spins until the run is over."""


class Encoder:
    """An ``InferenceSession`` that uses ``threads`` threads a run.

    With one thread a run, several threads may run it at once and share the weights, which is the most texts a second.
    Several threads a run are the soonest answer to one text.
    """

    def __init__(
        self,
        model: Path | bytes,
        files: ModelFiles,
        *,
        threads: int,
        pad_id: int,
        device: Sequence[ExecutionProvider] = (CPU,),
    ) -> None:
        self._errors = _runtime_errors()
        self._session = _session(model, files.name, threads, device, self._errors)
        check_device(self._session, device)
        self._output = _output_name(self._session, files.name)
        self._inputs = {value.name: _dtype(value.type) for value in self._session.get_inputs()}
        unknown = self._inputs.keys() - set(_INPUTS)
        if unknown:
            raise ConfigError(f"{files.name} wants inputs that a text encoder has not: {', '.join(sorted(unknown))}")
        self._files = files
        self._pad_id = pad_id

    def run(self, ids: Sequence[TokenIds]) -> Vectors:
        """One run over texts of similar length: float32, ``(len(ids), dim)``."""
        lengths = np.fromiter(map(len, ids), dtype=np.intp, count=len(ids))
        try:
            (out,) = self._session.run([self._output], self._feed(ids, lengths))
        except self._errors as error:
            raise ProviderError(f"onnxruntime failed: {error}", provider="local") from error
        pooled = out if out.ndim == 2 else pool(out, lengths, self._files.pooling)
        vectors: Vectors = np.ascontiguousarray(pooled, dtype=np.float32)
        return unit_length(vectors) if self._files.normalize else vectors

    def _feed(self, ids: Sequence[TokenIds], lengths: NDArray[np.intp]) -> dict[str, NDArray[Any]]:
        shape = (len(ids), int(lengths.max()))
        padded = np.full(shape, self._pad_id, dtype=np.int64)
        for row, own in zip(padded, ids, strict=True):
            row[: len(own)] = own
        mask = np.arange(shape[1]) < lengths[:, None]
        values = {"input_ids": padded, "attention_mask": mask, "token_type_ids": np.zeros(shape, dtype=np.int64)}
        return {name: values[name].astype(dtype, copy=False) for name, dtype in self._inputs.items()}


def _session(
    model: Path | bytes,
    name: str,
    threads: int,
    device: Sequence[ExecutionProvider],
    errors: tuple[type[Exception], ...],
) -> Any:
    ort = load_package("onnxruntime", extra="local")
    options = ort.SessionOptions()
    options.intra_op_num_threads = threads
    options.log_severity_level = 3
    for entry, value in _WAITING.items():
        options.add_session_config_entry(entry, value)
    try:
        source = model if isinstance(model, bytes) else str(model)
        return ort.InferenceSession(source, options, providers=list(device))
    except errors as error:
        raise ConfigError(f"onnxruntime cannot load {name}: {error}") from error


def _runtime_errors() -> tuple[type[Exception], ...]:
    """onnxruntime's exceptions share no base class."""
    state = load_package("onnxruntime.capi.onnxruntime_pybind11_state", extra="local")
    names = ("Fail", "InvalidArgument", "InvalidGraph", "InvalidProtobuf", "NoSuchFile", "NotImplemented")
    return (*(getattr(state, name) for name in names), state.RuntimeException)


def _output_name(session: Any, model: str) -> str:
    outputs = [str(value.name) for value in session.get_outputs()]
    for name in _OUTPUTS:
        if name in outputs:
            return name
    if len(outputs) == 1:
        return outputs[0]
    raise ConfigError(f"{model} has outputs {', '.join(outputs)}; one of them must be named {' or '.join(_OUTPUTS)}")


def _dtype(onnx_type: str) -> type[np.integer[Any]]:
    return np.int32 if onnx_type == "tensor(int32)" else np.int64


def plan_runs(lengths: Sequence[int], run_tokens: int = RUN_TOKENS) -> list[list[int]]:
    """Positions of the pieces of each run, longest runs first. Pieces of a run are of nearly equal length."""
    runs: list[list[int]] = []
    run: list[int] = []
    padding = 0
    for position in sorted(range(len(lengths)), key=lengths.__getitem__, reverse=True):
        longest = lengths[run[0]] if run else 0
        more = longest - lengths[position]
        if not run or (len(run) + 1) * longest > run_tokens or padding + more > RUN_OVERHEAD_TOKENS:
            run, padding, more = [], 0, 0
            runs.append(run)
        run.append(position)
        padding += more
    return runs
