"""Progress: one line at any width, words for what holds a job up, lines where there is no terminal."""

from __future__ import annotations

import io
import json
import re
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from tests.cli.command import Aembed

pytest.importorskip("rich", reason="needs the extra cli")

from rich.console import Console

from aembed.cli.progress import ProgressBar, ProgressLines, waiting
from aembed.jobs import JobProgress

EMBEDDING = JobProgress(phase="embedding", rows=12_000_000, tokens=4_000_000, cost=1.25)


class Clock:
    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


def shown(bar: ProgressBar, width: int) -> str:
    screen = io.StringIO()
    Console(file=screen, width=width, force_terminal=False).print(bar)
    return screen.getvalue()


def under_way() -> tuple[ProgressBar, Clock]:
    clock = Clock()
    bar = ProgressBar(clock)
    for second in range(5):
        clock.now = float(second)
        bar(replace(EMBEDDING, done=1_000_000 + second * 1_500, paused=27.0 if second == 4 else 0.0))
    return bar, clock


@pytest.mark.parametrize("width", [40, 60, 80, 120, 200])
def test_bar_is_one_line_with_the_important_first(width: int) -> None:
    line = shown(under_way()[0], width)
    assert line.count("\n") == 1
    assert len(line.rstrip("\n")) <= width
    parts = ["embedding   8%", "1,006,000/12,000,000", "1,500 rows/s", "2 h 02 min left"]
    wanted = [part for part, needed in zip(parts, (14, 36, 50, 67), strict=True) if needed <= width]
    assert "  ".join(wanted) in line
    if width >= 120:
        assert "server not answering, retrying in 27 s" in line


def test_rate_is_that_of_the_last_seconds() -> None:
    bar, clock = under_way()
    for second in range(5, 60):
        clock.now = float(second)
        bar(replace(EMBEDDING, done=1_006_000))
    assert bar.rate == 0
    assert "left" not in shown(bar, 200)


@pytest.mark.parametrize(
    ("state", "words"),
    [
        ({}, ""),
        ({"waiting_for": "slots"}, ""),
        ({"waiting_for": "tokens"}, "waiting for the limit of tokens per minute"),
        ({"paused": 26.6, "limited": True}, "rate limit reached, resuming in 27 s"),
        ({"paused": 26.6}, "server not answering, retrying in 27 s"),
        ({"retries": 3}, "server not answering, retrying"),
        ({"retries": 3, "limited": True}, ""),
    ],
)
def test_reasons_that_hold_a_job_up(state: dict[str, object], words: str) -> None:
    assert waiting(replace(EMBEDDING, **state)) == words  # type: ignore[arg-type]


@pytest.mark.parametrize("as_json", [False, True])
def test_a_line_every_thirty_seconds(as_json: bool) -> None:
    clock, stream = Clock(), io.StringIO()
    lines = ProgressLines(stream, as_json=as_json, clock=clock)
    for tenth in range(1, 900):
        clock.now = tenth / 10
        lines(replace(EMBEDDING, done=tenth * 100))
    written = stream.getvalue().splitlines()
    assert len(written) == 2
    if as_json:
        moment = json.loads(written[1])
        assert (moment["phase"], moment["rows"], moment["rate"]) == ("embedding", 12_000_000, 1000.0)
    else:
        assert written[0].startswith("aembed: embedding   0%, 30,0")
        assert "1,000 rows/s" in written[0]
        assert "4,000,000 tokens, $1.2500" in written[0]


def test_progress_as_json_ends_with_the_last_moment(aembed: Aembed, notes: str) -> None:
    outcome = aembed("embed", notes, "-o", "v.npy", "-m", "mock", "--progress", "json")
    assert outcome.code == 0
    assert json.loads(outcome.err.splitlines()[-1])["done"] == 3
    assert aembed("embed", notes, "-o", "w.npy", "-m", "mock", "--progress", "none").err == ""
    assert "--progress loud: not known" in aembed("embed", notes, "-o", "x.npy", "-m", "mock", "--progress", "loud").err


# --- what becomes of outputs


