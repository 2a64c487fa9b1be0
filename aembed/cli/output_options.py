"""Options of ``aembed embed`` about outputs: files, type of the numbers, outputs that are there already."""

from __future__ import annotations

from typing import Annotated

import typer

from aembed.jobs import Dtype

PANEL = "Input and output"

DTYPES: tuple[Dtype, ...] = ("float32", "float16", "int8", "binary")

Outputs = Annotated[
    list[str] | None,
    typer.Option(
        "--output",
        "-o",
        metavar="FILE",
        help="Where the vectors go: .npy, .jsonl or .parquet. Give it again for several files.",
        rich_help_panel=PANEL,
    ),
]
VectorColumn = Annotated[
    str,
    typer.Option("--vector-column", metavar="NAME", help="Name of the vectors in the output.", rich_help_panel=PANEL),
]
StoredAs = Annotated[
    str,
    typer.Option(
        "--dtype",
        metavar="|".join(DTYPES),
        help="Type of the stored numbers: 4, 2, 1 or 1/8 bytes each.",
        rich_help_panel=PANEL,
        autocompletion=lambda: DTYPES,
    ),
]
Update = Annotated[
    bool,
    typer.Option(
        "--update",
        help="Embed only texts that the output does not have, and make its rows those of the input.",
        rich_help_panel=PANEL,
    ),
]
Force = Annotated[
    bool,
    typer.Option(
        "--force",
        help="Make complete outputs anew, and replace files that aembed did not write.",
        rich_help_panel=PANEL,
    ),
]
