"""Options of ``aembed embed`` about outputs: files, type of the numbers, outputs that are there already."""

from __future__ import annotations

import re
from typing import Annotated, NoReturn

import typer

from aembed.cli.errors import CommandError
from aembed.cli.progress import MODES, ProgressMode
from aembed.jobs import Dtype

PANEL, SPEED = "Input and output", "Speed and cost"

DTYPES: tuple[Dtype, ...] = ("float32", "float16", "int8", "binary")

OutputOption = Annotated[
    list[str] | None,
    typer.Option(
        "--output",
        "-o",
        metavar="FILE",
        help="File for the vectors: .npy, .jsonl or .parquet; can be repeated.",
        rich_help_panel=PANEL,
    ),
]
VectorColumnOption = Annotated[
    str,
    typer.Option("--vector-column", metavar="NAME", help="Column of the vectors in the output.", rich_help_panel=PANEL),
]
StoredAsOption = Annotated[
    str,
    typer.Option(
        "--dtype",
        metavar="|".join(DTYPES),
        help="Type of the stored numbers: 4, 2, 1 or 1/8 bytes each.",
        rich_help_panel=PANEL,
        autocompletion=lambda: DTYPES,
    ),
]
UpdateOption = Annotated[
    bool,
    typer.Option(
        "--update",
        help="Embed only texts that the output does not have, and make its rows those of the input.",
        rich_help_panel=PANEL,
    ),
]
KeepOption = Annotated[
    bool,
    typer.Option(
        "--keep",
        help="With --update: keep rows that the input no longer has, after those of the input.",
        rich_help_panel=PANEL,
    ),
]
ForceOption = Annotated[
    bool,
    typer.Option(
        "--force",
        help="Make complete outputs anew, and replace files that aembed did not write.",
        rich_help_panel=PANEL,
    ),
]
RetryRejectsOption = Annotated[
    str | None,
    typer.Option(
        "--retry-rejects",
        metavar="OUTPUT",
        help="Embed only the rows that this output rejected, and put them in their places.",
        rich_help_panel=PANEL,
    ),
]
LikeOption = Annotated[
    str | None,
    typer.Option("--like", metavar="OUTPUT", help="With --query: the model that this output was made with."),
]
MaxCostOption = Annotated[
    float | None,
    typer.Option(
        "--max-cost",
        metavar="USD",
        help="Stop before the job costs more; the same command with a higher limit resumes it.",
        rich_help_panel=SPEED,
    ),
]
CacheLimitOption = Annotated[
    str | None,
    typer.Option(
        "--cache-limit",
        metavar="SIZE",
        help="Largest size of the cache file, such as 4GB [default: unlimited].",
        rich_help_panel=SPEED,
    ),
]
ShownAsOption = Annotated[
    str | None,
    typer.Option(
        "--progress",
        metavar="|".join(MODES),
        help="Progress on stderr [default: bar on a terminal, else a line every 30 s].",
        autocompletion=lambda: MODES,
    ),
]

UNITS = {"": 1, "k": 10**3, "m": 10**6, "g": 10**9, "t": 10**12}


def size(given: str | None) -> int | None:
    """A number of bytes from ``"4GB"`` or ``"500 M"``.

    Raises:
        CommandError: it is not a size.
    """
    if given is None:
        return None
    found = re.fullmatch(r"\s*([0-9.]+)\s*([kmgt]?)b?\s*", given.lower())
    try:
        return int(float(found[1]) * UNITS[found[2]]) if found else _no_size(given)
    except ValueError:
        return _no_size(given)


def _no_size(given: str) -> NoReturn:
    raise CommandError(f"--cache-limit {given}: not a size; give one such as 4GB")


def mode(given: str | None) -> ProgressMode | None:
    """The mode of progress with that name.

    Raises:
        CommandError: it is unknown.
    """
    for known in MODES:
        if given == known:
            return known
    if given is not None:
        raise CommandError(f"--progress {given}: not known; give one of {', '.join(MODES)}")
    return None
