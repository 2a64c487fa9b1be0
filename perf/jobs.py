"""``python -m perf.jobs``: memory and speed of a bulk job, on the mock.

Each output is written in a separate process. Resident memory is read every tenth of a second while it runs; the value
after the first tenth of the rows is printed next to the peak, because a job that keeps finished rows
would show it there. ``copy`` reads the input and writes as many bytes, and does nothing else: the floor.
``loop-*`` is a hand-written loop of msgspec, the mock itself and numpy or pyarrow: no journal, no rejects, no resume.
``cache`` is the job that writes ``npy`` with a new cache file, ``cache-again`` the next one with the same file; for a
tenth of the rows as well, because their number must not change the speed. ``loop-cache`` has a plain SQLite table.
CPU time (of the process and the system) is what to compare where other programs run on the machine.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import sqlite3
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from hashlib import sha256
from itertools import islice
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import psutil

from aembed import Config, Vectors
from aembed.jobs import JobProgress, run
from aembed.jobs.writers.jsonl import short
from aembed.providers.mock import MockOptions, MockProvider

MEGABYTE = 1e6
BATCH = 256
OUTPUTS = ("copy", "npy", "loop-npy", "jsonl", "loop-jsonl", "parquet", "loop-parquet", "cache", "loop-cache")


def write_rows(path: Path, rows: int) -> None:
    with path.open("w") as file:
        for i in range(rows):
            text = f"row {i}: a sentence of some fifty characters or so"
            file.write(json.dumps({"id": f"id-{i:09}", "text": text, "group": i % 100}) + "\n")


class Watch:
    """Resident memory of this process while a job runs."""

    def __init__(self, rows: int) -> None:
        self.rows = rows
        self.at_start = self.at_tenth = self.most = 0
        self._process = psutil.Process()

    def __call__(self, now: JobProgress) -> None:
        resident = self._process.memory_info().rss
        self.at_start = self.at_start or resident
        self.most = max(self.most, resident)
        if now.phase == "embedding" and now.done <= self.rows // 10:
            self.at_tenth = resident


async def job(source: str, output: str, rows: int, dim: int, cache: str | None) -> dict[str, float]:
    watch = Watch(rows)
    report = await run(source, output, model="mock", dimensions=dim, config=Config(), cache=cache, on_progress=watch)
    return {
        "seconds": report.elapsed,
        "start": watch.at_start / MEGABYTE,
        "tenth": (watch.at_tenth or watch.at_start) / MEGABYTE,
        "most": watch.most / MEGABYTE,
    }


class SqliteTable:
    """The least that a cache in SQLite does: digest -> row, a transaction for each batch."""

    def __init__(self, path: str, provider: MockProvider) -> None:
        self._provider = provider
        self._db = sqlite3.connect(path, isolation_level=None)
        self._db.executescript(
            "PRAGMA journal_mode = WAL; PRAGMA synchronous = NORMAL; "
            "CREATE TABLE IF NOT EXISTS vectors (key BLOB PRIMARY KEY, row BLOB) WITHOUT ROWID"
        )

    async def embed(self, texts: list[str]) -> Vectors:
        keys = [sha256(text.encode()).digest() for text in texts]
        marks = ", ".join("?" * len(keys))
        found = dict(self._db.execute(f"SELECT key, row FROM vectors WHERE key IN ({marks})", keys))  # noqa: S608
        missing = [at for at, key in enumerate(keys) if key not in found]
        if missing:
            reply = await self._provider.embed([texts[at] for at in missing], kind="document")
            new = {keys[at]: row.tobytes() for at, row in zip(missing, reply.vectors, strict=True)}
            self._db.execute("BEGIN")
            self._db.executemany("INSERT OR REPLACE INTO vectors VALUES (?, ?)", new.items())
            self._db.execute("COMMIT")
            found |= new
        return np.frombuffer(b"".join([found[key] for key in keys]), np.float32).reshape(len(keys), -1)


async def loop(source: str, output: str, rows: int, dim: int, cache: str | None) -> dict[str, float]:
    """The same job as a hand-written script."""
    started = time.perf_counter()
    provider = MockProvider(MockOptions(dim=dim))
    table = None if cache is None else SqliteTable(cache, provider)
    write, close = _writer(output, rows, dim)
    with Path(source).open("rb") as file:  # noqa: ASYNC230 (nothing else is going on)
        while lines := list(islice(file, BATCH)):
            records = [msgspec.json.decode(line) for line in lines]
            texts = [record["text"] for record in records]
            embedding = provider.embed(texts, kind="document") if table is None else table.embed(texts)
            embedded = await embedding
            vectors = embedded if isinstance(embedded, np.ndarray) else embedded.vectors
            write(records, vectors)
    close()
    resident = psutil.Process().memory_info().rss / MEGABYTE
    return {"seconds": time.perf_counter() - started, "start": resident, "tenth": resident, "most": resident}


def _writer(output: str, rows: int, dim: int) -> tuple[Callable[[list[Any], Any], None], Callable[[], None]]:
    if output.endswith("npy"):
        vectors_file = np.lib.format.open_memmap(output, "w+", np.float32, (rows, dim))
        done = 0

        def write_npy(records: list[Any], vectors: Any) -> None:
            nonlocal done
            vectors_file[done : done + len(vectors)] = vectors
            done += len(vectors)

        return write_npy, vectors_file.flush
    if output.endswith("jsonl"):
        file = Path(output).open("wb")  # noqa: SIM115 (closed by the caller)
        encoder = msgspec.json.Encoder()

        def write_jsonl(records: list[Any], vectors: Any) -> None:
            numbers = short(vectors).tolist()
            both = [{**record, "vector": vector} for record, vector in zip(records, numbers, strict=True)]
            file.write(encoder.encode_lines(both))

        return write_jsonl, file.close
    import pyarrow as pa
    import pyarrow.parquet as pq

    vector = pa.field("vector", pa.list_(pa.float32(), dim))
    schema = pa.schema([("id", pa.string()), ("text", pa.string()), ("group", pa.int64()), vector])
    parquet = pq.ParquetWriter(output, schema)
    held: list[Any] = []

    def flush() -> None:
        parquet.write_table(pa.Table.from_batches(held))
        held.clear()

    def write_parquet(records: list[Any], vectors: Any) -> None:
        columns = [pa.array([record[name] for record in records]) for name in ("id", "text", "group")]
        lists = pa.FixedSizeListArray.from_arrays(pa.array(vectors.reshape(-1)), dim)
        held.append(pa.RecordBatch.from_arrays([*columns, lists], schema=schema))
        if len(held) == 128:
            flush()

    def close() -> None:
        if held:
            flush()
        parquet.close()

    return write_parquet, close


def copy(source: str, output: str, rows: int, dim: int) -> dict[str, float]:
    started = time.perf_counter()
    with Path(source).open("rb") as file, Path(output).open("wb") as out:
        out.writelines(bytes(dim * 4) for _ in file)
    resident = psutil.Process().memory_info().rss / MEGABYTE
    return {"seconds": time.perf_counter() - started, "start": resident, "tenth": resident, "most": resident}


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m perf.jobs", description=__doc__)
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--dim", type=int, default=128)
    parser.add_argument("--outputs", nargs="+", choices=OUTPUTS, default=OUTPUTS)
    parser.add_argument("--one", nargs=2, metavar=("INPUT", "OUTPUT"), help=argparse.SUPPRESS)
    parser.add_argument("--cache", metavar="FILE", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.one:
        source, output = options.one
        before = time.process_time()
        if output.endswith(".copy"):
            act = copy(source, output, options.rows, options.dim)
        else:
            run_one = loop if ".loop-" in output else job
            act = asyncio.run(run_one(source, output, options.rows, options.dim, options.cache))
        print(json.dumps({**act, "cpu": time.process_time() - before}))
        return
    with tempfile.TemporaryDirectory() as directory:
        sources = {rows: Path(directory, f"rows-{rows}.jsonl") for rows in (options.rows // 10, options.rows)}
        for rows, source in sources.items():
            write_rows(source, rows)
        size = sources[options.rows].stat().st_size / MEGABYTE
        print(f"{options.rows:,} rows of JSONL, {size:,.0f} MB; {options.dim} dimensions")
        head = f"{'output':16} {'rows':>9} {'MB':>7} {'s':>7} {'CPU s':>7} {'rows/s':>9}"
        print(f"{head} {'RSS at start':>13} {'at a tenth':>11} {'most':>6}  MB")
        for name in options.outputs:
            if not name.endswith("cache"):
                show(
                    name,
                    options.rows,
                    run_alone(sources[options.rows], Path(directory, f"out.{name}"), options.rows, options.dim),
                )
                continue
            for rows, source in sources.items():
                output, cache = Path(directory, f"out.{name}.npy"), Path(directory, f"{name}-{rows}.db")
                for run_name in (name, f"{name}-again"):
                    show(run_name, rows, run_alone(source, output, rows, options.dim, "--cache", str(cache)))
                cache.unlink()


def run_alone(source: Path, output: Path, rows: int, dim: int, *more: str) -> dict[str, float]:
    """Run one job in a fresh process; measure its output and remove it."""
    size = ["--rows", str(rows), "--dim", str(dim)]
    command = [sys.executable, "-m", "perf.jobs", *size, "--one", str(source), str(output), *more]
    found: dict[str, float] = json.loads(subprocess.run(command, capture_output=True, check=True).stdout)
    found["size"] = output.stat().st_size / MEGABYTE
    for made in output.parent.glob(f"{output.name}*"):
        made.unlink()
    return found


def show(name: str, rows: int, found: dict[str, float]) -> None:
    print(
        f"{name:16} {rows:9,} {found['size']:7,.0f} {found['seconds']:7.1f} {found['cpu']:7.1f} "
        f"{rows / found['seconds']:9,.0f} {found['start']:13.0f} {found['tenth']:11.0f} {found['most']:6.0f}",
        flush=True,
    )


if __name__ == "__main__":
    main()
