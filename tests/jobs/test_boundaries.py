"""The largest and the smallest that a job takes, each with what lies just beyond."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from aembed import Config, ConfigError, Limits
from aembed.jobs import JobStoppedError, plan, run
from aembed.jobs.assembly import Assembly
from aembed.jobs.directory import JobDirectory
from tests.jobs.provider import Remembers


def provider(**spec: Any) -> Remembers:
    made = Remembers()
    made.spec = replace(made.spec, **{"max_batch_texts": None, **spec})
    return made


async def requests(source: str, made: Remembers) -> int:
    """That a job would send."""
    return (await plan(source, model=made, config=Config())).requests


def lines(count: int, text: str = "a") -> str:
    Path("t.txt").write_text(f"{text}\n" * count)
    return "t.txt"


@pytest.mark.parametrize(
    ("spec", "most"),
    [
        ({}, 256),
        ({"max_batch_texts": 7}, 7),
        ({"pads": True}, 2048),
        ({"pads": True, "max_batch_texts": 7}, 2048),
        ({"pads": True, "max_batch_texts": 3000}, 3000),
    ],
)
async def test_a_request_has_so_many_texts(spec: dict[str, Any], most: int) -> None:
    found = [await requests(lines(count), provider(**spec)) for count in (1, most, most + 1, 2 * most, 2 * most + 1)]
    assert found == [1, 1, 2, 2, 3]


async def test_rows_that_are_not_sent_count_among_eight_thousand() -> None:
    for between, expected in ((8190, 1), (8191, 2)):
        texts = ["first", *[""] * between, "last"]
        Path("r.jsonl").write_text("".join(json.dumps({"text": text}) + "\n" for text in texts))
        assert await requests("r.jsonl", provider()) == expected


@pytest.mark.parametrize(("characters", "expected"), [(2**18 - 16, 1), (2**18 - 15, 2)])
async def test_a_request_has_two_mebibytes_of_vectors_and_texts(characters: int, expected: int) -> None:
    """Two vectors of eight dimensions take 64 bytes, and each character four."""
    Path("t.txt").write_text("a" * 2**18 + "\n" + "b" * characters + "\n")
    assert await requests("t.txt", provider()) == expected


@pytest.mark.parametrize(
    ("limits", "seconds", "bound_by"),
    [
        (Limits(requests_per_minute=10), 0.0, "requests"),
        (Limits(requests_per_minute=8), 15.0, "requests"),
        (Limits(requests_per_minute=10, inputs_per_minute=5), 60.0, "inputs"),
        (Limits(requests_per_minute=5, inputs_per_minute=5), 60.0, "requests"),
        (Limits(requests_per_minute=4, inputs_per_minute=20), 90.0, "requests"),
    ],
)
async def test_beyond_the_first_minutes_quota_a_job_waits(limits: Limits, seconds: float, bound_by: str) -> None:
    """Ten rows in ten requests."""
    found = await plan(lines(10), model=provider(max_batch_texts=1), config=Config(), limits=limits)
    assert found.seconds == pytest.approx(seconds)
    assert found.bound_by == bound_by


# --- the disk

SPARE = 2**20


@pytest.mark.parametrize(("missing", "fits"), [(0, True), (1, False)])
async def test_vectors_must_fit_on_the_disk_with_a_megabyte_to_spare(
    missing: int, fits: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(JobDirectory, "free_bytes", lambda _: 10 * 8 * 4 + SPARE - missing)
    made = provider()
    if fits:
        assert (await run(lines(10), "v.npy", model=made, config=Config())).rows == 10
        return
    with pytest.raises(JobStoppedError) as caught:
        await run(lines(10), "v.npy", model=made, config=Config())
    assert (caught.value.done, caught.value.rows) == (0, 0)
    assert str(caught.value) == (
        "no space for v.npy: 10 x 8 float32 take 320 bytes, and 1.0 MB are free there; free some, or choose another "
        "place"
    )
    assert made.asked == []
    assert sorted(path.name for path in Path.cwd().iterdir()) == ["t.txt"]


async def test_a_job_whose_vectors_are_written_asks_for_no_space(monkeypatch: pytest.MonkeyPatch) -> None:
    """If the output does not fit, the error of the disk says so."""

    def full(*_: Any) -> Any:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(Assembly, "write", full)
        with pytest.raises(JobStoppedError, match="No space left on device"):
            await run(lines(10), "v.jsonl", model=provider(), config=Config())
    monkeypatch.setattr(JobDirectory, "free_bytes", lambda _: 0)
    assert (await run(lines(10), "v.jsonl", model=provider(), config=Config())).resumed == 10


@pytest.mark.parametrize(
    ("free", "said"),
    [(0, "0 bytes"), (999, "999 bytes"), (1000, "1.0 kB"), (999_999, "1,000.0 kB"), (1_000_000, "1.0 MB")],
)
async def test_sizes_in_words(free: int, said: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(JobDirectory, "free_bytes", lambda _: free)
    with pytest.raises(JobStoppedError, match=f"and {said} are free there"):
        await run(lines(10), "v.npy", model=provider(), config=Config())


# --- money


async def test_a_job_may_reach_its_max_cost_exactly() -> None:
    source = lines(8, "one two three")
    tokens = (await run(source, "a.npy", model=provider(max_batch_texts=2), config=Config())).tokens
    assert tokens
    price = 1000.0
    cost = tokens * price / 1e6
    found = await plan(source, model=provider(price=price), config=Config())
    assert found.cost is not None
    enough = provider(price=price, max_batch_texts=2)
    done = await run(source, "b.npy", model=enough, config=Config(), max_cost=max(cost, found.cost) * 1.0001)
    assert done.cost == pytest.approx(cost)
    with pytest.raises(JobStoppedError, match=r"would pass max_cost=\$0\.01") as caught:
        await run(source, "c.npy", model=provider(price=price, max_batch_texts=2), config=Config(), max_cost=0.01)
    assert 0 < caught.value.done < 8


@pytest.mark.parametrize("max_cost", [0, -1, float("nan")])
async def test_a_limit_of_nothing_is_named(max_cost: float) -> None:
    with pytest.raises(ConfigError) as caught:
        await run(lines(1), "v.npy", model=provider(price=1.0), config=Config(), max_cost=max_cost)
    assert str(caught.value) == f"max_cost={max_cost}: give a positive number of US dollars"


async def test_without_a_price_there_is_no_limit_of_cost() -> None:
    with pytest.raises(ConfigError) as caught:
        await run(lines(1), "v.npy", model=provider(), config=Config(), max_cost=1)
    assert str(caught.value) == "max_cost: the price of test:remembers is not known; leave max_cost out"
