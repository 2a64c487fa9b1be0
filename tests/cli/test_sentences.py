"""Sentences of the command, word for word, for made-up jobs, plans and moments."""

from __future__ import annotations

import errno
import io
import json
import signal
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("typer", reason="needs the extra cli")

from rich.console import Console

from aembed import AembedError, BadTextError, ConfigError, Health, InputError, Limits, RateLimitError
from aembed.cli import errors
from aembed.cli.bulk import _kept, dry_run_summary, limits, summary
from aembed.cli.check import CheckRow
from aembed.cli.encoding import _alike
from aembed.cli.errors import CommandError, exit_code, one_sentence, plain
from aembed.cli.options import complete_format, complete_overlong, provider_options, shard, unescaped
from aembed.cli.output_options import mode, size
from aembed.cli.progress import NOTHING, ProgressBar, ProgressDisplay, ProgressLines, duration, spent, waiting
from aembed.jobs import JobError, JobPlan, JobReport, JobStoppedError

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
        ({"rows": 1000, "done": 0}, ""),
        ({"rows": 1000, "done": 7, "phase": "embedding"}, "7 of 1,000 rows are done"),
        ({"rows": 1000, "done": 7, "phase": "writing"}, "1,000 of 1,000 rows are done"),
    ],
)
def test_the_sentence_after_an_interruption(moment: dict[str, Any], said: str) -> None:
    progress = ProgressDisplay()
    progress.latest = replace(NOTHING, **moment)
    assert _kept(progress) == (f"{said}: run the same command again to resume" if said else "")


def test_limits_that_were_given() -> None:
    assert limits(requests_per_minute=None, max_concurrency=None) is None
    assert limits(requests_per_minute=60.0, max_concurrency=None) == Limits(requests_per_minute=60.0)


# --- progress


@pytest.mark.parametrize(
    ("seconds", "said"),
    [
        (0.4, "0 s"),
        (59.4, "59 s"),
        (59.6, "1 min 00 s"),
        (61, "1 min 01 s"),
        (3599, "59 min 59 s"),
        (3660, "1 h 01 min"),
    ],
)
def test_durations(seconds: float, said: str) -> None:
    assert duration(seconds) == said


@pytest.mark.parametrize(
    ("moment", "said"),
    [
        ({}, ""),
        ({"tokens": 1}, "1 tokens"),
        ({"tokens": 1500, "cost": 0.5, "rejected": 2000}, "1,500 tokens, $0.5000, 2,000 rejected"),
        ({"cost": 0.0}, ""),
        ({"rejected": 1}, "1 rejected"),
    ],
)
def test_tokens_and_cost_spent(moment: dict[str, Any], said: str) -> None:
    assert spent(replace(NOTHING, **moment)) == said


def test_only_embedding_waits() -> None:
    waits = replace(NOTHING, paused=5.0, waiting_for="inputs")
    assert waiting(waits) == ""
    assert waiting(replace(waits, phase="embedding")) == "server not answering, retrying in 5 s"
    assert waiting(replace(waits, phase="embedding", paused=0.0)) == "waiting for the limit of inputs per minute"


class Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


def test_the_rate_is_that_of_ten_seconds_of_this_phase() -> None:
    clock = Clock()
    progress = ProgressDisplay(clock)
    assert progress.rate == 0.0
    rates = []
    for second in range(1, 31):
        clock.now = float(second)
        progress(replace(NOTHING, phase="embedding", rows=1000, done=2 * second if second <= 15 else 30))
        rates.append(progress.rate)
    assert rates[1:15] == [2.0] * 14
    assert rates[19:25] == pytest.approx([1.0, 0.8, 0.6, 0.4, 0.2, 0.0])
    clock.now = 31.0
    progress(replace(NOTHING, phase="writing", rows=1000, done=0))
    assert progress.rate == 0.0
    clock.now = 32.0
    progress(replace(NOTHING, phase="writing", rows=1000, done=500))
    assert progress.rate == 500.0


@pytest.mark.parametrize(
    ("moment", "parts"),
    [
        ({"phase": "opening"}, ["opening"]),
        ({"phase": "reading", "rows": 1500, "done": 3}, ["reading", "1,500 rows"]),
        ({"phase": "embedding"}, ["embedding"]),
        (
            {"phase": "embedding", "rows": 2000, "done": 1000, "tokens": 5},
            ["embedding  50%", "1,000/2,000", "500 rows/s", "2 s left", "5 tokens"],
        ),
    ],
)
def test_parts_of_a_moment(moment: dict[str, Any], parts: list[str]) -> None:
    clock = Clock()
    progress = ProgressDisplay(clock)
    progress(replace(NOTHING, phase=moment["phase"]))
    clock.now = 2.0
    progress(replace(NOTHING, **moment))
    assert [part for part in progress.parts() if part] == parts


