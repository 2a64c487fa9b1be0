"""The keywords of a job: how its input is read, and the options of ``new_embedder``."""

from __future__ import annotations

from dataclasses import fields
from typing import Literal, TypedDict, cast

from aembed import EmbedderOptions
from aembed.jobs.models import JobModel
from aembed.jobs.reading import Reading


class InputOptions(TypedDict, total=False):
    """Options for reading the input."""

    text_column: str | None
    """The column that holds the text; ``text`` if neither this nor ``text`` is given."""
    text: str | None
    """A text made of several columns, as in ``"{title}\\n\\n{abstract}"``. A missing field is empty."""
    id_column: str | None
    """The column that identifies rows. Without it rows are numbered, and a column ``id`` passes through."""
    input_format: str | None
    """``"text"``, ``"jsonl"``, ``"csv"`` or ``"parquet"``, where the file's ending does not say it."""
    encoding: str | None
    """The encoding of a text format, such as ``"cp1252"`` or ``"utf-16"``; UTF-8 by default."""
    delimiter: str | None
    """The character between two cells of CSV; a comma by default, a tab in ``.tsv``."""
    quoting: str | None
    """``"minimal"``: quoted cells of CSV may hold line ends; ``"none"``: quotes are text. In TSV, by default, a quote
    without its partner is text."""
    max_row_bytes: int
    """A line, or a record of CSV, that is longer is rejected; 16 MiB by default."""
    limit: int | None
    """The number of rows to read, from the first."""
    shard: tuple[int, int] | None
    """``(3, 8)``: only the third of eight parts, which have about the same number of rows. See :func:`join`."""


class JobOptions(InputOptions, EmbedderOptions, total=False):
    """The keywords of :func:`run` and :func:`plan` besides their own.

    ``overlong="rows"`` makes a row of each piece of a text beyond the model's length, with its id, its number
    (``piece``) and its character span (``start``, ``end``).
    """

    overlong: Literal["error", "truncate", "split", "rows"]  # type: ignore[misc] # one value more than an embedder has


def split_options(options: JobOptions, model: JobModel) -> tuple[Reading, EmbedderOptions]:
    """The two halves.

    Raises:
        JobInputError: an option of the input has no valid value.
    """
    names = {field.name for field in fields(Reading)}
    given = {name: value for name, value in options.items() if name in names}
    others: dict[str, object] = {name: value for name, value in options.items() if name not in names}
    in_pieces = bool(given.pop("in_pieces", False))  # as recorded in an output
    if others.get("overlong") == "rows":
        in_pieces = True
        del others["overlong"]
        if model is None or isinstance(model, str):
            others["overlong"] = "split"  # of a piece that is too long all the same, where its length was estimated
    return Reading(**given, in_pieces=in_pieces), cast(EmbedderOptions, others)  # type: ignore[arg-type]
