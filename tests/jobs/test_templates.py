"""A text made of several columns."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from aembed import Config
from aembed.jobs import JobInputError, run
from tests.jobs.conftest import records
from tests.jobs.provider import Remembers
from tests.jobs.test_inputs import read


def test_text_of_several_columns() -> None:
    rows = [
        {"t": "A", "a": "b"},
        {"t": "C"},
        {"a": None, "t": "D"},
        {"x": 1},
        {"t": 5, "a": "\ud800"},
        {"t": 5, "a": [1]},
    ]
    Path("r.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    found = [row[2] for row in read("r.jsonl", text="{t}: {a} {{}}")[0]]
    assert found[:3] == ["A: b {}", "C:  {}", "D:  {}"]
    assert found[3] == "'t' and 'a' are empty or blank, and have no meaning to embed"
    assert found[4:] == ["the text has a lone surrogate at character 3", "5: [1] {}"]
    Path("r.csv").write_text("t,a\nA,b\nC,\n")
    assert [row[2] for row in read("r.csv", text="{t}\n\n{a}")[0]] == ["A\n\nb", "C\n\n"]
    with pytest.raises(JobInputError, match="has no column 'title'; it has 't', 'a': name one in the template"):
        read("r.csv", text="{title}")


async def test_template_with_a_name_that_no_row_has() -> None:
    Path("r.jsonl").write_text('{"title": "A"}\n')
    with pytest.raises(JobInputError, match="no row has 'abstrct'; check the template"):
        await run("r.jsonl", "v.npy", model=Remembers(), config=Config(), text="{title} {abstrct}")


@pytest.mark.parametrize("output", ["v.jsonl", "v.parquet"])
async def test_columns_of_a_template_stay(output: str) -> None:
    pa = pytest.importorskip("pyarrow", reason="needs the extra parquet")
    import pyarrow.parquet as pq

    pq.write_table(pa.table({"title": ["A", None], "year": [1990, 1991]}), "r.parquet")
    provider = Remembers()
    await run("r.parquet", output, model=provider, config=Config(), text="{title} ({year})")
    assert provider.asked == ["A (1990)", " (1991)"]
    rows = records(output) if output == "v.jsonl" else pq.read_table(output).to_pylist()
    assert [(row["title"], row["year"]) for row in rows] == [("A", 1990), (None, 1991)]
