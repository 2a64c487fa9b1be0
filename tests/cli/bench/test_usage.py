"""Arguments of ``aembed bench`` that are wrong: the error names the remedy, and the help names the commands."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.cli.bench.command import aembed


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
    ],
)
def test_an_error_names_the_remedy(place: Path, arguments: tuple[str, ...], said: str) -> None:
    done = aembed(*arguments, cwd=place)
    assert done.returncode == 2
    assert said in done.stderr


def test_help_lists_the_commands_with_examples(place: Path) -> None:
    done = aembed("--help", cwd=place)
    assert done.returncode == 0
    for command in ("load", "users", "burst", "sustained", "steps", "micro", "memory", "scaling", "compare", "ab"):
        assert f" {command} " in done.stdout
    assert "aembed bench load" in aembed("load", "--help", cwd=place).stdout


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
def test_exclusive_options_are_a_usage_error(place: Path, arguments: tuple[str, ...], problem: str) -> None:
    done = aembed(*arguments, cwd=place)
    assert (done.returncode, problem in done.stderr) == (2, True), done.stderr
