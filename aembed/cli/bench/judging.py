"""Commands that judge: two reports, two revisions, a history, this machine."""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from aembed.bench import Report, reports_from_json
from aembed.bench.compare import compare as compare_reports
from aembed.bench.contest import ab_revision
from aembed.bench.history import read, table, trends
from aembed.bench.report import html, show
from aembed.bench.self_test import selftest as run_selftest
from aembed.cli.errors import CommandError, one_sentence, say

Html = Annotated[Path | None, typer.Option("--html", metavar="FILE", help="For a browser, with charts.")]


def compare(
    before: Annotated[Path, typer.Argument(metavar="A.json", help="Written by --json.")],
    after: Annotated[Path, typer.Argument(metavar="B.json", help="The later one.")],
    page: Html = None,
) -> None:
    """Compare two files of reports, and say what cannot be compared.

    - aembed bench compare main.json mine.json
    """
    with one_sentence():
        found = compare_reports(_reports(before), _reports(after), names=(before.name, after.name))
        show(Console(), (), found)
        if page is not None:
            page.write_text(html(comparison=found), encoding="utf-8")
        raise typer.Exit(found.exit_code)


def ab(
    base: Annotated[str, typer.Option("--base", metavar="REV", help="The git revision to compare with.")],
    scenario: Annotated[
        str, typer.Option("--scenario", metavar="FILE.py[:NAME]", help="What is measured, on both sides.")
    ],
    budget: Annotated[float, typer.Option("--budget", min=1, help="Seconds for each case, about.")] = 60.0,
    page: Html = None,
) -> None:
    """Measure a git revision and the working tree in turns: the sharpest comparison there is.

    - aembed bench ab --base main --scenario benchmarks.py
    """
    with one_sentence():
        found = asyncio.run(ab_revision(scenario, base, budget=budget))
        show(Console(), (), found)
        if page is not None:
            page.write_text(html(comparison=found), encoding="utf-8")
        raise typer.Exit(found.exit_code)


def history(
    file: Annotated[Path, typer.Argument(metavar="FILE.jsonl", help="Results, a line each.")],
    page: Html = None,
) -> None:
    """Each figure over revisions, and where its level changed.

    - aembed bench history perf/history/results.jsonl --html trends.html
    """
    with one_sentence():
        if not file.is_file():
            raise CommandError(f"there is no file {file}")
        kept = read(file)
        found = trends(kept.entries)
        say(table(found))
        if kept.skipped:
            say(f"{len(kept.skipped)} lines could not be read: {', '.join(map(str, kept.skipped[:10]))}")
        if page is not None:
            page.write_text(html(trends=found), encoding="utf-8")


def selftest() -> None:
    """Is the runner to be trusted on this machine? It plants stalls, leaks and slowdowns, and has to find them.

    Exit code 1 if it missed one, 3 if the machine was too noisy to say.
    """
    with one_sentence():
        found = asyncio.run(run_selftest(progress=lambda check: print(check.what, file=sys.stderr)))
        say(str(found))
        raise typer.Exit(found.exit_code)


def _reports(path: Path) -> tuple[Report, ...]:
    try:
        return reports_from_json(path.read_bytes())
    except OSError as error:
        raise CommandError(f"{path} cannot be read: {error.strerror}") from None
    except ValueError as error:
        raise CommandError(f"{path}: {error}") from None


COMMANDS = (compare, ab, history, selftest)
