"""``aembed bench``: measure any model, or any ``async def``, and compare the results.

Modules:
    loads versus sweeps singles judging    the commands: under load; one operation at a time; of reports
    recorded                 files of earlier runs, shown again
    target text_options      options that name the subject
    options load_options values    options of all, and under load; durations and shares as people write them
    schedules                when requests come, and for how long
    subject web              a model, a web application
    objectives               objectives and files of them
    session progress_line    the loop, the progress line, Ctrl-C, and where reports go
"""

import typer

from aembed.cli.bench import judging, loads, recorded, singles, sweeps, versus

bench = typer.Typer(
    add_completion=False,
    no_args_is_help=True,
    context_settings={"help_option_names": ["-h", "--help"]},
    rich_markup_mode="markdown",
    help="Measure a model or any async def: latency, throughput, bursts, memory, and what changed.",
    epilog="Exit codes: 0 fine, 1 failed, regressed or over budget, 2 usage, 3 invalid or inconclusive, 130 Ctrl-C.",
)
COMMANDS = (
    *loads.COMMANDS,
    *versus.COMMANDS,
    *sweeps.COMMANDS,
    *singles.COMMANDS,
    *judging.COMMANDS,
    *recorded.COMMANDS,
)
for command in COMMANDS:
    bench.command()(command)

__all__ = ["bench"]
