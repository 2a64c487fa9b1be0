"""The third reading: rows and their vectors become the output. Nothing is sent for it, so it can always be repeated."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

from aembed.jobs.ledger import Ledger
from aembed.jobs.place import Place
from aembed.jobs.rejects import RejectsFile
from aembed.jobs.rows import Block
from aembed.jobs.source import Source
from aembed.jobs.survey import Survey
from aembed.jobs.vectors import VectorFile
from aembed.jobs.writers import Writer, open_writer


def assemble(
    place: Place, source: Source, survey: Survey, ledger: Ledger, vectors: VectorFile, *, column: str
) -> Iterator[int]:
    """Write output and rejects beside their places, block by block; yields how many rows are written."""
    if place.format == "npy" and not survey.faulty and not ledger.refused:
        return
    with (
        closing(RejectsFile(place.new_rejects)) as rejects,
        closing(open_writer(place, source, survey, vectors.dim, column)) as writer,
    ):
        for block in source.blocks(whole=place.format != "npy"):
            _write(survey.judge(block), ledger, vectors, rejects, writer)
            yield block.start + len(block.rows)
    for path in (place.new_rejects, place.assembled):
        _sync(path)


def _write(block: Block, ledger: Ledger, vectors: VectorFile, rejects: RejectsFile, writer: Writer) -> None:
    stop = block.start + len(block.rows)
    refusals = ledger.refusals(block.start, stop) if ledger.refused else {}
    kept: list[int] = []
    for at, row in enumerate(block.rows):
        refusal = refusals.get(block.start + at)
        if row.fault:
            rejects.write(row, "InputError", row.fault, block.file)
        elif refusal is not None:
            rejects.write(row, refusal.error, refusal.message, block.file)
        else:
            kept.append(at)
    if kept:
        writer.write(block, kept, vectors.read(block.start, stop)[kept])


def _sync(path: Path) -> None:
    if path.exists():
        with path.open("rb+") as file:
            os.fsync(file.fileno())
