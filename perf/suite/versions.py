"""``python -m perf.suite.versions --base REV``: a revision against the working tree, in turns.

The scenarios below import nothing but aembed, because both versions run them.
Exit codes: 0 no slower, 1 regressed, 2 usage, 3 inconclusive.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import sys
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

from aembed import Config, EmbedderFactory, bench

SENTENCES = [f"a sentence of some fifty characters, number {i:07}" for i in range(2000)]


@bench.scenario(documents=[5, 100, 2000])
async def embed_documents(case: Any) -> AsyncIterator[bench.Subject]:
    async with EmbedderFactory(Config()) as factory:
        yield bench.documents(await factory.new_embedder("mock"), SENTENCES[: case.documents])


@bench.scenario
async def embed_query(_: Any) -> AsyncIterator[bench.Subject]:
    async with EmbedderFactory(Config()) as factory:
        yield bench.query(await factory.new_embedder("mock"), SENTENCES[0])


@bench.scenario
async def ten_requests(_: Any) -> AsyncIterator[bench.Subject]:
    """With the fan-out."""
    async with EmbedderFactory(Config()) as factory:
        yield bench.documents(await factory.new_embedder("mock", batch_size=10), SENTENCES[:100])


@bench.scenario
async def cached(_: Any) -> AsyncIterator[bench.Subject]:
    async with EmbedderFactory(Config()) as factory:
        yield bench.documents(await factory.new_embedder("mock", cache=True), SENTENCES[:100])


@bench.scenario
async def new_embedder(_: Any) -> AsyncIterator[bench.Subject]:
    """And closed again."""
    async with EmbedderFactory(Config()) as factory:

        async def call() -> str:
            async with await factory.new_embedder("mock") as opened:
                return opened.spec.provider

        yield bench.Subject(call, lambda name: None if name == "mock" else name)


def main() -> int:
    from rich.console import Console

    from aembed import InputError
    from aembed.bench.report import github_annotations, html, show, step_summary

    parser = argparse.ArgumentParser(prog="perf_ab", description=__doc__)
    parser.add_argument("--base", required=True, metavar="REV")
    parser.add_argument("--only", metavar="SCENARIO")
    parser.add_argument("--budget", type=float, default=30.0, metavar="SECONDS", help="for each case, about")
    parser.add_argument("--html", type=Path, metavar="FILE")
    options = parser.parse_args()
    target = f"{Path(__file__).resolve()}:{options.only}" if options.only else str(Path(__file__).resolve())
    try:
        found = asyncio.run(bench.ab_revision(target, options.base, budget=options.budget, progress=_told))
    except InputError as error:
        print(f"perf_ab: {error}", file=sys.stderr)
        return 2
    show(Console(), (), found)
    if options.html is not None:
        options.html.write_text(html(comparison=found), encoding="utf-8")
    if os.environ.get("GITHUB_ACTIONS"):
        print(github_annotations((), found), end="")
    if summary := os.environ.get("GITHUB_STEP_SUMMARY"):
        with Path(summary).open("a", encoding="utf-8") as file:
            file.write(step_summary((), found))
    return found.exit_code


def _told(change: bench.Change) -> None:
    print(f"{change.name} {dict(change.parameters)}: {change.pairs} pairs, {change.finding}", file=sys.stderr)


if __name__ == "__main__":
    raise SystemExit(main())
