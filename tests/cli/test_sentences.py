"""Sentences of the command, word for word, for made-up jobs, plans and moments."""

from __future__ import annotations

import io
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("typer", reason="needs the extra cli")
from aembed import Health, Limits
from aembed.cli.bulk import _kept, dry_run_summary, limits, summary
from aembed.cli.check import CheckRow
from aembed.cli.encoding import print_anything
from aembed.cli.errors import CommandError
from aembed.cli.options import complete_format, complete_overlong, provider_options, shard, unescaped
from aembed.cli.output_options import mode, size
from aembed.cli.progress import ProgressDisplay
from aembed.jobs import JobPlan, JobProgress, JobReport

REPORT = JobReport(
    outputs=("v.npy",),
    rows=1200,
    rejected=0,
    rejects=None,
    blank=0,
    grown=False,
    resumed=0,
    reused=0,
    kept=0,
    was_complete=False,
    cache_dropped=0,
    cache_failures=0,
    truncated=0,
    model="mock:mock",
    language=None,
    unknown_tokens=None,
    dim=8,
    dtype="float32",
    requests=3,
    tokens=None,
    cost=None,
    elapsed=0.5,
)
PLAN = JobPlan(
    model="mock:mock",
    dim=8,
    language=None,
    unknown_tokens=None,
    rows=1203,
    rejected=3,
    blank=0,
    tokens=4000,
    requests=20,
)
MADE = "v.npy: shape (1200, 8) float32 from mock:mock"
RESUME = "run the same command again to resume"
RATE = "in 0.50 s (2,400 rows/s)"


@pytest.mark.parametrize(
    ("parts", "said"),
    [
        ({}, f"{MADE}, {RATE}"),
        ({"resumed": 200}, f"{MADE}, 200 rows from earlier runs, in 0.50 s (2,000 rows/s)"),
        ({"resumed": 1}, f"{MADE}, 1 row from earlier runs, in 0.50 s (2,398 rows/s)"),
        ({"reused": 7, "blank": 1}, f"{MADE}, 7 rows from the earlier output, 1 blank line skipped, {RATE}"),
        ({"blank": 1002}, f"{MADE}, 1,002 blank lines skipped, {RATE}"),
        ({"grown": True}, f"{MADE}, more rows came meanwhile and are not in it, {RATE}"),
        ({"truncated": 2}, f"{MADE}, 2 cut to the model's length, {RATE}"),
        ({"cache_dropped": 3}, f"{MADE}, 3 rows dropped by the full cache, {RATE}"),
        ({"cache_failures": 3}, f"{MADE}, the cache failed for 3 rows, {RATE}"),
        ({"tokens": 1}, f"{MADE}, 1 token, {RATE}"),
        ({"tokens": 5000, "cost": 1.5}, f"{MADE}, 5,000 tokens, $1.5000, {RATE}"),
        ({"tokens": 0, "cost": 0.0}, f"{MADE}, {RATE}"),
        ({"cost": 0.0001}, f"{MADE}, $0.0001, {RATE}"),
        ({"cost": 0.000_099}, f"{MADE}, less than $0.0001, {RATE}"),
        ({"language": "English"}, f"{MADE} (English only), {RATE}"),
        ({"language": "English", "unknown_tokens": 0.01}, f"{MADE} (English only; 1% of tokens unknown to it), {RATE}"),
        ({"unknown_tokens": 0.05}, f"{MADE} (5% of tokens unknown to it), {RATE}"),
        ({"unknown_tokens": 0.049}, f"{MADE}, {RATE}"),
        ({"unknown_tokens": 0.0}, f"{MADE}, {RATE}"),
        ({"outputs": ("v.jsonl",)}, f"v.jsonl: 1,200 rows with 8 dimensions from mock:mock, {RATE}"),
        (
            {"outputs": ("v.parquet", "w.npy"), "dtype": "int8", "rows": 2, "elapsed": 2.0},
            "v.parquet, w.npy: 2 rows with 8 dimensions int8 from mock:mock, in 2.00 s (1 rows/s)",
        ),
        (
            {"was_complete": True, "rows": 1},
            "v.npy: already complete, 1 row from mock:mock; --force makes it anew",
        ),
        (
            {"rejected": 2, "rejects": Path("v.npy.rejects.jsonl")},
            f"{MADE}, {RATE}\n2 of 1,200 rows rejected (NaN in the output): see v.npy.rejects.jsonl",
        ),
        (
            {"rejected": 2, "rejects": Path("r.jsonl"), "dtype": "int8"},
            "v.npy: shape (1200, 8) int8 from mock:mock, "
            f"{RATE}\n2 of 1,200 rows rejected (zeros in the output): see r.jsonl",
        ),
        (
            {"rejected": 1, "rejects": Path("r.jsonl"), "outputs": ("v.jsonl",)},
            f"v.jsonl: 1,199 rows with 8 dimensions from mock:mock, {RATE}\n1 of 1,200 rows rejected: see r.jsonl",
        ),
    ],
)
def test_the_sentence_at_the_end_of_a_job(parts: dict[str, Any], said: str) -> None:
    assert summary(replace(REPORT, **parts)) == said


