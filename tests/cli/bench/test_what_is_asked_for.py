"""The runner gets the defaults of a command, and the options that were given."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import anyio.lowlevel
import pytest

pytest.importorskip("typer", reason="needs the extra cli")
pytest.importorskip("scipy", reason="needs the extra bench")

from aembed import InputError, bench
from aembed.cli.bench import judging
from tests.cli.command import Aembed

REQUESTS = {"timeout": None, "min_good": None, "slo": (), "seed": 0}
RUN = REQUESTS | {"abort": False, "why": False, "processes": 1, "drain": 10.0, "max_in_flight": 10_000}
DEFAULTS: dict[str, dict[str, Any]] = {
    "load": RUN | {"arrivals": "poisson(rate=100)", "duration": 30.0},
    "users": RUN | {"users": 10, "think": 1.0, "duration": 40.0},
    "burst": RUN | {"base": 20.0, "spike": 200.0, "spike_s": 2.0, "duration": 30.0},
    "sustained": RUN | {"arrivals": "poisson(rate=100)", "duration": 300.0, "tolerance": 0.1},
    "steps": {"objective": bench.Objective(q=0.95, seconds=0.1, errors=None), "at_least": None}
    | {"start": 10.0, "step_s": 10.0, "highest": None, "precision": 0.05}
    | {"seed": 0, "timeout": None, "processes": 1},
    "sweep": REQUESTS | {"over": {}, "duration": None, "block_s": 2.0, "items": None, "margin": 0.05},
    "micro": {"processes": 5, "slo": ()},
    "memory": {"operations": 20_000, "seconds": 60.0},
    "cost": {},
    "scaling": {"processes": 5},
}
MODEL = dict.fromkeys(
    ("model", "texts", "corpus", "tokens", "copies", "price", "base_url", "rpm", "tpm", "with_cache", "with_merge")
)


class Asked(dict[str, Any]):
    """Keywords of the call, which is not made."""

    subject: Any = None


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> Asked:
    found = Asked()

    async def note(subject: Any, *others: Any, **given: Any) -> None:
        await anyio.lowlevel.checkpoint()
        found.subject = subject
        given.pop("stop", None)
        given.pop("progress", None)
        found.update({name: str(value) if name == "arrivals" else value for name, value in given.items()})
        raise InputError(f"asked for {len(others)} others")

    for name in [*DEFAULTS.keys() - {"users"}, "closed", "versus", "concurrency"]:
        monkeypatch.setattr(bench, name, note)
    monkeypatch.setattr(judging, "ab_revision", note)
    return found


@pytest.mark.parametrize("command", [name for name in DEFAULTS if name != "sweep"])
def test_the_defaults_of_a_command(bench_here: Aembed, asked: Asked, command: str) -> None:
    code, out, err = bench_here(command)
    assert (code, out) == (2, "")
    assert err.endswith("aembed: asked for 0 others\n")
    assert asked == DEFAULTS[command]
    if command == "scaling":
        documents = (1, 5, 20, 50, 100)
        assert asked.subject.parameters == dict.fromkeys(MODEL, (None,)) | {"documents": documents}
    else:
        assert asked.subject.scenario.name == "embed_documents"
        assert asked.subject.parameters == MODEL | {"documents": 1}
    operations = "20,000 operations, or as many as fit into 60 s, of each case\n" if command == "memory" else ""
    assert err.startswith(operations or "aembed: ")


LOAD = "--timeout 5s --min-good 90% --seed 7 --slo errors=1% --why --abort --processes 2 --drain 3s --max-in-flight 8"


@pytest.mark.parametrize(
    ("arguments", "wanted"),
    [
        (
            f"load {LOAD} --rate 10",
            {"arrivals": "poisson(rate=10)", "duration": 40.0, "timeout": 5.0, "min_good": 0.9, "seed": 7}
            | {"slo": bench.goals("errors=1%"), "why": True, "abort": True, "processes": 2, "drain": 3.0}
            | {"max_in_flight": 8},
        ),
        ("load --duration 3s", {"duration": 3.0}),
        ("load -r 8/s --arrivals constant", {"arrivals": "constant(rate=8)", "duration": 50.0}),
        ("users -u 4 --think 100ms", {"users": 4, "think": 0.1, "duration": 30.0}),
        ("users --think 2s", {"think": 2.0, "duration": 80.0}),
        ("users --duration 9s", {"duration": 9.0}),
        ("burst --base 10 --spike 50 --spike-for 1s", {"base": 10.0, "spike": 50.0, "spike_s": 1.0, "duration": 60.0}),
        ("burst --duration 9s", {"duration": 9.0}),
        ("sustained --rate 5 -d 1m --tolerance 5%", {"arrivals": "poisson(rate=5)", "duration": 60, "tolerance": 0.05}),
        (
            "steps --slo p90=1s,errors=2%,rate=9/s --start 1 --step-for 3s --highest 20 --precision 1% --timeout 4s",
            {"objective": bench.Objective(q=0.9, seconds=1.0, errors=0.02), "at_least": 9.0, "timeout": 4.0}
            | {"start": 1.0, "step_s": 3.0, "highest": 20.0, "precision": 0.01},
        ),
        (
            "sweep --over users=1,4 --over documents=1,0.5,x --items documents --margin 10% --block 1s -d 9m",
            {"over": {"users": (1, 4), "documents": (1, 0.5, "x")}, "items": "documents", "margin": 0.1}
            | {"block_s": 1.0, "duration": 540.0},
        ),
        ("micro --processes 1 --slo time=50us", {"processes": 1, "slo": bench.goals("time=50us")}),
        ("memory --operations 100 -d 5s", {"operations": 100, "seconds": 5.0}),
        ("scaling --processes 1", {"processes": 1}),
    ],
)
def test_options_of_a_command(bench_here: Aembed, asked: Asked, arguments: str, wanted: dict[str, Any]) -> None:
    command, *options = arguments.split()
    assert bench_here(command, *options).err.endswith("aembed: asked for 0 others\n")
    assert asked == DEFAULTS[command] | wanted


def test_a_sweep_says_how_long_it_takes(bench_here: Aembed, asked: Asked) -> None:
    said = bench_here("sweep", "--over", "users=1,4", "--duration", "20s").err
    assert said == "2 cells in blocks of 2 s: 16 s to 20 s, and set-up\naembed: asked for 0 others\n"
    assert asked == DEFAULTS["sweep"] | {"over": {"users": (1, 4)}, "duration": 20.0}
    said = bench_here("sweep", "--over", "users=1,4", "--duration", "2m").err
    assert said.startswith("2 cells in blocks of 2 s: 16 s to 2 min 0 s, and set-up\n")
    said = bench_here("sweep", "--over", "users=1,4", "--duration", "16s").err
    assert said.startswith("2 cells in blocks of 2 s: 16 s, and set-up\n")


@pytest.mark.parametrize(
    ("arguments", "parameters"),
    [
        ("-m mock -n 3", {"model": "mock", "documents": 3}),
        ("-n 2..3 --corpus queries --tokens 5 --copies 50% --price 2", {"documents": "2..3", "corpus": "queries"}
         | {"tokens": "5", "copies": 0.5, "price": 2.0}),
        ("--base-url http://h --rpm 5 --tpm 6 --with-cache --with-merge", {"base_url": "http://h", "rpm": 5.0}
         | {"tpm": 6.0, "with_cache": True, "with_merge": True}),
    ],
)  # fmt: skip
def test_a_model_is_measured_with_its_options(
    bench_here: Aembed, asked: Asked, arguments: str, parameters: dict[str, Any]
) -> None:
    bench_here("load", *arguments.split())
    assert asked.subject.parameters == MODEL | {"documents": 1} | parameters


def test_a_query_has_no_number_of_documents(bench_here: Aembed, asked: Asked) -> None:
    bench_here("load", "--query", "--texts", "subjects.py")
    assert asked.subject.scenario.name == "embed_query"
    assert asked.subject.parameters == MODEL | {"texts": str(Path("subjects.py").resolve())}


@pytest.mark.parametrize(
    ("arguments", "name", "parameters"),
    [
        (("--asgi", "app:app"), "asgi", {"application": "app:app", "request": "GET /", "body": None, "data": None}),
        (
            ("--url", "http://h", "POST /x/{}", "--body", "{}", "--data", "1..9"),
            "http",
            {"url": "http://h", "request": "POST /x/{}", "body": "{}", "data": "1..9"},
        ),
        (("subjects.py:quick",), "quick", {}),
        (("--scenario", "subjects.py:user", "--data", "1..9"), "user", {"data": "1..9"}),
        (("subjects.py:turns",), "turns", {"turns": 1}),
    ],
)
def test_a_subject_that_is_no_model(
    bench_here: Aembed, asked: Asked, arguments: tuple[str, ...], name: str, parameters: dict[str, Any]
) -> None:
    bench_here("load", *arguments)
    assert (asked.subject.scenario.name, asked.subject.parameters) == (name, parameters)


def test_scaling_varies_documents_or_users(bench_here: Aembed, asked: Asked) -> None:
    bench_here("scaling", "subjects.py:turns")
    assert asked.subject.parameters == {"turns": (1, 2)}
    bench_here("scaling", "--over", "2,3")
    assert asked.subject.parameters["documents"] == (2, 3)
    bench_here("scaling", "subjects.py:turns", "--users", "1,4")
    assert asked.subject.parameters == {"turns": 1}
    assert asked["users"] == (1, 4)


def test_sides_and_their_turns(bench_here: Aembed, asked: Asked) -> None:
    bench_here("versus", "-m", "mock", "-m", "openai:m@http://h/v1")
    assert asked == REQUESTS | {"arrivals": "poisson(rate=20)", "duration": 90.0, "block_s": 3.0, "by": "p50"} | {
        "why": False
    }
    assert {name: (case.model, case.base_url) for name, case in asked.subject.items()} == {
        "mock": ("mock", None),
        "openai:m@http://h/v1": ("openai:m", "http://h/v1"),
    }
    turns = ("--rate", "5", "-d", "9s", "--block", "1s", "--by", "p90", "--why")
    bench_here("versus", "-m", "mock", "subjects.py:quick", "subjects.py:fails", *turns)
    wanted = {"arrivals": "poisson(rate=5)", "duration": 9.0, "block_s": 1.0, "by": "p90", "why": True}
    assert asked.items() >= wanted.items()
    assert list(asked.subject) == ["mock", "subjects.py:quick", "subjects.py:fails"]


def test_revisions_are_compared_within_a_budget(bench_here: Aembed, asked: Asked) -> None:
    assert bench_here("ab", "--base", "HEAD", "benchmarks.py").err == "aembed: asked for 1 others\n"
    assert (asked.subject, asked) == ("benchmarks.py", {"budget": 60.0})
    bench_here("ab", "--base", "HEAD", "--scenario", "others.py", "--budget", "2m")
    assert (asked.subject, asked) == ("others.py", {"budget": 120.0})
