"""Rows out and in again: files hold the measured rows, and writing them changes no figure."""

from __future__ import annotations

import csv
import itertools
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import anyio
import numpy as np
import pytest

from aembed import InputError, MissingExtraError, bench
from aembed.bench.rows.columns import FAILED, NEVER, OK, OUTCOMES, TIMED_OUT, UNFINISHED, RunRows
from aembed.bench.rows.table import COLUMNS, NUMBERS
from tests.loops import run

pq = pytest.importorskip("pyarrow.parquet", reason="needs the extra parquet")
RATE = bench.poisson(rate=200)


def texts(seed: int) -> Iterator[list[str]]:
    """One to three texts; the first has the number of the request as its length."""
    for number in itertools.count():
        yield ["x" * (number + 100 * seed), *["yy"] * (number % 3)]


class Server:
    """Fails, hangs and answers by turns; knows the lengths that it was asked for."""

    def __init__(self) -> None:
        self.asked: list[int] = []

    async def __call__(self, batch: list[str]) -> None:
        self.asked.append(len(batch[0]))
        number = len(self.asked)
        if number % 10 == 3:
            raise ConnectionError
        await anyio.sleep(5.0 if number % 10 == 7 else 0.002 * (number % 5 + 1))


def measured(**files: Path) -> tuple[bench.Report, list[RunRows], Server]:
    server, kept = Server(), list[RunRows]()
    subject = bench.Subject(server, requests=texts)
    options: Any = {**files, "timeout": 1.0, "keep": kept.append, "name": "served"}
    return run(bench.load(subject, arrivals=RATE, duration=1, seed=2, **options)), kept, server


def same(one: RunRows, other: RunRows) -> None:
    for name in ("intended", "started", "done", "outcome"):
        assert np.array_equal(getattr(one.rows, name), getattr(other.rows, name)), name
    for name in ("texts", "characters"):
        assert np.array_equal(getattr(one, name), getattr(other, name)), name
    assert (one.case, one.label, one.valid, one.started) == (other.case, other.label, other.valid, other.started)


@pytest.mark.parametrize("suffix", ["csv", "parquet"])
def test_a_file_holds_the_rows_of_the_run(tmp_path: Path, suffix: str) -> None:
    file = tmp_path / f"run.{suffix}"
    report, [kept], server = measured(rows=file)
    [again] = bench.read_rows(file)
    same(kept, again)
    assert report.traffic is not None
    assert len(again.rows) == report.traffic.offered == 200
    assert {OUTCOMES[number] for number in again.rows.outcome} == {"ok", "failed", "timed_out"}
    assert kept.characters is not None
    assert kept.texts is not None
    assert [length - 2 * (count - 1) for length, count in zip(kept.characters, kept.texts, strict=True)] == server.asked


def test_units_are_in_the_names_and_missing_values_are_empty(tmp_path: Path) -> None:
    file = tmp_path / "run.csv"
    subject = bench.Subject(lambda: anyio.sleep(10))
    run(bench.load(subject, arrivals=bench.constant(10), duration=1, drain=0.5, max_in_flight=4, rows=file, name="a,b"))
    with file.open(newline="") as lines:
        table = list(csv.DictReader(lines))
    assert tuple(table[0]) == COLUMNS
    assert {row["outcome"] for row in table} == {"unfinished"}
    assert [row["started_ns"] == "" for row in table] == [False] * 4 + [True] * 6
    assert {row["done_ns"] + row["texts"] + row["characters"] for row in table} == {""}
    assert {row["case"] for row in table} == {"a,b"}


def test_other_programs_read_the_parquet_file(tmp_path: Path) -> None:
    measured(rows=(file := tmp_path / "run.parquet"))
    schema = pq.read_schema(file)
    assert schema.names == list(COLUMNS)
    assert {str(schema.field(name).type) for name in NUMBERS} == {"int64"}
    outcomes = pq.read_table(file).column("outcome").to_pylist()
    assert outcomes.count("timed_out") == 20


def test_writing_files_does_not_change_the_run(tmp_path: Path) -> None:
    """On virtual time every start, answer and outcome is exact."""
    plain, [kept], _ = measured()
    written, [again], _ = measured(rows=tmp_path / "run.csv", hlog=tmp_path / "a.hlog", openmetrics=tmp_path / "a.prom")
    assert np.array_equal(kept.rows.done, again.rows.done)
    assert np.array_equal(kept.rows.started, again.rows.started)
    assert (plain.traffic, plain.response, plain.lag) == (written.traffic, written.response, written.lag)


