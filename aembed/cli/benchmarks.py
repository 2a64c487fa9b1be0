"""``aembed bench``, loaded when it is called: it needs the extra ``bench``, and half a second to import."""

from __future__ import annotations

from collections.abc import Sequence

from aembed.cli.errors import CommandError


def run_bench(arguments: Sequence[str]) -> None:
    """Hand over to the command and its own commands."""
    try:
        from aembed.cli.bench import bench
    except ModuleNotFoundError as error:
        if (error.name or "").startswith("aembed"):
            raise
        raise CommandError(f'bench needs {error.name}, which is not installed: pip install "aembed[cli]"') from None
    bench(args=list(arguments), prog_name="aembed bench")