@pytest.mark.parametrize(
    ("done", "width", "line"),
    [
        (1000, 50, "embedding  50%  1,000/2,000"),
        (1000, 49, "embedding  50%  1,000/2,000  ##########----------"),
        (1000, 48, "embedding  50%  1,000/2,000"),
        (2000, 60, "embedding 100%  2,000/2,000  ####################"),
        (0, 60, "embedding   0%  0/2,000  --------------------"),
        (1000, 14, "embedding  50%"),
        (1000, 13, ""),
        (1000, 27, "embedding  50%  1,000/2,000"),
        (1000, 26, "embedding  50%"),
    ],
)
def test_the_bar_takes_the_room_there_is(done: int, width: int, line: str) -> None:
    bar = ProgressBar(Clock())
    bar(replace(NOTHING, phase="embedding", rows=2000, done=done))
    screen = io.StringIO()
    Console(file=screen, width=width, force_terminal=False).print(bar)
    if width == 50:
        line += "  ##########----------"
    assert screen.getvalue().rstrip("\n") == line


@pytest.mark.parametrize("as_json", [False, True])
def test_a_line_every_half_minute(as_json: bool) -> None:
    clock, stream = Clock(), io.StringIO()
    lines = ProgressLines(stream, as_json=as_json, clock=clock)
    counts = []
    for now in (29.9, 30.0, 45.0, 59.9, 60.0, 100.0, 129.9, 130.0):
        clock.now = now
        lines(replace(NOTHING, phase="reading", rows=10))
        counts.append(stream.getvalue().count("\n"))
    assert counts == [0, 1, 1, 1, 2, 3, 3, 4]
    first = stream.getvalue().splitlines()[0]
    if as_json:
        assert json.loads(first)["rows"] == 10
    else:
        assert first == "aembed: reading, 10 rows"


# --- options


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


# --- errors


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (ConfigError("x"), 2),
        (InputError("x"), 2),
        (BadTextError("x"), 2),
        (JobError("x"), 2),
        (RateLimitError("x"), 3),
    ],
)
def test_exit_codes_of_errors(error: AembedError, code: int) -> None:
    assert exit_code(error) == code
    assert issubclass(JobStoppedError, JobError)


@pytest.fixture
def kept_handlers() -> Iterator[None]:
    before = {number: signal.getsignal(number) for number in errors.heeded_signals()}
    yield
    assert {number: signal.getsignal(number) for number in before} == before


@pytest.mark.usefixtures("kept_handlers")
@pytest.mark.parametrize(
    ("error", "code", "said"),
    [
        (CommandError("a; b"), 2, "a; b"),
        (CommandError("a", code=9), 9, "a"),
        (ConfigError("wrong"), 2, "wrong"),
        (RateLimitError("late"), 3, "late"),
        (MemoryError(), 3, "not enough memory: the system gives no more"),
        (MemoryError("3 GB"), 3, "not enough memory: 3 GB"),
        (
            OSError(errno.EMFILE, "too many"),
            3,
            "the system gives an error: too many; raise the limit of open files (ulimit -n)",
        ),
        (
            OSError(errno.ENFILE, "too many"),
            3,
            "the system gives an error: too many; raise the limit of open files (ulimit -n)",
        ),
        (OSError(errno.ENOSPC, "full"), 3, "the system gives an error: full; free some space"),
        (OSError(errno.EDQUOT, "full"), 3, "the system gives an error: full; free some space"),
        (
            OSError(errno.EIO, "broken"),
            3,
            "the system gives an error: broken; fix that, and run the same command again",
        ),
        (OSError("odd"), 3, "the system gives an error: odd; fix that, and run the same command again"),
        (KeyboardInterrupt(), 130, "interrupted; nothing was written"),
        (KeyboardInterrupt("3 rows are done"), 130, "interrupted; 3 rows are done"),
        (CommandError("a\x1b[31mb\n\tc"), 2, "a?[31mb\n\tc"),
    ],
)
def test_command_ends_with_a_sentence(
    error: BaseException, code: int, said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as caught, one_sentence():
        raise error
    assert caught.value.code == code
    assert capsys.readouterr() == ("", f"aembed: {said}\n")


@pytest.mark.usefixtures("kept_handlers")
def test_a_bug_shows_itself() -> None:
    with pytest.raises(LookupError), one_sentence():
        raise LookupError


def test_control_characters_are_question_marks() -> None:
    assert plain("a\x07\x9b\u202e\udcff\n\tb") == "a???\udcff\n\tb"


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
def test_likenesses(character: str, like: str) -> None:
    assert _alike(character) == like