@pytest.mark.parametrize(
    ("parts", "changed"),
    [
        ({}, {}),
        ({"dim": None}, {"model": "mock:mock, dimensions not known yet", "rows": "1,200 to embed"}),
        ({"language": "English"}, {"model": "mock:mock, 8 dimensions (English only)"}),
        (
            {"rows": 30_003, "dim": 384},
            {"rows": "30,000 to embed, 46.1 MB of vectors", "model": "mock:mock, 384 dimensions"},
        ),
        ({"exact": True}, {"tokens": "4,000"}),
        ({"cost": 0.25}, {"cost": "about $0.2500"}),
        ({"cost": 0.0}, {"cost": "about $0.0000"}),
        ({"cost": 0.00001}, {"cost": "less than $0.0001"}),
        ({"blank": 1500}, {"blank": "1,500 lines, skipped"}),
        ({"seconds": 0.0}, {"time": "as fast as the provider answers: within a minute's quota"}),
        ({"seconds": 59.4, "bound_by": "tokens"}, {"time": "at least 59 s, by the quota of tokens"}),
        ({"seconds": 60.0, "bound_by": "requests"}, {"time": "at least 1 min 00 s, by the quota of requests"}),
        ({"seconds": 3600.0, "bound_by": "tokens"}, {"time": "at least 1 h 00 min, by the quota of tokens"}),
        ({"seconds": 7384.0, "bound_by": "machine"}, {"time": "about 2 h 03 min on this machine"}),
        (
            {"bound_by": "machine"},
            {"time": "as fast as the provider answers: no quota is known (set it with --rpm and --tpm)"},
        ),
    ],
)
def test_the_summary_of_a_dry_run(parts: dict[str, Any], changed: dict[str, str]) -> None:
    usual = {
        "model": "mock:mock, 8 dimensions",
        "rows": "1,200 to embed, 38.5 kB of vectors",
        "rejected": "3",
        "tokens": "about 4,000, estimated from lengths",
        "requests": "about 20",
        "cost": "not known: the model has no listed price",
        "time": "as fast as the provider answers: no quota is known (set it with --rpm and --tpm)",
    }
    lines = [line.split(maxsplit=1) for line in dry_run_summary(replace(PLAN, **parts)).splitlines()]
    assert dict(lines) == usual | changed
    names = [name for name, _ in lines]
    assert names == ["model", "rows", "rejected", *(["blank"] if "blank" in changed else []), *list(usual)[3:]]


