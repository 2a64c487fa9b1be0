"""A text file in, an array file out: the run behind ``aembed embed INPUT -o OUTPUT``."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass

import anyio.to_thread

from aembed import AembedError, Embedder, EmbedderFactory, EmbedderOptions, Event, RequestDone, TextTooLongError
from aembed.cli.errors import CommandError, exit_code
from aembed.cli.lines import Lines, open_lines
from aembed.cli.output import NpyFile, check_place, open_npy
from aembed.cli.progress import Progress, show_progress
from aembed.cli.run import run


@dataclass(slots=True)
class Report:
    """What a run made, for the sentence at its end. Times are in seconds."""

    output: str
    model: str = ""
    rows: int = 0
    dim: int = 0
    blank: int = 0
    truncated: int = 0
    opened: float = 0.0
    elapsed: float = 0.0

    def __str__(self) -> str:
        asides = f", {self.blank} blank {_lines(self.blank)} skipped" if self.blank else ""
        asides += f", {self.truncated} {_lines(self.truncated)} cut to the model's length" if self.truncated else ""
        return (
            f"{self.output}: shape ({self.rows}, {self.dim}) float32 from {self.rows} {_lines(self.rows)}{asides}, "
            f"in {self.elapsed:.2f} s ({self.rows / self.elapsed:,.0f} texts/s) "
            f"after {self.opened:.2f} s to open {self.model}."
        )


def embed_file(source: str, output: str, model: str | None, options: EmbedderOptions) -> Report:
    """Embed the lines of ``source`` into ``output``; when it raises, it leaves nothing behind.

    Raises:
        CommandError: a file is wrong, or a line; nothing was sent unless it was the provider that found out.
        AembedError: the model cannot be opened, or did not deliver.
    """
    check_place(output, source)
    with open_lines(source) as lines, open_npy(output, lines.count) as npy, show_progress(lines.count) as progress:
        return run(_embed_lines(lines, npy, progress, model, options))


async def _embed_lines(
    lines: Lines, npy: NpyFile, progress: Progress, model: str | None, options: EmbedderOptions
) -> Report:
    report = Report(npy.name, rows=lines.count, blank=lines.blank)
    started = time.perf_counter()
    async with EmbedderFactory() as factory:
        options = {**options, "on_event": _listener(report, progress)}
        embedder = await factory.new_embedder(model, **options)
        opened = time.perf_counter()
        progress.opened()
        await _stream(embedder, lines, npy)
        report.opened, report.elapsed = opened - started, time.perf_counter() - opened
        report.dim, report.model = embedder.spec.dim or 0, f"{embedder.spec.provider}:{embedder.spec.name}"
    return report


async def _stream(embedder: Embedder, lines: Lines, npy: NpyFile) -> None:
    """Embed in bounded memory. An error about one text says which line it is."""
    if embedder.spec.dim is not None:
        npy.start(embedder.spec.dim)  # whether there is space for all is known before the first request
    try:
        async with embedder.stream_documents(lines) as chunks:
            async for chunk in chunks:
                npy.start(chunk.vectors.shape[1])
                await anyio.to_thread.run_sync(npy.write, chunk.vectors)
    except AembedError as error:
        if error.index is None:
            raise
        place = f"{lines.name}, line {lines.number(error.index)}"
        error.index = None  # said in lines, from here on
        hint = " (here: --overlong truncate or --overlong split)" if isinstance(error, TextTooLongError) else ""
        raise CommandError(f"{place}: {error}{hint}", exit_code(error)) from error


def _listener(report: Report, progress: Progress) -> Callable[[Event], None]:
    def listen(event: Event) -> None:
        if isinstance(event, RequestDone):
            report.truncated += event.truncated
            progress.advance(event.texts)

    return listen


def _lines(count: int) -> str:
    return "line" if count == 1 else "lines"
