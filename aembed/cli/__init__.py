"""The ``aembed`` command. It uses what any other program could: the public names of aembed."""

from __future__ import annotations

import sys
from io import TextIOWrapper

from aembed.cli.errors import EXIT_INTERRUPTED, EXIT_USAGE


def main() -> None:
    """Run the ``aembed`` command."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, TextIOWrapper):  # whatever its encoding can not say is written as an escape
            stream.reconfigure(errors="backslashreplace")
    try:
        from aembed.cli.app import app
    except ModuleNotFoundError as error:
        if (error.name or "").partition(".")[0] not in {"typer", "rich"}:
            raise
        print(
            f'aembed: the command needs {error.name}, which is not installed: pip install "aembed[cli]"',
            file=sys.stderr,
        )
        sys.exit(EXIT_USAGE)
    except KeyboardInterrupt:
        sys.exit(EXIT_INTERRUPTED)
    app(prog_name="aembed")
