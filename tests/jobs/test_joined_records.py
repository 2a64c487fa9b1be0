"""The record of joined shards, and the errors of shards that do not belong together."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from aembed.jobs import JobOutputError, join
from aembed.jobs.keys import HEAD_BYTES, ROW, KeysFile, write_head
from aembed.jobs.record import OutputRecord
from aembed.jobs.rows import Row, RowBlock


def shard(name: str, which: str, *, rows: int = 2, settings: dict[str, Any] | None = None, **changed: Any) -> str:
    """A part of the numbers from 0, as an array of so many rows."""
    np.save(name, np.arange(rows * 2, dtype=changed.pop("kind", np.float32)).reshape(rows, 2))
    record = OutputRecord(
        **{"aembed": "1", "model": "a:b", "dim": 2, "identity": "i", "input": "f", "rows": rows, **changed},
        settings={"shard": which, "text_column": "text", **(settings or {})},
        source={"source": ["t.txt"], "shard": which},
    )
    Path(f"{name}.json").write_bytes(record.encoded())
    with Path(f"{name}.keys").open("w+b") as file, Path(name).open("rb") as content:
        keys = KeysFile(file, ids=False)
        keys.add(RowBlock(0, [Row(number, number, f"{name} {number}", {}) for number in range(rows)]))
        keys.finish([])
        write_head(file, content)
    return name


async def test_counts_are_those_of_all_shards() -> None:
    names = [
        shard("b.npy", "2/3", rows=3, kept=1, rejected=1, truncated=4, requests=2, tokens=20),
        shard("a.npy", "1/3", rows=2, kept=2, rejected=0, truncated=3, requests=5, tokens=11),
        shard("c.npy", "3/3", rows=1, rejected=1, truncated=1, requests=1, tokens=7),
    ]
    record = await join(names, "all.npy")
    assert (record.rows, record.kept, record.rejected, record.truncated) == (6, 3, 2, 8)
    assert (record.requests, record.tokens) == (8, 38)
    assert record.settings == {"text_column": "text"}
    assert record.source == {"source": ["t.txt"]}
    assert np.load("all.npy")[:, 0].tolist() == [0, 2, 0, 2, 4, 0], "a, b, c"
    assert Path("all.npy.keys").stat().st_size == HEAD_BYTES + 6 * ROW.itemsize


async def test_tokens_are_known_where_every_shard_knows_its_own() -> None:
    names = [shard("a.npy", "1/2", tokens=5), shard("b.npy", "2/2", tokens=None)]
    assert (await join(names, "all.npy")).tokens is None


@pytest.mark.parametrize(
    ("limits", "rejected", "joined"),
    [((1.0, 2.0), (0, 0), 2.0), ((2.0, 1.0), (0, 0), 2.0), ((4.0, 2.0), (2, 0), 2.0), ((4.0, 2.0), (1, 0), 4.0)],
)
async def test_the_scale_is_the_largest_of_shards_with_a_vector(
    limits: tuple[float, float], rejected: tuple[int, int], joined: float
) -> None:
    for name, number in (("a.npy", 0), ("b.npy", 1)):
        shard(name, f"{number + 1}/2", kind=np.int8, dtype="int8", limit=limits[number], rejected=rejected[number])
    assert (await join(["a.npy", "b.npy"], "all.npy")).limit == joined


async def test_where_no_row_has_a_vector_any_scale_is_right() -> None:
    names = [
        shard(name, which, kind=np.int8, dtype="int8", limit=limit, rejected=2)
        for name, which, limit in (("a.npy", "1/2", 1.0), ("b.npy", "2/2", 3.0))
    ]
    assert (await join(names, "all.npy")).limit == 1.0


@pytest.mark.parametrize(
    ("changed", "called"),
    [
        ({"input": "g"}, "inputs"),
        ({"model": "a:c"}, "models"),
        ({"revision": "r"}, "revisions"),
        ({"identity": "j"}, "identities"),
        ({"dim": 3}, "dims"),
        ({"dtype": "float16"}, "dtypes"),
        ({"settings": {"text_column": "body"}}, "settings"),
    ],
)
async def test_shards_of_different_jobs(changed: Any, called: str) -> None:
    names = [shard("a.npy", "1/2"), shard("b.npy", "2/2", **changed)]
    with pytest.raises(JobOutputError) as caught:
        await join(names, "all.npy")
    assert str(caught.value) == f"a.npy and b.npy have different {called}; join shards of one job"
    assert not Path("all.npy").exists()


@pytest.mark.parametrize(
    ("which", "missing"), [(["2/3"], "1, 3"), (["1/3", "2/3"], "3"), (["2/2"], "1"), (["1/4", "3/4"], "2, 4")]
)
async def test_shards_that_are_missing(which: list[str], missing: str) -> None:
    names = [shard(f"{number}.npy", each) for number, each in enumerate(which)]
    with pytest.raises(JobOutputError, match=f"^shard {missing} of {which[0][-1]} is missing; give all of them$"):
        await join(names, "all.npy")


@pytest.mark.parametrize("which", ["", "1", "1/", "a/b", "1/2/3", None])
async def test_what_is_no_shard(which: Any) -> None:
    with pytest.raises(JobOutputError, match=r"^a\.npy is not the output of a shard; embed with shard=\(1, 2\)"):
        await join([shard("a.npy", which)], "all.npy")


async def test_an_unfinished_job_is_not_joined_over() -> None:
    names = [shard("a.npy", "1/1")]
    Path("all.npy.job").mkdir(mode=0o700)
    Path("all.npy.job/journal").write_bytes(b"")
    with pytest.raises(JobOutputError, match=r"all\.npy\.job holds an unfinished job; finish it, or choose another"):
        await join(names, "all.npy")


async def test_a_join_that_was_killed_is_run_again() -> None:
    names = [shard("a.npy", "1/1", rows=4)]
    Path("all.npy.job").mkdir(mode=0o700)
    Path("all.npy.job/vectors.npy").write_bytes(b"half" * 500)
    Path("all.npy.job/earlier.npy").write_bytes(b"half")
    await join(names, "all.npy")
    np.testing.assert_array_equal(np.load("all.npy"), np.load("a.npy"))
    assert not Path("all.npy.job").exists()
