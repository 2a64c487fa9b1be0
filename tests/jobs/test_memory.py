"""A longer job takes no more memory."""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
import tracemalloc
from pathlib import Path
from typing import Any

import pytest

from aembed import Config, Limits
from aembed.jobs import JobInputError, run
from tests.loops import run as run_on_a_loop


def peak(rows: int, output: str) -> int:
    """Peak bytes of Python and numpy, less those held before."""
    with Path("r.jsonl").open("w") as file:
        for i in range(rows):
            text = "" if i % 100 == 3 else f"row {i}"
            file.write(json.dumps({"text": text, "group": i % 7}) + "\n")
    job = run(
        "r.jsonl",
        output,
        model="mock",
        config=Config(),
        dimensions=8,
        batch_size=128,
        limits=Limits(max_concurrency=1),
        force=True,  # over the output of fewer rows
    )
    tracemalloc.start()
    try:
        run_on_a_loop(job, loop_factory=asyncio.new_event_loop)
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize("output", ["v.npy", "v.jsonl", "v.parquet"])
def test_memory_does_not_grow_with_the_input(output: str) -> None:
    if output.endswith(".parquet"):
        pytest.importorskip("pyarrow", reason="needs the extra parquet")
    peak(500, output)  # objects that are made once
    few, many = peak(4_000, output), peak(10_000, output)
    assert many - few < 10 * 6_000, "a row leaves less than 10 bytes"


LONG_ROWS = """
import asyncio, pathlib, re, sys
from aembed import Config
from aembed.jobs import run
with open("r.jsonl", "w") as file:
    unused = "u" * 10**6 * (int(sys.argv[2]) - 1)
    for i in range(200 // int(sys.argv[2])):
        file.writelines(['{"text": "', f"{i:09} " * 100_000, '", "unused": "', unused, '"}', chr(10)])
asyncio.run(run("r.jsonl", sys.argv[1], model="mock", dimensions=8, config=Config()))
print(*re.findall("VmHWM:(.*)kB", pathlib.Path("/proc/self/status").read_text()))  # ru_maxrss begins at the parent's
"""


@pytest.mark.skipif(sys.platform != "linux", reason="counts in kilobytes as Linux does")
@pytest.mark.parametrize("megabytes", [2, 16])
@pytest.mark.parametrize("output", ["v.npy", "v.jsonl", "v.parquet"])
def test_fault_121_rows_of_megabytes_take_no_more_memory(output: str, megabytes: int) -> None:
    """200 MB of input in rows up to the longest that is read: a process needs 72 to 139 MB, with pyarrow 154 to 256."""
    if output.endswith(".parquet"):
        pytest.importorskip("pyarrow", reason="needs the extra parquet")
    most = 300_000 if output.endswith(".parquet") else 200_000
    ended = subprocess.run([sys.executable, "-c", LONG_ROWS, output, str(megabytes)], capture_output=True, check=True)
    assert int(ended.stdout) < most


@pytest.mark.parametrize(("text", "output"), [("text", "v.npy"), ("other", "v.jsonl")])
async def test_page_of_parquet_that_takes_too_much_memory_is_rejected_before(text: str, output: str) -> None:
    """pyarrow reads a page as a whole; it may be in a column that only the output has."""
    pa = pytest.importorskip("pyarrow", reason="needs the extra parquet")
    pq = pytest.importorskip("pyarrow.parquet")
    table = pa.table({"text": ["x" * 20_000 + str(i) for i in range(1000)], "other": [f"row {i}" for i in range(1000)]})
    pq.write_table(table, "large.parquet", use_dictionary=False)
    pq.write_table(table, "small.parquet", use_dictionary=["other"], write_batch_size=16)
    options: Any = {"model": "mock", "dimensions": 8, "config": Config(), "text_column": text, "max_row_bytes": 2**20}
    with pytest.raises(JobInputError, match=r"column 'text' has 20,00\d,\d+ bytes.*max_row_bytes=250\d{4}"):
        await run("large.parquet", output, **options)
    assert (await run("small.parquet", output, **options)).embedded == 1000
    if output == "v.jsonl":
        assert (await run("large.parquet", "v.npy", **options)).embedded == 1000, "the column is not read"
    options["max_row_bytes"] = 2_550_000
    assert (await run("large.parquet", output, force=True, **options)).embedded == 1000


OTHER_ROWS = """
import asyncio, gzip, json, pathlib, re, sys
from aembed import Config
from aembed.jobs import run
kind, options = sys.argv[1], {}
line = json.dumps({"text": "123456789 " * 100_000, "unused": "u" * 1_000_000}) + chr(10)
if kind == "r.csv":
    with open(kind, "w") as file:
        file.write("text,unused" + chr(10) + '"never closed,1' + chr(10))
        file.writelines(f"row {i},{i}" + chr(10) for i in range(1_700_000))
    options["limit"] = 1000
elif kind == "r.jsonl.gz":
    with gzip.open(kind, "wt", compresslevel=1) as file:
        file.writelines([line] * 100)
elif kind == "r.jsonl":
    with open(kind, "w", encoding="utf-16") as file:
        file.writelines([line] * 100)
    options["encoding"] = "utf-16"
asyncio.run(run(kind, "v.npy", model="mock", dimensions=8, config=Config(), **options))
print(*re.findall("VmHWM:(.*)kB", pathlib.Path("/proc/self/status").read_text()))  # ru_maxrss begins at the parent's
"""


@pytest.mark.skipif(sys.platform != "linux", reason="counts in kilobytes as Linux does")
@pytest.mark.parametrize("name", ["r.csv", "r.jsonl.gz", "r.jsonl"])
def test_quotes_compression_and_encodings_take_no_more_memory(name: str) -> None:
    """A quote that is never closed is searched to the end of the cap on a row."""
    ended = subprocess.run([sys.executable, "-c", OTHER_ROWS, name], capture_output=True, check=True)
    assert int(ended.stdout) < 300_000


@pytest.mark.skipif(sys.platform != "linux", reason="counts in kilobytes as Linux does")
def test_row_group_of_parquet_takes_no_more_memory() -> None:
    """100 MB: some values in a dictionary, the rest behind it."""
    pa = pytest.importorskip("pyarrow", reason="needs the extra parquet")
    pq = pytest.importorskip("pyarrow.parquet")
    pq.write_table(pa.table({"text": [f"{i:09} " * 1000 for i in range(10_000)]}), "r.parquet")
    ended = subprocess.run([sys.executable, "-c", OTHER_ROWS, "r.parquet"], capture_output=True, check=True)
    assert int(ended.stdout) < 300_000


WIDE_ROWS = """
import asyncio, pathlib, re, sys
from aembed import Config
from aembed.jobs import run
pathlib.Path("t.txt").write_text("".join(f"row {number}" + chr(10) for number in range(40_000)))
asyncio.run(run("t.txt", sys.argv[1:], model="mock", dimensions=1536, cache="./c.db", config=Config()))
print(*re.findall("VmHWM:(.*)kB", pathlib.Path("/proc/self/status").read_text()))  # ru_maxrss begins at the parent's
"""


@pytest.mark.skipif(sys.platform != "linux", reason="counts in kilobytes as Linux does")
def test_wide_vectors_and_a_cache_take_no_more_memory() -> None:
    """250 MB of vectors that come faster than the cache stores them: 257 MB, up to 303 while all cores are busy."""
    pytest.importorskip("pyarrow", reason="needs the extra parquet")
    ended = subprocess.run([sys.executable, "-c", WIDE_ROWS, "v.npy", "v.parquet"], capture_output=True, check=True)
    assert int(ended.stdout) < 330_000
