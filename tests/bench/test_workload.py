"""Workloads: a different argument for each request, the same ones for a seed, and the work that was really done."""

from __future__ import annotations

import itertools
import math
import random
import statistics
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import anyio
import pytest
from scipy.stats import kstest

from aembed import Embedder, EmbedderFactory, InputError, MergePolicy, Provider, Registry, bench
from aembed.bench.corpus import KINDS, POOL, lengths_from, with_copies
from aembed.bench.discovery import find
from aembed.bench.opening import opened
from aembed.bench.requests import requests_from
from aembed.bench.workload import Sizes, Workload
from aembed.testing import ScriptedProvider


def take(corpus: bench.Corpus, count: int, seed: int = 0) -> list[str]:
    return list(itertools.islice(corpus.texts(seed), count))


@pytest.mark.parametrize("name", KINDS)
def test_texts_differ_but_for_copies(name: str) -> None:
    made = bench.corpus(name)
    texts = take(made, 3 * POOL)
    assert texts == take(bench.corpus(name), 3 * POOL)
    assert texts[:50] != take(made, 50, seed=1)
    assert (1 - len(set(texts)) / len(texts)) == pytest.approx(made.copies, abs=0.02)
    alone = take(with_copies(made, 0.0), 3 * POOL)
    assert len(set(alone)) == len(alone)


def test_lengths_are_those_that_were_asked_for() -> None:
    """Kolmogorov-Smirnov against the distribution, in words."""
    words = [len(text.split()) * 1.3 for text in bench.corpus("passages", tokens="lognormal(200, 0.5)", copies=0).pool]
    logs = [(math.log(count + 3 * 1.3) - math.log(200)) / 0.5 for count in words]
    assert kstest(logs, "norm").pvalue > 0.01
    assert statistics.median(words) == pytest.approx(200, rel=0.08)
    for text, low, high in [("50", 50, 50), ("20..500", 20, 500)]:
        drawn = [lengths_from(text)(random.Random(i)) for i in range(100)]
        assert low <= min(drawn) <= max(drawn) <= high


def test_scripts_are_mixed() -> None:
    texts = "".join(take(bench.corpus("multilingual"), 400))
    for first, last in (("а", "я"), ("一", "鿿"), ("ا", "ي"), ("अ", "ह")):  # noqa: RUF001
        assert any(first <= letter <= last for letter in texts)


def test_every_line_of_a_file_is_used(tmp_path: Path) -> None:
    file = tmp_path / "lines.txt"
    file.write_text("".join(f"line {i}\n\n" for i in range(100)))
    made = bench.corpus_of(file)
    assert sorted(take(made, 100)) == sorted(f"line {i}" for i in range(100))
    assert take(made, 200)[100:] == take(made, 100)
    file.write_text("\n \n")
    with pytest.raises(InputError, match="holds no text"):
        bench.corpus_of(file)
    file.write_bytes(b"caf\xe9")
    with pytest.raises(InputError, match=r"lines\.txt is not text: byte 3 is not UTF-8; save it as UTF-8$"):
        bench.corpus_of(file)
    with pytest.raises(InputError, match=r"gone\.txt cannot be read: No such file or directory; check the path$"):
        bench.corpus_of(tmp_path / "gone.txt")


@pytest.mark.parametrize(
    ("call", "problem"),
    [
        (lambda: bench.corpus("poems"), "there is no corpus 'poems'; there are queries, passages"),
        (lambda: bench.corpus(tokens="long"), r"write 120, 20\.\.500 or lognormal\(120, 0\.8\)"),
        (lambda: bench.corpus(copies=1.0), r"copies=1\.0 must be a share"),
        (lambda: Sizes.of("0"), r"documents='0' is not a number of texts; write 20 or 1\.\.32"),
        (lambda: Sizes.of("9..2"), "is not a number of texts"),
        (lambda: bench.integers(2, 1), "is empty"),
        (lambda: bench.choices([]), "nothing to choose from"),
        (lambda: requests_from("no.module:at_all"), "cannot be imported"),
        (lambda: requests_from("whatever"), r"write 1\.\.10000, a file of values, or module:function"),
    ],
)
def test_a_bad_workload_is_named(call: Any, problem: str) -> None:
    with pytest.raises(InputError, match=problem):
        call()


def test_requests_count_their_texts() -> None:
    load = Workload(bench.corpus("multilingual", copies=0.2), Sizes.of("1..8"))
    drawn = list(itertools.islice(load.batches(3), 500))
    texts = [text for batch in drawn for text in batch]
    assert {len(batch) for batch in drawn} == set(range(1, 9))
    assert (load.texts, load.bytes) == (len(texts), sum(len(text.encode()) for text in texts))
    assert load.repeated == len(texts) - len(set(texts))
    lengths = load.lengths()
    assert lengths is not None
    ordered = sorted(map(len, texts))
    assert (lengths.max, lengths.p50) == (ordered[-1], ordered[math.ceil(len(ordered) / 2) - 1])


def numbers(dice: Any) -> int:
    return int(dice.randint(1, 3))


