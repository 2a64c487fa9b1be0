"""``python -m perf.jobs``: what memory a bulk job takes, and how fast it is, on the mock.

Each output is written in a process of its own. Resident memory is read every tenth of a second while it runs; what it
had when the first tenth of the rows was done stands beside the most it ever had, because a job that keeps what it has
done would show it there. ``copy`` reads the input and writes as many bytes, and does nothing else: the floor.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import psutil

from aembed import Config
from aembed.jobs import JobProgress, run

MEGABYTE = 1e6
OUTPUTS = ("copy", "npy", "jsonl", "parquet")


def write_rows(path: Path, rows: int) -> None:
    with path.open("w") as file:
        for i in range(rows):
            text = f"row {i}: a sentence of some fifty characters or so"
            file.write(json.dumps({"id": f"id-{i:09}", "text": text, "group": i % 100}) + "\n")


class Watch:
    """Resident memory of this process while a job goes on."""

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


async def job(source: str, output: str, rows: int, dim: int) -> dict[str, float]:
    watch = Watch(rows)
    report = await run(source, output, model="mock", dimensions=dim, config=Config(), on_progress=watch)
    return {
        "seconds": report.elapsed,
        "start": watch.at_start / MEGABYTE,
        "tenth": (watch.at_tenth or watch.at_start) / MEGABYTE,
        "most": watch.most / MEGABYTE,
    }


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
    options = parser.parse_args()
    if options.one:
        source, output = options.one
        act = copy(source, output, options.rows, options.dim) if output.endswith(".copy") else None
        print(json.dumps(act or asyncio.run(job(source, output, options.rows, options.dim))))
        return
    with tempfile.TemporaryDirectory() as directory:
        source = Path(directory, "rows.jsonl")
        write_rows(source, options.rows)
        print(f"{options.rows:,} rows of JSONL, {source.stat().st_size / MEGABYTE:,.0f} MB; {options.dim} dimensions")
        print(f"{'output':10} {'MB':>7} {'s':>7} {'rows/s':>9} {'RSS at start':>13} {'at a tenth':>11} {'most':>6}  MB")
        for name in options.outputs:
            output = Path(directory, f"out.{name}")
            size = ["--rows", str(options.rows), "--dim", str(options.dim)]
            command = [sys.executable, "-m", "perf.jobs", *size, "--one", str(source), str(output)]
            found = json.loads(subprocess.run(command, capture_output=True, check=True).stdout)
            print(
                f"{name:10} {output.stat().st_size / MEGABYTE:7,.0f} {found['seconds']:7.1f} "
                f"{options.rows / found['seconds']:9,.0f} {found['start']:13.0f} {found['tenth']:11.0f} "
                f"{found['most']:6.0f}"
            )
            output.unlink()


if __name__ == "__main__":
    main()
