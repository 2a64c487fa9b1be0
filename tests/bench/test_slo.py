"""Objectives as they are written: on a command line, in files and in sentences."""

from __future__ import annotations

from pathlib import Path

import anyio
import pytest

from aembed import InputError
from aembed.bench import Goal, constant, load, scenario
from aembed.bench.micro.timing import judged as decide_micro
from aembed.bench.model.objectives import Judgement
from aembed.bench.slo import advice, goals, goals_for, read, sentence
from tests.bench.reports import micro, report

P95 = Goal(metric="p95", limit=0.05)


def test_objectives_are_read() -> None:
    assert goals("p95=50ms, errors=1%,rate=200/s,recovery=5s") == (
        P95,
        Goal(metric="errors", limit=0.01),
        Goal(metric="rate", limit=200.0),
        Goal(metric="recovery", limit=5.0),
    )
    assert goals("time=50us,cpu=1")[0].limit == pytest.approx(50e-6)
    assert goals([P95]) == (P95,)


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("p95", "'p95' is not an objective; write p95=50ms"),
        ("error=1%", "'error=1%' is not an objective; write errors=1%"),
        ("p95=fast", "'p95=fast' is not an objective; write p95=50ms"),
        ("p100=1s", "p100 is not a percentile"),
        ("errors=100%", r"errors=1 must be a share from 0 to below 1"),
        ("rate=0", "rate=0 must be above 0, such as rate=200/s"),
        ("rate=5%", "'rate=5%' is not an objective; write rate=200/s"),
        ("p95=1s,p95=2s", "slo has p95 2 times"),
    ],
)
def test_a_bad_objective_is_named(text: str, problem: str) -> None:
    with pytest.raises(InputError, match=problem):
        goals(text)


def test_a_mode_takes_objectives_it_measures() -> None:
    assert goals_for("burst", "recovery=5s")
    with pytest.raises(
        InputError, match="load does not measure recovery; it has errors, percentiles such as p95, rate"
    ):
        goals_for("load", "recovery=5s")
    with pytest.raises(InputError, match="micro does not measure p95; it has cpu, time"):
        goals_for("micro", "p95=5s")


def test_a_file_of_objectives(tmp_path: Path) -> None:
    file = tmp_path / "slo.toml"
    file.write_text('p95 = "50ms"\nerrors = "2%"\n[burst]\nrecovery = "5s"\nerrors = "5%"\n[micro]\ntime = "1ms"\n')
    assert read(file, "load") == goals("p95=50ms,errors=2%")
    assert read(file, "burst") == goals("p95=50ms,errors=5%,recovery=5s")
    assert read(file, "micro") == goals("time=1ms")
    file.write_text("[lode]\np95 = 1\n")
    with pytest.raises(InputError, match=r"\[lode\] is not a mode; tables are burst, load"):
        read(file, "load")
    file.write_text("p95 =")
    with pytest.raises(InputError, match="is not a file of objectives"):
        read(file, "load")


def test_sentences() -> None:
    late = Judgement(goal=P95, state="broken", value=0.0612, low=0.0581, high=0.0649)
    assert sentence(late) == "p95: 61.2 ms (58.1 to 64.9 ms), at most 50.0 ms allowed: broken"
    open_ = Judgement(goal=Goal(metric="errors", limit=0.01), state="inconclusive", value=0.0, seconds_longer=30)
    assert advice(open_) == "inconclusive: run 30 s longer"
    assert "too close to the limit" in advice(Judgement(goal=P95, state="inconclusive", value=0.05))


@pytest.mark.parametrize(
    ("slo", "state"), [("time=1.1us", "ok"), ("time=1us", "inconclusive"), ("cpu=0.9us", "over budget")]
)
def test_one_operation_has_objectives(slo: str, state: str) -> None:
    assert decide_micro(report(micro=micro(1e-6, 0.05)), goals(slo)).verdict.state == state


@pytest.mark.virtual_time
async def test_a_scenario_brings_its_objectives() -> None:
    @scenario(slo="p95=50ms,recovery=5s")
    async def slow() -> None:
        await anyio.sleep(0.1)

    found = await load(slow, arrivals=constant(100), duration=2)
    assert [(judgement.goal.metric, judgement.state) for judgement in found.objectives] == [("p95", "broken")]
    relaxed = await load(slow, arrivals=constant(100), duration=2, slo="p95=200ms")
    assert relaxed.verdict.state == "ok"
