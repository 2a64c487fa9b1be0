"""Arguments of ``aembed bench`` that are wrong: the error names the remedy, and the help names the commands."""

from __future__ import annotations

import pytest

pytest.importorskip("typer", reason="needs the extra cli")
pytest.importorskip("scipy", reason="needs the extra bench")

from tests.cli.command import Aembed


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("load", "--duration", "2x"), "30s, 2m, 1h or 50ms"),
        (("load", "--json", "nowhere/o.json"), "mkdir -p nowhere"),
        (("load", "--json", "."), ". is a directory; name a file"),
        (("load", "--scenario", "subjects.py:turn"), "did you mean 'turns'"),
        (("load", "--scenario", "nothing.py"), "there is no file nothing.py"),
        (("load", "--model", "moc"), "mock"),
        (("steps", "--slo", "95=50ms"), "p95=50ms"),
        (("scaling", "--query", "--model", "mock"), "--users"),
        (("compare", "a.json", "subjects.py"), "a.json cannot be read"),
        (("history", "nothing.jsonl"), "no such file: nothing.jsonl. Add"),
        (("history", "subjects.py"), "no results: subjects.py. Add"),
        (("ab", "--base", "HEAD", "--scenario", "nothing.py", "--junit", "nowhere/o.xml"), "mkdir -p nowhere"),
        (("ab", "--base", "HEAD", "nothing.py", "--junit", "nowhere/o.xml"), "mkdir -p nowhere"),
        (("ab", "--base", "HEAD"), "name a file of scenarios, such as benchmarks.py"),
        (("ab", "--base", "HEAD", "a.py", "--scenario", "b.py"), "exclude each other: give one of them"),
        (("load", "--rate", "fast"), "write 200 or 200/s"),
        (("load", "subjects.py:quick", "--arrivals", "ramp:1..9", "--rate", "5"), "exclude each other"),
        (("load", "subjects.py:user"), "user takes an argument, 'number'; give --data"),
        (("load", "--body", "{}"), "--body needs --asgi or --url"),
        (("load", "--data", "1..9"), "--data is for an async def; name it"),
        (("load", "subjects.py:quick", "--data", "1..9"), "with an argument, and quick takes none"),
        (("load", "--asgi", "a:b", "--url", "http://h"), "--asgi, --url and --scenario exclude each other"),
        (("load", "--asgi", "a:b", "--scenario", "c.py"), "--asgi, --url and --scenario exclude each other"),
        (("load", "--url", "http://h", "--scenario", "c.py"), "--asgi, --url and --scenario exclude each other"),
        (("load", "subjects.py", "--scenario", "subjects.py"), "TARGET and --scenario exclude each other"),
        (("load", "--asgi", "a:b", "--query"), "--asgi and --query exclude each other: --query is about a model"),
        (("load", "--url", "http://h", "-m", "mock"), "--url and --model exclude each other"),
        (("load", "subjects.py:quick", "--base-url", "http://h"), "TARGET and --base-url exclude each other"),
        (("versus", "-m", "mock"), "versus compares two or more: give -m twice, or two targets"),
        (("versus", "-m", "mock", "-m", "mock"), "both sides are mock; to compare settings of one model, make two"),
        (("versus", "subjects.py:quick", "subjects.py:quick"), "both sides are subjects.py:quick"),
        (("sweep", "--over", "documents"), "has no name and values; write documents=1,8,32"),
        (("sweep", "--over", "=1"), "has no name and values"),
        (("sweep", "--over", "documents=1,,2"), "has no name and values"),
        (("micro", "--processes", "0"), "'--processes'"),
        (("memory", "--operations", "99"), "'--operations'"),
        (("load", "--min-good", "101%"), "'101%' is not a share; write 99% or 0.99"),
    ],
)
def test_an_error_names_the_remedy(bench_here: Aembed, arguments: tuple[str, ...], said: str) -> None:
    done = bench_here(*arguments)
    assert done.code == 2
    assert said in done.err


def test_help_lists_the_commands_with_examples(bench_here: Aembed) -> None:
    done = bench_here("--help")
    assert done.code == 0
    for command in ("load", "users", "burst", "sustained", "steps", "micro", "memory", "scaling", "compare", "ab"):
        assert f" {command} " in done.out
    assert "aembed bench load" in bench_here("load", "--help").out


@pytest.mark.parametrize(
    ("arguments", "problem"),
    [
        (
            ("load", "--scenario", "subjects.py:fails", "--documents", "5"),
            "--scenario and --documents exclude each other",
        ),
        (
            ("users", "--scenario", "subjects.py:fails", "--with-cache"),
            "--scenario and --with-cache exclude each other",
        ),
        (("load", "--slo", "recovery=5s"), "load does not measure recovery"),
        (("load", "--abort"), "abort needs an objective for errors or a percentile"),
        (("micro", "--slo", "p95=5s"), "micro does not measure p95; it has cpu, time"),
    ],
)
def test_exclusive_options_are_a_usage_error(bench_here: Aembed, arguments: tuple[str, ...], problem: str) -> None:
    done = bench_here(*arguments)
    assert (done.code, problem in done.err) == (2, True), done.err
