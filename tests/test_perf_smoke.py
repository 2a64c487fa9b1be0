"""The project's benchmarks work: each is measured for a moment, and its results are validated. Speed does not matter.

Those on the mock run on virtual time, so that waiting costs nothing.
"""

from __future__ import annotations

import asyncio
import sys
from dataclasses import replace
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest

from aembed.bench import Report
from aembed.bench import environment as machine
from aembed.bench.environment import environment
from aembed.bench.model.one_at_a_time import Cost
from aembed.bench.model.result import Verdict
from aembed.testing import VirtualTimeLoop
from tests.bench.subjects import LOOK_S

pytest.importorskip("perf.suite", reason="the sources' benchmarks are not part of the package")

from perf.suite import budgets, catalogue, counters
from perf.suite.corpora import FOREIGN, LARGE, Corpus
from perf.suite.measurement import MOMENT, Measurement

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="memory is looked at with memray")
MEASUREMENTS = list(catalogue.measurements())
LOCAL = all(map(find_spec, ("onnxruntime", "tokenizers")))


def measured(measurement: Measurement, monkeypatch: pytest.MonkeyPatch) -> Report:
    monkeypatch.setattr(machine, "LOOK", LOOK_S)
    for blocks in ("WARM_UP_BLOCKS", "MIN_BLOCKS"):
        monkeypatch.setattr(sys.modules["aembed.bench.micro.timing"], blocks, 1)
    loop: Any = VirtualTimeLoop if measurement.on == "mock" else None

    async def measure() -> Report:
        return await measurement.measure(MOMENT)

    with asyncio.Runner(loop_factory=loop) as runner:
        return runner.run(measure())


@pytest.mark.parametrize("measurement", MEASUREMENTS, ids=lambda each: f"{each.kind}: {each.name}")
def test_it_works(measurement: Measurement, monkeypatch: pytest.MonkeyPatch) -> None:
    if measurement.on == "local" and not LOCAL:
        pytest.skip("the local model is not installed")
    report = measured(measurement, monkeypatch)
    part = {"open": report.response, "closed": report.closed, "burst": report.burst, "sustained": report.drift}
    assert {**part, "micro": report.micro, "memory": report.memory}[measurement.kind] is not None, report.verdict
    assert report.traffic is None or (report.traffic.ok == report.traffic.offered > 0), report.traffic


def test_every_group_has_its_benchmarks() -> None:
    groups = {measurement.group for measurement in MEASUREMENTS}
    assert groups == {"factory", "provider", "overhead", "memory", "concurrency", "throughput", "load"}


def test_every_budget_is_about_something_that_is_measured() -> None:
    modes = {"open": "open loop", "closed": "closed loop"}
    named = [(modes.get(each.kind, each.kind), each.name) for each in MEASUREMENTS]
    named += [("cost", str(case)) for case in counters.cases(catalogue.COUNTED)]
    titles = [f"{kind}: {name.removesuffix('()')}" for kind, name in named]
    assert budgets.unused(titles, budgets.read()) == []


def test_a_budget_that_is_exceeded_is_reported() -> None:
    report = counted(calls=3)
    limit = budgets.Limit(benchmark="cost: something", figure="calls", most=2)
    (judged,) = budgets.judged([report], budgets.Budgets(hard=(limit,)))
    assert judged.verdict == Verdict(state="over budget", reasons=("calls 3 is above the hard budget of 2",))


def test_growth_faster_than_the_input_is_reported() -> None:
    ratio = budgets.Ratio(benchmark="cost: large", to="cost: small", figure="calls", most=10)
    large, small = replace(counted(calls=33), name="large"), replace(counted(calls=3), name="small")
    judged = budgets.judged([large, small], budgets.Budgets(ratio=(ratio,)))
    assert [report.verdict.exit_code for report in judged] == [1, 0]


@pytest.mark.parametrize("figure", ["tasks", "callbacks", "timers", "threads", "calls", "allocations"])
def test_one_more_of_anything_is_found(figure: str, tmp_path: Path) -> None:
    counters.keep([counted()], tmp_path / "counters.json")
    (same,) = counters.judged([counted()], tmp_path / "counters.json")
    (more,) = counters.judged([counted(**{figure: 2})], tmp_path / "counters.json")
    assert same.verdict.state == "ok"
    assert more.verdict.state == "regressed"
    assert f"{figure} 1 -> 2" in more.verdict.reasons[0]


def test_benchmarks_that_cannot_be_gated_are_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "counters.json"
    unknown = counters.judged([counted()], path)
    counters.keep([counted()], path)
    monkeypatch.setattr(counters, "PACKAGES", ("anyio",))
    path.write_bytes(path.read_bytes().replace(b'"anyio": "', b'"anyio": "0.'))
    other = counters.judged([counted(calls=2)], path)
    assert ["no counts are kept" in reason for reason in counters.not_gated(unknown)] == [True]
    assert ["other packages (anyio 0." in reason for reason in counters.not_gated(other)] == [True]


def test_counts_that_differ_between_passes_are_not_kept(tmp_path: Path) -> None:
    loose = counted(False)
    with pytest.raises(SystemExit, match="cost: something"):
        counters.keep([loose], tmp_path / "counters.json")


def test_texts_are_the_same_everywhere() -> None:
    corpus = Corpus(seed=7)
    texts = corpus.documents(400)
    assert texts == Corpus(seed=7).documents(400)
    assert len(set(texts)) < len(texts), "some are copies"
    assert any(word in text for text in texts for word in FOREIGN)
    assert {len(text) for text in corpus.of_length(LARGE, 3)} == {LARGE}


def counted(exact: bool = True, /, **counts: float) -> Report:
    names = ("tasks", "callbacks", "timers", "threads", "calls", "allocations")
    cost = Cost(operations=10, exact=exact, **{name: counts.get(name, 1) for name in names})
    return Report(
        mode="cost",
        name="something",
        parameters={},
        started="2026-01-01T00:00:00+00:00",
        seconds=1.0,
        verdict=Verdict(),
        environment=environment(None),
        cost=cost,
    )
