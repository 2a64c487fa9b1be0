"""Commands that judge: two reports, two revisions, a history, this machine."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from aembed.bench import Change, Comparison, Report, SelfTest, read_reports, reports_from_json
from aembed.bench.compare.contest import ab_revision
from aembed.bench.compare.history import append, read, trends
from aembed.bench.compare.metrics import figures_of
from aembed.bench.compare.reports import compare as compare_reports
from aembed.bench.report import headlines, html
from aembed.bench.report.trends import table
from aembed.bench.selftest.self_test import Check
from aembed.bench.selftest.self_test import selftest as run_selftest
from aembed.bench.settings import unless
from aembed.cli.bench.options import ReportOutputs, with_options
from aembed.cli.bench.session import Watch, check_places, publish, watched, write
from aembed.cli.bench.values import seconds
from aembed.cli.errors import EXIT_INTERRUPTED, CommandError, one_sentence, say


@with_options(ReportOutputs)
def compare(
    outputs: ReportOutputs,
    before: Annotated[
        Path, typer.Argument(metavar="A", help="Earlier report: a file written by --json, --rows or --hlog.")
    ],
    after: Annotated[
        Path, typer.Argument(metavar="B", help="Later report: a file written by --json, --rows or --hlog.")
    ],
) -> None:
    """Compare two files of reports, rows or histograms, and say what cannot be compared.

    - aembed bench compare main.json mine.json
    """
    with one_sentence():
        check_places(outputs)
        found = compare_reports(read_reports(before), read_reports(after), names=(before.name, after.name))
        publish(outputs, (), found)
        raise typer.Exit(found.exit_code)


@with_options(ReportOutputs)
def ab(
    outputs: ReportOutputs,
    target: Annotated[
        str | None,
        typer.Argument(metavar="FILE.py[:NAME]", help="Scenarios to measure on both sides.", show_default=False),
    ] = None,
    *,
    base: Annotated[str, typer.Option("--base", metavar="REV", help="The git revision to compare with.")],
    scenario: Annotated[
        str | None, typer.Option("--scenario", metavar="FILE.py[:NAME]", help="Same as the argument.")
    ] = None,
    budget: Annotated[
        float,
        typer.Option(
            "--budget",
            parser=seconds,
            metavar="TIME",
            help="Time after which an unclear case is left as it is; six pairs of processes are measured anyway.",
            show_default="60s",
        ),
    ] = 60.0,
) -> None:
    """Measure a git revision and the working tree in turns: the sharpest comparison there is.

    Compared is the code that the scenario imports from the repository; its own file is that of the working tree for
    both sides.

    - aembed bench ab --base main benchmarks.py
    """
    with one_sentence():
        chosen = _one_of(target, scenario)

    async def run(watch: Watch) -> Comparison:
        watch.say(f"measuring {base} and the working tree in turns; Ctrl-C ends")
        return await ab_revision(
            chosen, base, budget=budget, stop=watch.stop, progress=lambda change: watch.say(_so_far(change))
        )

    with one_sentence():
        check_places(outputs)
        found, stopped = watched(run)
        publish(outputs, (), found)
        raise typer.Exit(stopped or found.exit_code)


def _one_of(target: str | None, scenario: str | None) -> str:
    if target is not None and scenario is not None:
        raise CommandError("the argument and --scenario exclude each other: give one of them")
    if (found := target or scenario) is None:
        raise CommandError("nothing to measure: name a file of scenarios, such as benchmarks.py")
    return found


def history(
    file: Annotated[Path, typer.Argument(metavar="FILE.jsonl", help="Results, a line each.")],
    add: Annotated[
        list[Path] | None,
        typer.Option("--add", metavar="A.json", help="Reports to add first, written by --json; may be repeated."),
    ] = None,
    page: Annotated[Path | None, typer.Option("--html", metavar="FILE", help="HTML page with charts.")] = None,
) -> None:
    """Each figure over revisions, and where its level changed.

    - aembed bench history results.jsonl --add today.json --html trends.html
    """
    with one_sentence():
        if add:
            reports = [report for each in add for report in _reports(each)]
            added = append(file, reports)
            if added:
                say(f"{added} report{'s' * (added != 1)} added to {file}")
            if left := [headlines.benchmark(report) for report in reports if not figures_of(report)]:
                say(f"not added to {file}, because a run that is INVALID has no figures: {', '.join(left)}")
        if not file.is_file():
            raise CommandError(f"no such file: {file}. Add reports of valid runs with --add")
        kept = read(file)
        if not kept.entries:
            raise CommandError(f"no results: {file}. Add reports that --json wrote with --add")
        found = trends(kept.entries)
        say(table(found))
        if kept.skipped:
            say(f"{len(kept.skipped)} lines could not be read: {', '.join(map(str, kept.skipped[:10]))}")
        if page is not None:
            write(page, html(trends=found).encode())


def selftest() -> None:
    """Is the runner to be trusted on this machine? It plants stalls, leaks and slowdowns, and has to find them.

    Exit code 1 if it missed one, 3 if the machine was too noisy to say.
    """
    made: list[Check] = []

    async def run(watch: Watch) -> SelfTest | None:
        def tell(check: Check) -> None:
            made.append(check)
            watch.say(str(check))

        watch.say("half a minute, or longer where the machine is noisy")
        return await unless(watch.stop, run_selftest(progress=tell))

    with one_sentence():
        found, stopped = watched(run)
        if found is None:
            say("\n".join(map(str, made)))
            raise CommandError(f"interrupted; {len(made)} checks were made", stopped or EXIT_INTERRUPTED)
        say(str(found))
        raise typer.Exit(stopped or found.exit_code)


def _so_far(change: Change) -> str:
    told = "" if change.change is None else f", {change.change.value:+.1%}"
    return f"{change.name}: {change.pairs} pairs of processes{told}, {change.finding}; Ctrl-C ends"


def _reports(path: Path) -> tuple[Report, ...]:
    try:
        return reports_from_json(path.read_bytes())
    except OSError as error:
        raise CommandError(f"{path} cannot be read: {error.strerror}") from None
    except ValueError as error:
        raise CommandError(f"{path}: {error}") from None


COMMANDS = (compare, ab, history, selftest)