def test_the_finished_command_again(aembed: Aembed, notes: str) -> None:
    command = ("embed", notes, "-o", "v.npy", "-o", "v.jsonl", "-m", "mock")
    assert "v.npy, v.jsonl: shape (3, 128) float32 from mock:mock" in aembed(*command).out
    again = aembed(*command)
    assert (again.code, again.err) == (0, "")
    assert again.out == "v.npy, v.jsonl: already complete, 3 rows from mock:mock; --force makes it anew\n"
    Path(notes).write_text("one\nnew\n")
    assert "1 row from the earlier output" in aembed(*command, "--update").out


def test_query_like_an_output(aembed: Aembed, notes: str) -> None:
    assert aembed("embed", notes, "-o", "v.npy", "-m", "mock", "--dimensions", "12").code == 0
    assert len(json.loads(aembed("embed", "--query", "where?", "--like", "v.npy").out)) == 12
    assert "leave one out" in aembed("embed", "--query", "where?", "--like", "v.npy", "-m", "mock").err
    assert "does not exist" in aembed("embed", "--query", "where?", "--like", "none.npy").err


def test_rejected_rows_from_the_command(aembed: Aembed) -> None:
    pytest.importorskip("onnxruntime", reason="needs the extra local")
    Path("t.txt").write_text("short\n" + "word " * 500)
    assert aembed("embed", "t.txt", "-o", "v.npy").code == 1
    outcome = aembed("embed", "--retry-rejects", "v.npy", "--overlong", "truncate")
    assert (outcome.code, outcome.err) == (0, "")
    assert "1 cut to the model's length" in outcome.out
    again = aembed("embed", "--retry-rejects", "v.npy", "--overlong", "truncate")
    assert (again.code, again.out) == (0, "v.npy: no row to retry, 2 rows from local:all-MiniLM-L6-v2\n")
    assert aembed("embed", "t.txt", "--retry-rejects", "v.npy").code == 2


def test_a_complete_output_says_what_it_lacks(aembed: Aembed, table: str) -> None:
    command = ["embed", table, "-o", "v.npy", "-m", "mock", "--text-column", "body"]
    assert aembed(*command).code == 1
    code, out, err = aembed(*command)
    assert (code, err) == (1, "")
    assert out == (
        "v.npy: already complete, 2 rows from mock:mock; --force makes it anew\n"
        "1 of 3 rows rejected (NaN in the output): see v.npy.rejects.jsonl\n"
    )


def test_limits_of_cost_and_cache(aembed: Aembed, notes: str) -> None:
    priceless = aembed("embed", notes, "-o", "v.npy", "-m", "mock", "--max-cost", "1")
    assert (priceless.code, "--max-cost: the price of mock:mock is not known" in priceless.err) == (2, True)
    arguments = ("embed", notes, "-o", "v.npy", "-m", "mock", "--cache", "c.db", "--cache-limit")
    assert "--cache-limit much: not a size" in aembed(*arguments, "much").err
    assert "--cache-limit 100000: a file takes at least 1048576 bytes" in aembed(*arguments, "100kB").err
    assert "dropped" not in aembed(*arguments, "4GB").out
    assert Path("c.db").exists()
    assert "none is given" in aembed("embed", notes, "-o", "w.npy", "-m", "mock", "--cache-limit", "4GB").err


def test_the_shape_is_that_of_the_file(aembed: Aembed, notes: str) -> None:
    outcome = aembed("embed", notes, "-o", "v.npy", "-m", "mock", "--dimensions", "13", "--dtype", "binary")
    assert f"shape {np.load('v.npy').shape} binary" in outcome.out


def test_a_full_cache_is_reported_at_the_end(aembed: Aembed) -> None:
    Path("many.txt").write_text("".join(f"row {number}\n" for number in range(5000)))
    outcome = aembed("embed", "many.txt", "-o", "v.npy", "-m", "mock", "--cache", "c.db", "--cache-limit", "2MB")
    assert outcome.code == 0
    assert re.search(r", [1-4],\d\d\d rows dropped by the full cache, ", outcome.out)
