"""The ``aembed`` command. It uses only public names of aembed, as any other program would."""

from __future__ import annotations

import sys

from aembed.cli.encoding import print_anything
from aembed.cli.errors import EXIT_INTERRUPTED, EXIT_USAGE


def main() -> None:
    """Run the ``aembed`` command."""
    print_anything()
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
