"""The ledger of a job: rows that are done, their counts, and their rejections, in whatever order they came."""

from __future__ import annotations

from collections.abc import Generator, Sequence
from contextlib import closing, contextmanager
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from aembed import BadTextError
from aembed.jobs.chunks import CHUNK_ROWS, RowChunk
from aembed.jobs.directory import opened_directory
from aembed.jobs.journal import Header, Journal
from aembed.jobs.ledger import SYNC_INTERVAL_S, Ledger
from aembed.jobs.paths import is_part
from aembed.jobs.vectors import VectorFile

DIM = 2
ROWS = 3 * CHUNK_ROWS


@contextmanager
def ledger(earlier: Any = None) -> Generator[tuple[Ledger, VectorFile]]:
    """That of the job in ``v.npy.job``, with all that was kept before."""
    with opened_directory(Path("v.npy.job"), "v.npy", is_part) as directory, closing(Journal(directory)) as journal:
        journal.begin(Header(2, ROWS, DIM, "f", {}))
        vectors = VectorFile(directory.open("vectors.npy", "r+b"), ROWS, DIM)
        made = Ledger(journal, vectors, DIM, earlier)
        list(made.recover())
        with closing(vectors):
            yield made, vectors


def result(
    count: int, failures: Sequence[int] = (), *, tokens: int | None = 7, requests: int = 1, truncated: int = 0
) -> Any:
    rows = np.arange(count * DIM, dtype=np.float32).reshape(count, DIM) + 1
    rows[list(failures)] = np.nan
    return SimpleNamespace(
        vectors=rows,
        failures={at: BadTextError("it is rejected", index=at) for at in failures},
        usage=SimpleNamespace(tokens=tokens, requests=requests),
        truncated=range(truncated),
    )


def chunk(start: int, stop: int, indices: Sequence[int] | None = None) -> RowChunk:
    indices = list(range(start, stop)) if indices is None else list(indices)
    return RowChunk(start, stop, ["text"] * len(indices), indices)


def counts(made: Ledger) -> tuple[int, int, int, int, int | None]:
    return made.done, made.rejected, made.truncated, made.requests, made.tokens


def test_counts_add_up_over_runs() -> None:
    with ledger() as (made, _):
        made.keep(chunk(10, 20), result(10, requests=2, truncated=3))
        made.keep(chunk(0, 4), result(4, [1], tokens=5))
        made.keep(chunk(4, 6, []), None)
        assert counts(made) == (16, 1, 3, 3, 12)
        assert made.earlier.total == 0
    with ledger() as (made, _):
        assert counts(made) == (16, 1, 3, 3, 12)
        assert list(made.earlier) == [(0, 6), (10, 20)]


def test_without_the_tokens_of_one_request_their_number_is_not_known() -> None:
    with ledger() as (made, _):
        made.keep(chunk(0, 1), result(1))
        made.keep(chunk(1, 2), result(1, tokens=None))
        made.keep(chunk(2, 3), result(1))
        assert made.tokens is None
    with ledger() as (made, _):
        assert made.tokens is None


def test_rows_without_a_text_are_nan() -> None:
    with ledger() as (made, vectors):
        made.keep(chunk(5, 10, [6, 9]), result(2))
        np.testing.assert_array_equal(vectors.read(5, 10), [[np.nan] * 2, [1, 2], [np.nan] * 2, [np.nan] * 2, [3, 4]])
        made.keep(chunk(10, 12, []), None)
        assert np.isnan(vectors.read(10, 12)).all()


def test_rows_that_changed_on_the_disk_are_not_done() -> None:
    with ledger() as (made, vectors):
        made.keep(chunk(0, 4), result(4))
        made.keep(chunk(4, 8), result(4))
        vectors.write(5, np.zeros((1, DIM), np.float32))
    with ledger() as (made, _):
        assert (made.done, list(made.earlier)) == (4, [(0, 4)])


def test_rejections_are_those_of_the_rows_that_are_asked_for() -> None:
    with ledger() as (made, _):
        made.keep(chunk(20, 30), result(10, [0, 9]))
        made.keep(chunk(0, 10), result(10, [3]))
        made.keep(chunk(10, 20), result(10))
        made.keep(chunk(30, 40, [31, 35]), result(2, [1]))
        assert made.rejected == 4
        assert {index: found.index for index, found in made.rejects(0, 40).items()} == {3: 3, 20: 20, 29: 29, 35: 35}
        assert set(made.rejects(0, 10)) == {3}
        assert set(made.rejects(9, 20)) == {3}, "the entries that touch them"
        assert set(made.rejects(10, 20)) == set()
        assert set(made.rejects(10, 21)) == {20, 29}
        assert set(made.rejects(29, 30)) == {20, 29}
        assert set(made.rejects(30, 99)) == {35}
        assert set(made.rejects(40, 99)) == set()
        assert sorted(made.rejected_rows()) == [[3], [20, 29], [35]]
        found = made.rejects(0, 10)[3]
        assert (found.error, found.message) == ("BadTextError", "it is rejected"), "without its place in the request"


def test_the_largest_chunk_is_found_by_its_last_row() -> None:
    with ledger() as (made, _):
        made.keep(chunk(0, CHUNK_ROWS, [0, 8]), result(2, [0]))
        made.keep(chunk(CHUNK_ROWS, 2 * CHUNK_ROWS, [CHUNK_ROWS]), result(1, [0]))
        assert set(made.rejects(CHUNK_ROWS - 1, CHUNK_ROWS)) == {0}
        assert set(made.rejects(2 * CHUNK_ROWS - 1, 2 * CHUNK_ROWS)) == {CHUNK_ROWS}
        assert set(made.rejects(2 * CHUNK_ROWS, ROWS)) == set()


class Earlier:
    """An output with the vector (n, n) for its row n, of which 3 was rejected."""

    def vectors(self, positions: Any) -> Any:
        return np.stack([positions, positions], axis=1).astype(np.float32)

    def rejects(self, positions: Any) -> Any:
        return [(at, "BadTextError", "then") for at in np.flatnonzero(positions == 3).tolist()]


def test_rows_of_an_earlier_output_are_taken_over() -> None:
    with ledger(Earlier()) as (made, vectors):
        mixed = chunk(10, 15, [12])
        mixed.known, mixed.earlier = [11, 14], [3, 7]
        made.keep(mixed, result(1))
        only = chunk(15, 17, [])
        only.known, only.earlier = [15, 16], [8, 9]
        made.keep(only, None)
        np.testing.assert_array_equal(
            vectors.read(10, 17), [[np.nan] * 2, [3, 3], [1, 2], [np.nan] * 2, [7, 7], [8, 8], [9, 9]]
        )
        assert (made.reused, made.rejected, made.done) == (4, 1, 7)
        assert {index: found.message for index, found in made.rejects(0, 20).items()} == {11: "then"}
    with ledger(Earlier()) as (made, _):
        assert (made.reused, made.rejected) == (4, 1)


def test_the_disk_is_synced_now_and_then(monkeypatch: pytest.MonkeyPatch) -> None:
    now = [100.0]
    monkeypatch.setattr("aembed.jobs.ledger.time", SimpleNamespace(monotonic=lambda: now[0]))
    with ledger() as (made, _):
        synced: list[float] = []
        monkeypatch.setattr(VectorFile, "sync", lambda _: synced.append(now[0]))
        for number, wait in enumerate([0.0, SYNC_INTERVAL_S, 0.25, SYNC_INTERVAL_S, 0.25, 0.25]):
            now[0] += wait
            made.keep(chunk(number, number + 1), result(1))
        assert synced == [102.25, 104.5]
