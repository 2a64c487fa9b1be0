"""Results that are kept: files in any encoding, comparisons and histories."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from aembed.bench import reports_from_json, reports_to_json
from tests.bench.samples import invalid, sample
from tests.cli.bench.command import SHORT, aembed
from tests.cli.command import Aembed


@pytest.mark.parametrize("encoding", ["cp932", "cp936", "cp949", "cp950", "ascii", "latin-1", "utf-8"])
def test_fault_127_output_has_only_characters_of_its_encoding(place: Path, encoding: str) -> None:
    """With microseconds among the figures, and a name that few encodings have."""
    (place / "subjects.py").write_text("async def μ_二_ß():\n    pass\n", encoding="utf-8")
    done = aembed(
        *("load", "--scenario", "subjects.py:μ_二_ß", *SHORT["load"], "--slo", "p95=50us"),
        *("--json", "o.json", "--html", "o.html", "--junit", "o.xml"),
        cwd=place,
        PYTHONIOENCODING=encoding,
        PYTHONUTF8="1",  # of the file system, which is another matter
    )
    (report,) = reports_from_json((place / "o.json").read_bytes())
    assert report.name == "μ_二_ß"
    assert re.search(r"[0-9] (us|µs)", done.stdout)
    assert (place / "o.html").exists()
    assert (place / "o.xml").exists()
    assert (done.stderr, done.returncode) == ("", report.verdict.exit_code)


def test_a_file_that_cannot_be_written_is_reported_last(place: Path) -> None:
    (place / "subjects.py").write_text("import os\nos.makedirs('o.json', exist_ok=True)\nasync def quick(): pass\n")
    done = aembed("cost", "subjects.py:quick", "--json", "o.json", "--junit", "o.xml", cwd=place)
    assert "callbacks" in done.stdout
    assert (place / "o.xml").exists()
    assert done.stderr == "aembed: o.json cannot be written: Is a directory\n"
    assert done.returncode == 2


def test_compare_judges_and_rejects(bench_here: Aembed, place: Path) -> None:
    reports = [sample("cost")]
    (place / "a.json").write_bytes(reports_to_json(reports))
    same = bench_here("compare", "a.json", "a.json", "--html", "c.html")
    assert same.code == 0
    assert "callbacks" in same.out
    assert (place / "c.html").exists()
    other = json.loads((place / "a.json").read_bytes())
    (place / "b.json").write_text(json.dumps({**other, "schema": 999}))
    rejected = bench_here("compare", "a.json", "b.json")
    assert rejected.code == 2
    assert "schema 999" in rejected.err


def test_history_is_added_to_and_shown(bench_here: Aembed, place: Path) -> None:
    (place / "a.json").write_bytes(reports_to_json([sample("cost")]))
    for times in (1, 2):
        done = bench_here("history", "results.jsonl", "--add", "a.json", *(("--html", "t.html") if times == 2 else ()))
        assert done.code == 0
        assert done.out.startswith("1 report added to results.jsonl\n")
        assert len((place / "results.jsonl").read_text().splitlines()) == times
        assert (place / "t.html").exists() == (times == 2)
    assert "callbacks" in done.out
    with (place / "results.jsonl").open("a") as file:
        file.write("torn\n" * 12)
    done = bench_here("history", "results.jsonl")
    assert "added" not in done.out
    assert done.out.endswith("12 lines could not be read: 3, 4, 5, 6, 7, 8, 9, 10, 11, 12\n")


def test_several_files_are_added_to_a_history(bench_here: Aembed, place: Path) -> None:
    for name, made in (("a.json", sample("cost")), ("b.json", sample("micro"))):
        (place / name).write_bytes(reports_to_json([made]))
    done = bench_here("history", "results.jsonl", "--add", "a.json", "--add", "b.json")
    assert "2 reports added to results.jsonl" in done.out
    assert "not added" not in done.out
    assert "callbacks" in done.out
    assert "CPU time" in done.out


def test_an_invalid_report_is_not_added_to_a_history(bench_here: Aembed, place: Path) -> None:
    (place / "a.json").write_bytes(reports_to_json([invalid()]))
    done = bench_here("history", "results.jsonl", "--add", "a.json")
    assert done.code == 2
    assert done.out.startswith(  # without "0 reports added"
        "not added to results.jsonl, because a run that is INVALID has no figures: open loop: "
    )
    assert done.err == "aembed: no such file: results.jsonl. Add reports of valid runs with --add\n"
    same = bench_here("compare", "a.json", "a.json")
    assert same.code == 3
    (place / "both.json").write_bytes(reports_to_json([sample("cost"), invalid()]))
    assert bench_here("report", "both.json", "--openmetrics", "o.txt").code == 3, "the worst decides"
    assert (place / "o.txt").exists()
    assert "Not judged" in same.out
    assert "Comparison" not in same.out, "a table without lines"
