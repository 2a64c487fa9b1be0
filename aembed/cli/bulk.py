"""A file in, a file out: the bulk jobs behind ``aembed embed INPUT -o OUTPUT``, and their summaries."""

from __future__ import annotations

import os
from collections.abc import Generator
from contextlib import contextmanager
from typing import Any

from aembed import Config, EmbedderOptions, Limits
from aembed.cli.progress import ProgressMode, Shown, duration, show_progress
from aembed.cli.run import run
from aembed.jobs import Dtype, JobOptions, JobPlan, JobReport, retry_rejects
from aembed.jobs import plan as plan_job
from aembed.jobs import run as run_job

NOTABLE = 0.05
"""Share of unknown tokens from which it is said of every model."""


class WritingOptions(JobOptions, total=False):
    """Options of a job besides its input and its model."""

    vector_column: str
    dtype: Dtype
    update: bool
    keep: bool
    force: bool
    max_cost: float | None
    cache_limit: int | None


class RetryOptions(EmbedderOptions, total=False):
    """Options for rejected rows."""

    max_cost: float | None
    cache_limit: int | None


def embed_files(
    sources: list[str],
    outputs: list[str],
    *,
    model: str | None,
    shown: ProgressMode | None,
    config: Config,
    options: WritingOptions,
) -> JobReport:
    """Run a job to its end, or to where it can be resumed.

    Raises:
        KeyboardInterrupt: Ctrl-C; its message reports the rows that are done.
        AembedError: it cannot run, or has stopped.
    """
    with show_progress(shown) as progress, _interrupted(progress):
        return run(run_job(sources, outputs, model=model, on_progress=progress, config=config, **options))


def retry_file(
    output: str, *, model: str | None, shown: ProgressMode | None, config: Config, options: RetryOptions
) -> JobReport:
    """Embed the rejected rows of an output; raises as :func:`embed_files`."""
    with show_progress(shown) as progress, _interrupted(progress):
        return run(retry_rejects(output, model=model, on_progress=progress, config=config, **options))


@contextmanager
def _interrupted(progress: Shown) -> Generator[None, None, None]:
    try:
        yield
    except KeyboardInterrupt:
        raise KeyboardInterrupt(_kept(progress)) from None


def plan_files(sources: list[str], *, model: str | None, config: Config, options: JobOptions) -> JobPlan:
    """Estimate the tokens, requests, cost and time of such a job."""
    return run(plan_job(sources, model=model, config=config, **options))


def limits(**given: float | None) -> Limits | None:
    """Those that were given; ``None`` if there are none."""
    here: dict[str, Any] = {name: value for name, value in given.items() if value is not None}
    return Limits(**here) if here else None


def summary(report: JobReport, *, retry: bool = False) -> str:
    """The sentence at the end of a job, perhaps a ``retry`` of rejected rows."""
    files = ", ".join(report.outputs)
    if report.was_complete:
        rows = f"{_rows(report.embedded)} from {report.model}"
        found = f"no row to retry, {rows}" if retry else f"already complete, {rows}; --force makes it anew"
        return f"{files}: {found}{_rejected(report)}"
    shown = report.output.lower().endswith(".npy")
    vectors = f"{_rows(report.embedded)} with {report.dim} dimensions"
    if shown:
        width = -(-report.dim // 8) if report.dtype == "binary" else report.dim
        vectors = f"shape ({report.rows + report.kept}, {width})"
    vectors += f" {report.dtype}" if shown or report.dtype != "float32" else ""
    fresh = report.rows - report.resumed
    asides = [
        (report.resumed, f"{_rows(report.resumed)} from earlier runs"),
        (report.reused, f"{_rows(report.reused)} from the earlier output"),
        (report.kept, f"{_rows(report.kept)} kept that the input no longer has"),
        (report.blank, f"{report.blank:,} blank {'line' if report.blank == 1 else 'lines'} skipped"),
        (report.grown, "more rows came meanwhile and are not in it"),
        (report.truncated, f"{report.truncated:,} cut to the model's length"),
        (report.cache_dropped, f"{_rows(report.cache_dropped)} dropped by the full cache"),
        (report.cache_failures, f"the cache failed for {_rows(report.cache_failures)}"),
        (report.tokens, f"{report.tokens:,} token{'' if report.tokens == 1 else 's'}" if report.tokens else ""),
        (report.cost, _dollars(report.cost or 0)),
    ]
    said = "".join(f", {aside}" for there, aside in asides if there)
    return (
        f"{files}: {vectors} from {report.model}{_language(report)}{said}, "
        f"in {report.elapsed:.2f} s ({fresh / report.elapsed:,.0f} rows/s){_rejected(report)}"
    )


def _rejected(report: JobReport) -> str:
    if report.rejects is None:
        return ""
    missing = "NaN" if report.dtype.startswith("float") else "zeros"
    empty = f" ({missing} in the output)" if report.output.lower().endswith(".npy") else ""
    return f"\n{report.rejected:,} of {_rows(report.rows)} rejected{empty}: see {_near(report.rejects)}"


def dry_run_summary(plan: JobPlan) -> str:
    """The estimate, as lines."""
    size = "" if plan.bytes is None else f", {_size(plan.bytes)} of vectors"
    cost = "not known: the model has no listed price" if plan.cost is None else _dollars(plan.cost, "about ")
    lines = [
        f"model      {plan.model}, {'dimensions not known yet' if plan.dim is None else f'{plan.dim} dimensions'}"
        + _language(plan),
        f"rows       {plan.rows - plan.rejected:,} to embed{size}",
        f"rejected   {plan.rejected:,}",
        f"tokens     {plan.tokens:,}" if plan.exact else f"tokens     about {plan.tokens:,}, estimated from lengths",
        f"requests   about {plan.requests:,}",
        f"cost       {cost}",
        f"time       {_least(plan)}",
    ]
    if plan.blank:
        lines.insert(3, f"blank      {plan.blank:,} lines, skipped")
    return "\n".join(lines)


def _language(made: JobReport | JobPlan) -> str:
    """The language of the model, and how much of the input it does not know."""
    unknown = "" if made.unknown_tokens is None else f"{made.unknown_tokens:.0%} of tokens unknown to it"
    if made.language is None:
        return f" ({unknown})" if made.unknown_tokens and made.unknown_tokens >= NOTABLE else ""
    return f" ({made.language} only{'; ' * bool(unknown)}{unknown})"


def _least(plan: JobPlan) -> str:
    if plan.bound_by == "machine" and plan.seconds is not None:
        return f"about {duration(plan.seconds)} on this machine"
    if plan.seconds is None:
        return "as fast as the provider answers: no quota is known (set it with --rpm and --tpm)"
    if not plan.seconds:
        return "as fast as the provider answers: within a minute's quota"
    return f"at least {duration(plan.seconds)}, by the quota of {plan.bound_by}"


def _kept(progress: Shown) -> str:
    now = progress.latest
    done = now.rows if now.phase == "writing" else now.done
    return (
        f"{done:,} of {now.rows:,} rows are done: run the same command again to resume"
        if done
        else "nothing was written"
    )


def _dollars(cost: float, about: str = "") -> str:
    return f"{about}${cost:,.4f}" if cost >= 0.0001 or not cost else "less than $0.0001"


def _size(count: int) -> str:
    return f"{count / 1e6:,.1f} MB" if count >= 1e6 else f"{count / 1e3:,.1f} kB"


def _rows(count: int) -> str:
    return f"{count:,} row{'' if count == 1 else 's'}"


def _near(path: object) -> str:
    """A path as short as it can be said from here."""
    return min(os.path.relpath(str(path)), str(path), key=len)
