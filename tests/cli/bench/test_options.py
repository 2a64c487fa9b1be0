"""Options of a command, each given to a real run whose report shows it."""

from __future__ import annotations

from pathlib import Path

import pytest

from aembed.bench import Report, reports_from_json
from aembed.cli.bench.values import seconds
from tests.cli.bench.command import SHORT, aembed

APP = """
import json

async def app(scope, receive, send):
    if scope["type"] != "http":
        return
    message = await receive()
    good = json.loads(message["body"])["user"] == scope["path"].rpartition("/")[2]
    await send({"type": "http.response.start", "status": 200 if good else 500, "headers": []})
    await send({"type": "http.response.body", "body": b"{}"})
"""


def reported(place: Path, *arguments: str) -> Report:
    done = aembed(*arguments, "--json", "o.json", cwd=place)
    assert done.returncode in {0, 1, 3}, done.stderr
    return reports_from_json((place / "o.json").read_bytes())[0]


def test_an_application_gets_paths_and_bodies(place: Path) -> None:
    (place / "app.py").write_text(APP)
    request = ("--asgi", "app:app", "POST /users/{}", "--body", '{"user": "{}"}', "--data", "1..9")
    found = reported(place, "load", *request, *SHORT["load"])
    assert found.traffic is not None
    assert found.traffic.ok == found.traffic.offered > 0


@pytest.mark.parametrize(
    ("arguments", "source"),
    [
        (("--texts", "lines.txt"), "lines.txt, 1 per call"),
        (("--corpus", "documents", "--tokens", "20..50", "--copies", "50%", "-n", "2..3"), "documents"),
    ],
)
def test_a_model_gets_the_texts_that_were_asked_for(place: Path, arguments: tuple[str, ...], source: str) -> None:
    (place / "lines.txt").write_text("one\ntwo\nthree\n")
    found = reported(place, "load", "-m", "mock", "--price", "2", "--with-merge", *arguments, *SHORT["load"])
    assert found.work is not None
    assert source in found.work.source
    assert found.work.price == 2
    assert found.work.cost == pytest.approx(2 * found.work.tokens / 1e6)
    assert found.work.repeated


def test_steps_stop_at_the_highest_rate(place: Path) -> None:
    found = reported(
        place,
        "steps",
        "subjects.py:quick",
        *SHORT["steps"],
        "--slo",
        "p95=10s",
        "--highest",
        "60",
        "--precision",
        "50%",
    )
    assert found.steps is not None
    assert max(step.rate for step in found.steps.steps) <= 60


def test_a_sweep_counts_items_with_a_margin(place: Path) -> None:
    grid = ("--over", "turns=1,2", "--over", "users=1", "--block", "50ms", "--duration", "400ms")
    found = reported(place, "sweep", "subjects.py:turns", *grid, "--items", "turns", "--margin", "20%")
    assert found.sweep is not None
    assert (found.sweep.items, found.sweep.margin) == ("turns", 0.2)


def test_a_sweep_that_is_too_short_is_not_announced(place: Path) -> None:
    done = aembed("sweep", "subjects.py:quick", "--over", "users=1,2", "--duration", "5s", cwd=place)
    assert done.returncode == 2
    assert done.stderr.startswith("aembed: a duration of 5 s is too short for 4 blocks of 2 s")


def test_sides_are_ranked_by_a_percentile(place: Path) -> None:
    turns = ("--rate", "50", "--duration", "600ms", "--block", "100ms")
    (place / "others.py").write_text((place / "subjects.py").read_text())
    found = reported(place, "versus", "subjects.py:quick", "others.py:quick", *turns, "--by", "p90")
    assert found.versus is not None
    assert found.versus.by == "p90"


def test_a_soak_has_a_tolerance(place: Path) -> None:
    found = reported(place, "sustained", "subjects.py:quick", *SHORT["sustained"], "--tolerance", "30%")
    assert found.drift is not None
    assert found.drift.tolerance == 0.3


def test_fewer_operations_can_be_enough(place: Path) -> None:
    found = reported(place, "memory", "subjects.py:quick", "--operations", "400")
    assert found.memory is not None
    assert found.memory.operations <= 400


def test_a_log_of_another_program_has_its_unit(place: Path) -> None:
    reported(place, "load", "subjects.py:quick", *SHORT["load"], "--hlog", "run.hlog")
    slowest = []
    for unit in ("ns", "us"):
        done = aembed("report", "run.hlog", "--unit", unit, cwd=place)
        (line,) = (line for line in done.stdout.splitlines() if line.startswith("max "))
        slowest.append(seconds(line.removeprefix("max ").strip().replace(" ", "")))
    assert slowest[1] == pytest.approx(1000 * slowest[0], rel=0.01)