def test_arguments_are_seeded(tmp_path: Path) -> None:
    (tmp_path / "values").write_text("a\nb\nc\n")
    for source, all_of_them in [
        ("1..3", {1, 2, 3}),
        (str(tmp_path / "values"), {"a", "b", "c"}),
        ("tests.bench.test_workload:numbers", {1, 2, 3}),
    ]:
        draw = requests_from(source)
        found = list(itertools.islice(draw(5), 60))
        assert set(found) == all_of_them
        assert found == list(itertools.islice(draw(5), 60)) != list(itertools.islice(draw(6), 60))


@asynccontextmanager
async def counted(**options: Any) -> AsyncGenerator[tuple[ScriptedProvider, Embedder]]:
    """An embedder on a provider that notes every text it is sent."""
    provider = ScriptedProvider(latency=0.005)

    async def open_provider(_: Any) -> Provider:
        return provider

    registry = Registry()
    registry.register("counted", open_provider)
    async with EmbedderFactory(registry=registry) as factory:
        yield provider, await factory.new_embedder("counted:one", **options)


@pytest.mark.virtual_time
async def test_truth_every_request_has_new_texts() -> None:
    """The defect: one text, sent for ever. 300 requests of 1 to 4 texts reach the provider as they are reported."""
    async with counted() as (provider, embedder):
        subject = bench.documents(embedder, bench.corpus(copies=0.0), size="1..4", price=2.0)
        report = await bench.load(subject, arrivals=bench.constant(100), duration=3, seed=4)
    sent = [text for call in provider.calls for text in call.texts]
    work = report.work
    assert work is not None
    assert (len(set(sent)), len(sent)) == (work.texts, work.texts)
    assert (work.sent, work.repeated, work.unsent, work.tokens_from) == (300, 0, 0, "provider")
    assert work.bytes == sum(len(text.encode()) for text in sent)
    assert work.texts_rate == pytest.approx(work.texts / 3)
    assert work.cost == pytest.approx(work.tokens * 2e-6)
    assert report.verdict.state == "ok"
    async with counted() as (again, embedder):
        subject = bench.documents(embedder, bench.corpus(copies=0.0), size="1..4")
        await bench.load(subject, arrivals=bench.constant(100), duration=3, seed=4)
    assert [call.texts for call in again.calls] == [call.texts for call in provider.calls]


@pytest.mark.virtual_time
@pytest.mark.parametrize("options", [{"cache": True}, {"merge": MergePolicy(window=0.02)}])
async def test_a_run_that_never_reached_the_model_says_so(options: dict[str, Any]) -> None:
    """The defect: a cache, or merging, in the settings turned a load test into a test of a dictionary."""
    async with counted(**options) as (provider, embedder):
        subject = bench.query(embedder, "the same" if "cache" in options else bench.corpus("queries", copies=0.0))
        report = await bench.load(subject, arrivals=bench.constant(1000), duration=1)
    work = report.work
    assert work is not None
    assert (work.texts, work.sent) == (1000, len(provider.calls))
    assert work.sent < 1000
    assert "999 of 1,000 texts were answered from a cache" in report.notes[0] or "calls were merged" in report.notes[0]


@pytest.mark.virtual_time
async def test_each_user_has_a_set_up() -> None:
    events: list[tuple[str, int]] = []

    async def session(number: int) -> AsyncGenerator[Any]:
        events.append(("open", number))

        async def call(request: int) -> None:
            events.append(("call", number))
            assert 1 <= request <= 9
            await anyio.sleep(0.1)

        yield call
        events.append(("close", number))

    subject = bench.per_user(session, requests=bench.integers(1, 9))
    report = await bench.closed(subject, users=3, duration=1, think=0.0)
    assert report.verdict.state == "ok"
    assert events[:3] == [("open", 0), ("open", 1), ("open", 2)]
    assert sorted(events[-3:]) == [("close", 0), ("close", 1), ("close", 2)]
    calls = [number for event, number in events if event == "call"]
    assert {calls.count(number) for number in range(3)} == {10}
    with pytest.raises(InputError, match="measure it with `aembed bench users`"):
        await bench.load(subject, arrivals=bench.constant(10), duration=1)


async def get_user(user_id: int) -> int:
    return user_id


async def test_any_async_def_gets_its_argument() -> None:
    (found,) = find("tests.bench.test_workload:get_user")
    assert found.takes_request
    with pytest.raises(InputError, match="get_user takes an argument, 'user_id'; give --data 1"):
        async with opened(found):
            pass
    async with opened(replace(found, parameters={"data": ("7..7",)})) as subject:
        assert await subject.call() == 7


async def get_page(number: int = 1) -> int:
    return number


async def test_an_argument_with_a_default_may_be_left_out() -> None:
    (found,) = find("tests.bench.test_workload:get_page")
    async with opened(found) as subject:
        assert await subject.call() == 1
    async with opened(replace(found, parameters={"data": ("7..7",)})) as subject:
        assert await subject.call() == 7