@pytest.mark.parametrize(
    ("moment", "said"),
    [
        ({"rows": 1000, "done": 0}, "nothing was written"),
        ({"rows": 1000, "done": 7, "phase": "embedding"}, f"7 of 1,000 rows are done: {RESUME}"),
        ({"rows": 1000, "done": 7, "phase": "writing"}, f"1,000 of 1,000 rows are done: {RESUME}"),
    ],
)
def test_the_sentence_after_an_interruption(moment: dict[str, Any], said: str) -> None:
    progress = ProgressDisplay()
    progress.latest = JobProgress(**moment)
    assert _kept(progress) == said


def test_limits_that_were_given() -> None:
    assert limits(requests_per_minute=None, max_concurrency=None) is None
    assert limits(requests_per_minute=60.0, max_concurrency=None) == Limits(requests_per_minute=60.0)


@pytest.mark.parametrize(
    ("given", "count"),
    [(None, None), ("5", 5), ("1.5k", 1500), ("2MB", 2_000_000), (" 4 GB ", 4 * 10**9), ("1t", 10**12), ("3b", 3)],
)
def test_sizes_of_caches(given: str | None, count: int | None) -> None:
    assert size(given) == count


@pytest.mark.parametrize("given", ["", "GB", "1.2.3", "-1", "4 XB", "4 GB more"])
def test_values_that_are_no_size(given: str) -> None:
    with pytest.raises(CommandError) as caught:
        size(given)
    assert str(caught.value) == f"--cache-limit {given}: not a size; give one such as 4GB"
    assert caught.value.code == 2


def test_modes_shards_and_options() -> None:
    assert [mode(given) for given in (None, "none", "bar", "lines", "json")] == [None, "none", "bar", "lines", "json"]
    assert (shard(None), shard("3/8"), shard("10/12")) == (None, (3, 8), (10, 12))
    for wrong in ("3", "3/", "3/8/9", "a/b", "-1/2"):
        with pytest.raises(CommandError) as caught:
            shard(wrong)
        assert str(caught.value) == (
            f"--shard {wrong} is not two numbers; give a part and the number of parts, as in 3/8"
        )
    assert provider_options(None) is None
    assert provider_options([]) is None
    assert provider_options(["a=1", "b=true", 'c={"d": [1]}', "e=f=g", "h=", "i=" + "[" * 100_000]) == {
        "a": 1,
        "b": True,
        "c": {"d": [1]},
        "e": "f=g",
        "h": "",
        "i": "[" * 100_000,
    }
    for wrong in ("a", "=1", ""):
        with pytest.raises(CommandError, match="has no value; give it as in --option threads=2"):
            provider_options([wrong])
    assert unescaped(None) is None
    assert unescaped(r"a\tb\n\\n\r\x") == "a\tb\n\\n\r\\x"
    assert complete_overlong("") == ["error", "truncate", "split", "rows"]
    assert (complete_overlong("t"), complete_format("j"), complete_format("x")) == (["truncate"], ["jsonl"], [])


@pytest.mark.parametrize(
    ("health", "said"), [((True, 1.2345, None), "ok, 1,234 ms"), ((False, 0.0, "no key"), "failed: no key")]
)
def test_health_in_words(health: tuple[bool, float, Any], said: str) -> None:
    ok, latency, error = health
    row = CheckRow("a", "b", "c", Health(ok=ok, latency=latency, error=error))
    assert row.state == said


@pytest.mark.parametrize(
    ("character", "like"),
    [
        ("\u00b5", "u"),
        ("\u2022", "*"),
        ("\u2014", "-"),
        ("\u2013", "-"),
        ("\u27ff", "\\u27ff"),
        ("\u2800", "*"),
        ("\u28ff", "*"),
        ("\u2900", "\\u2900"),
        ("\u00e9", "e"),
        ("\u4e2d", "\\u4e2d"),
        ("\ufb01", "fi"),
    ],
)
@pytest.mark.parametrize("name", ["stdout", "stderr"])
def test_likenesses(character: str, like: str, name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    written = io.BytesIO()
    monkeypatch.setattr(sys, name, io.TextIOWrapper(written, encoding="ascii"))
    print_anything()
    print(character, end="", file=getattr(sys, name), flush=True)
    assert written.getvalue().decode() == like