@pytest.mark.virtual_time
async def test_steps_keep_the_rows_of_each_rate() -> None:
    kept: list[RunRows] = []

    async def call() -> None:
        await anyio.sleep(0.01)

    report = await bench.steps(
        call, objective=bench.Objective(seconds=0.02), start=20, highest=40, step_s=2, keep=kept.append
    )
    assert report.steps is not None
    assert [run.label for run in kept] == ["20/s", "40/s"]
    assert [len(run.rows) for run in kept] == [40, 80]


@pytest.mark.virtual_time
async def test_versus_keeps_the_rows_of_each_side(tmp_path: Path) -> None:
    one, two = Server(), Server()
    sides = {"one": bench.Subject(one, requests=texts), "two": bench.Subject(two, requests=texts)}
    file = tmp_path / "run.csv"
    await bench.versus(sides, arrivals=bench.constant(10), duration=18, block_s=3, timeout=1.0, rows=file)
    first, second = bench.read_rows(file)
    assert (first.case, second.case) == ("one", "two")
    assert first.characters is not None
    assert first.texts is not None
    drawn = first.characters - 2 * (first.texts - 1)
    assert drawn.tolist() == one.asked[30:], "the first block is not counted, and its texts neither"


@pytest.mark.virtual_time
async def test_every_mode_takes_the_option(tmp_path: Path) -> None:
    async def call() -> None:
        await anyio.sleep(0.001)

    files = [tmp_path / f"{mode}.csv" for mode in ("closed", "burst", "sustained")]
    await bench.closed(call, users=2, think=0.01, duration=1, rows=files[0])
    await bench.burst(call, base=20, spike=200, spike_s=0.1, duration=2, rows=files[1])
    await bench.sustained(call, arrivals=bench.constant(50), duration=2, window=0.2, rows=files[2])
    assert [len(bench.read_rows(file)[0].rows) > 40 for file in files] == [True] * 3


@pytest.mark.virtual_time
@pytest.mark.parametrize(
    ("options", "problem"),
    [
        ({"rows": "run.txt"}, r"'run.txt' has no known format. Name a file that ends in .csv or .parquet"),
        ({"rows": "missing/run.csv"}, "the directory missing does not exist"),
        ({"hlog": "missing/run.hlog"}, "the directory missing does not exist"),
        ({"openmetrics": "missing/run.prom"}, "the directory missing does not exist"),
    ],
)
async def test_places_are_checked_before_anything_is_measured(options: Any, problem: str) -> None:
    server = Server()
    with pytest.raises(InputError, match=problem):
        await bench.load(bench.Subject(server, requests=texts), arrivals=RATE, duration=1, **options)
    assert server.asked == []


@pytest.mark.virtual_time
async def test_parquet_without_pyarrow_names_the_extra(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:

    monkeypatch.setitem(sys.modules, "pyarrow", None)
    with pytest.raises(MissingExtraError, match=r'needs pyarrow.*pip install "aembed\[parquet\]"'):
        await bench.load(Server(), arrivals=RATE, duration=1, rows=tmp_path / "run.parquet")


@pytest.mark.parametrize(
    ("name", "content", "problem"),
    [
        ("a.txt", b"", "Name one that ends in .csv or .parquet"),
        ("a.csv", b"x,y\n1,2\n", "not a file of rows that aembed wrote"),
        ("a.csv", b"", "not a file of rows that aembed wrote"),
        ("a.parquet", b"PAR1", "not a file of rows that aembed wrote"),
        ("b.csv", None, "cannot be read: No such file"),
    ],
)
def test_other_files_are_errors(tmp_path: Path, name: str, content: bytes | None, problem: str) -> None:
    if content is not None:
        (tmp_path / name).write_bytes(content)
    with pytest.raises(InputError, match=problem):
        bench.read_rows(tmp_path / name)


@pytest.mark.virtual_time
async def test_requests_that_are_no_texts_have_no_length(tmp_path: Path) -> None:
    async def call(number: int) -> int:
        return number

    subject = bench.Subject(call, requests=itertools.count)
    await bench.load(subject, arrivals=RATE, duration=0.1, rows=tmp_path / "a.csv")
    [kept] = bench.read_rows(tmp_path / "a.csv")
    assert kept.texts is kept.characters is None
    assert set(kept.rows.outcome.tolist()) == {OK}
    assert not {FAILED, TIMED_OUT, UNFINISHED, NEVER} & set(kept.rows.outcome.tolist())
