"""``static``: a vector per token, averaged. No encoder runs, so that 50,000 short texts a second come from one thread.

``static`` alone is WordLlama (256 dimensions, MIT) out of the installed package ``wordllama``, which is not imported:
importing it brings an HTTP client along, and its ``load()`` may download. ``static:organisation/model`` is a model2vec
model of the Hugging Face hub, with ``@revision`` for a branch, tag or commit; ``static:/path`` a directory.
"""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import anyio
import anyio.to_thread
import numpy as np

from aembed._errors import BadTextError, ClosedError, EventLoopError
from aembed._settings.base import Settings
from aembed._settings.values import Switch
from aembed._types import Kind, ModelSpec, Reply, Source, TextSize
from aembed._vectors import unit_length
from aembed.providers._hub import fetch
from aembed.providers._hub_models import STATIC_FILES, hub_static
from aembed.providers._hub_name import hub_name
from aembed.providers._in_process import check_no_server, chosen_dimension, usable_cores
from aembed.providers._model_errors import while_opening, while_tokenizing
from aembed.providers._static_files import StaticFiles, StaticTable, read_table, static_directory, wordllama_package
from aembed.providers._tokenize import TextTokenizer, load_tokenizer

if TYPE_CHECKING:
    from collections.abc import Sequence

WORDLLAMA = "wordllama"
_INLINE_CHARACTERS = 200
"""A text this short takes some 50 us, less than the way to a worker thread and back."""


class StaticOptions(Settings):
    """``provider_options`` of ``static``."""

    normalize: Switch | None = None
    """Scale vectors to unit length. Not set: as the model's ``config.json`` says."""


async def open_provider(source: Source) -> StaticProvider:
    """Load the table of ``source`` in a worker thread.

    ``provider_options`` are the fields of :class:`StaticOptions`.

    Raises:
        ConfigError: a bad directory or setting.
        MissingExtraError: ``aembed[static]`` is not installed.
        ProviderError: the hub does not deliver a model that is not cached.
    """
    EventLoopError.unless_running("a static provider")
    check_no_server(source)
    options = StaticOptions.from_table(source.options, lambda _: "provider_options of static")
    name = hub_name(source.model, "static")
    files = None
    if name is not None:
        with while_opening(str(name)):
            files = hub_static(name, await fetch(name, STATIC_FILES, download=source.download))
    return await anyio.to_thread.run_sync(_open, source, options, files)


class StaticProvider:
    """The mean of the vectors of a text's known tokens. Everything but a short single text runs in a worker thread."""

    def __init__(
        self, spec: ModelSpec, table: StaticTable, tokenizer: TextTokenizer, *, max_tokens: int | None, normalize: bool
    ) -> None:
        self._spec = spec
        self._table: StaticTable | None = table
        self._tokenizer = tokenizer
        self._max_tokens = max_tokens
        self._normalize = normalize
        kinds: tuple[Kind, ...] = ("document", "query")
        self._limiters = {kind: anyio.CapacityLimiter(spec.max_concurrency) for kind in kinds}
        """Threads of the usual priority: they hold the interpreter's lock, which the event loop waits for."""

    @property
    def spec(self) -> ModelSpec:
        return self._spec

    async def embed(self, texts: Sequence[str], /, *, kind: Kind) -> Reply:
        """float32, ``(len(texts), dim)``; ``Reply.tokens`` counts the known tokens.

        Raises :class:`BadTextError` with the position of a text that has no known token, :class:`TextTooLongError`
        with that of one beyond the model's ``max_length``, and :class:`ClosedError` after ``aclose``.
        """
        table = self._table
        if table is None:
            raise ClosedError(f"{self._spec.name} is closed: open a new provider")
        step = partial(self._embed, table, texts)
        if len(texts) == 1 and len(texts[0]) <= _INLINE_CHARACTERS:
            return step()
        return await anyio.to_thread.run_sync(step, limiter=self._limiters[kind])

    def measure(self, texts: Sequence[str], /) -> list[TextSize]:
        """The length of each text. ``unknown`` counts tokens that the model has no vector for."""
        sizes = self._tokenizer.measure(texts, self._max_tokens)
        table = self._table
        if table is None:
            return sizes
        known = [len(table.known(ids)) for ids in self._tokenizer.encode_whole(texts)]
        return [replace(size, unknown=size.tokens - count) for size, count in zip(sizes, known, strict=True)]

    async def aclose(self) -> None:
        """Free the table. Batches under way finish. Closing twice is fine."""
        self._table = None

    def _embed(self, table: StaticTable, texts: Sequence[str]) -> Reply:
        with while_tokenizing("static"):
            tokens = self._tokenizer.encode(texts)
        vectors = np.empty((len(texts), table.dim), dtype=np.float32)
        count = 0
        for index, ids in enumerate(tokens.ids):
            known = table.known(ids)
            if not len(known):
                raise BadTextError("none of the text's tokens is known to the model", provider="static", index=index)
            table.mean(known, out=vectors[index])
            count += len(known)
        if self._normalize:
            unit_length(vectors)
        return Reply(vectors, tokens=count, truncated=tokens.truncated)


def _open(source: Source, options: StaticOptions, files: StaticFiles | None) -> StaticProvider:
    with while_opening(source.model or WORDLLAMA):
        return _opened(source, options, files or _files_here(source))


def _files_here(source: Source) -> StaticFiles:
    if source.model is None or source.model == WORDLLAMA:
        return wordllama_package()
    return static_directory(Path(source.model).expanduser())


def _opened(source: Source, options: StaticOptions, files: StaticFiles) -> StaticProvider:
    tokenizer = load_tokenizer(files.tokenizer, extra="static")
    table = read_table(files, tokenizer)
    dim = chosen_dimension(source, table.dim, files.offers)
    shortened = dim < table.dim  # the head of a mean is the mean of the heads
    if shortened:
        table = replace(table, rows=np.ascontiguousarray(table.rows[:, :dim]))
    # A mean takes texts of any length: splitting a text and averaging its pieces is no limit at all.
    max_tokens = None if source.overlong == "split" else files.max_tokens
    spec = ModelSpec(
        name=files.name,
        provider="static",
        revision=files.revision,
        dim=table.dim,
        max_batch_texts=1024,
        max_batch_tokens=65_536,
        max_text_tokens=max_tokens,
        max_concurrency=usable_cores(),
        timeout=None,
        language=files.language,
    )
    return StaticProvider(
        spec,
        table,
        TextTokenizer(tokenizer, max_tokens=max_tokens, overlong=source.overlong, special_tokens=False),
        max_tokens=files.max_tokens,
        normalize=shortened or (files.normalize if options.normalize is None else options.normalize),
    )
