"""Results that are kept: files in any encoding, comparisons and histories."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from aembed.bench import reports_from_json, reports_to_json
from tests.bench.samples import invalid, samples
from tests.cli.bench.command import SHORT, aembed


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


def test_compare_judges_and_rejects(place: Path) -> None:
    reports = [samples()["cost"]]
    (place / "a.json").write_bytes(reports_to_json(reports))
    same = aembed("compare", "a.json", "a.json", "--html", "c.html", cwd=place)
    assert same.returncode == 0
    assert "callbacks" in same.stdout
    assert (place / "c.html").exists()
    other = json.loads((place / "a.json").read_bytes())
    (place / "b.json").write_text(json.dumps({**other, "schema": 999}))
    rejected = aembed("compare", "a.json", "b.json", cwd=place)
    assert rejected.returncode == 2
    assert "schema 999" in rejected.stderr


def test_history_is_added_to_and_shown(place: Path) -> None:
    (place / "a.json").write_bytes(reports_to_json([samples()["cost"]]))
    for times in (1, 2):
        done = aembed("history", "results.jsonl", "--add", "a.json", "--html", "t.html", cwd=place)
        assert done.returncode == 0
        assert len((place / "results.jsonl").read_text().splitlines()) == times
    assert "callbacks" in done.stdout
    assert (place / "t.html").exists()


def test_several_files_are_added_to_a_history(place: Path) -> None:
    for name, made in (("a.json", samples()["cost"]), ("b.json", samples()["micro"])):
        (place / name).write_bytes(reports_to_json([made]))
    done = aembed("history", "results.jsonl", "--add", "a.json", "--add", "b.json", cwd=place)
    assert "2 reports added to results.jsonl" in done.stdout
    assert "callbacks" in done.stdout
    assert "CPU time" in done.stdout


def test_an_invalid_report_is_not_added_to_a_history(place: Path) -> None:
    (place / "a.json").write_bytes(reports_to_json([invalid()]))
    done = aembed("history", "results.jsonl", "--add", "a.json", cwd=place)
    assert done.returncode == 2
    assert done.stdout.startswith(
        "not added to results.jsonl, because a run that is INVALID has no figures: open loop: "
    )
    assert done.stderr == "aembed: no such file: results.jsonl. Add reports of valid runs with --add\n"
    same = aembed("compare", "a.json", "a.json", cwd=place)
    assert same.returncode == 3
    assert "Not judged" in same.stdout
    assert "Comparison" not in same.stdout, "a table without lines"
