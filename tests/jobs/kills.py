"""A program that kills jobs: each attempt is a process, ended by SIGKILL at a line drawn by lot.

Prints as JSON what was billed, and what became of the outputs.

    python kills.py DIRECTORY OUTPUT KILLS SEED [damage]

With ``damage`` the last bytes of journal and vectors are torn off after some kills, as a machine that dies may do.
"""

from __future__ import annotations

import asyncio
import json
import os
import random
import signal
import sys
import threading
from collections.abc import Iterator, Sequence
from itertools import count
from pathlib import Path
from types import FrameType
from typing import Any

import anyio

from aembed import BadTextError, Config, Kind, Limits, ModelSpec, Reply, jobs
from aembed.providers.mock import MockOptions, MockProvider

HOME = Path(jobs.__file__).parent
PARTS = ["work", "embedding", "ledger", "journal", "vectors", "place", "assembly", "rejects", "writers/*"]
CODE = {str(path) for part in PARTS for path in HOME.glob(f"{part}.py")}
"""What sends and writes: a process that dies while it only reads has nothing to lose."""
ROWS, BATCH, SLOTS = 150, 5, 4


class Ledger:
    """A provider that writes down what it is asked before it answers: that is billed."""

    spec = ModelSpec(name="ledger", provider="ledger", dim=8, max_batch_texts=BATCH)

    def __init__(self, bills: Path) -> None:
        self._mock = MockProvider(MockOptions(dim=8))
        self._bills = os.open(bills, os.O_WRONLY | os.O_APPEND | os.O_CREAT)

    async def embed(self, texts: Sequence[str], /, *, kind: Kind) -> Reply:
        for index, text in enumerate(texts):
            if "unspeakable" in text:  # refused, and not billed
                raise BadTextError("the text is refused", index=index)
        os.write(self._bills, json.dumps(list(texts)).encode() + b"\n")
        for _ in range(len(texts[0]) % 5):  # answers come in another order
            await anyio.lowlevel.checkpoint()
        return await self._mock.embed(texts, kind=kind)

    async def aclose(self) -> None:
        os.close(self._bills)


def prepare() -> None:
    with open("rows.jsonl", "w", encoding="utf-8") as file:
        for i in range(ROWS):
            text = "" if i % 50 == 3 else "unspeakable" if i % 60 == 7 else f"row {'x' * (i % 5)} {i}"
            file.write(json.dumps({"id": f"id-{i}", "text": text, "group": i % 3}) + "\n")


async def job(output: str, bills: Path) -> jobs.JobReport:
    limits = Limits(max_concurrency=SLOTS)
    return await jobs.run("rows.jsonl", output, model=Ledger(bills), id_column="id", config=Config(), limits=limits)


def attempt(output: str, bills: Path, fatal: int) -> int:
    """Run the job in a process that dies at its ``fatal``-th line. Returns that it ended, or 0 if it was killed."""
    child = os.fork()
    if child:
        _, status = os.waitpid(child, 0)
        return 0 if os.WIFSIGNALED(status) else 1 if os.waitstatus_to_exitcode(status) == 0 else -1
    status = 1
    try:
        lines = trace(fatal)
        asyncio.run(job(output, bills))
        status = 0
        Path("lines").write_text(str(next(lines)))
    finally:
        os._exit(status)


def trace(fatal: int) -> Iterator[int]:
    """Count lines, in every thread."""
    lines = count(1)

    def line(frame: FrameType, event: str, argument: Any) -> Any:
        if event == "line" and next(lines) == fatal:
            os.kill(os.getpid(), signal.SIGKILL)
        return line

    def call(frame: FrameType, event: str, argument: Any) -> Any:
        return line if frame.f_code.co_filename in CODE else None

    threading.settrace(call)
    sys.settrace(call)
    return lines


def tear(directory: Path, lot: random.Random) -> None:
    """Lose what was written last."""
    for path in (directory / "journal", directory / "vectors.npy"):
        if path.exists() and lot.random() < 0.5:
            os.truncate(path, max(0, path.stat().st_size - lot.randrange(1, 200)))


def main(output: str, kills: int, seed: int, *, damage: bool) -> dict[str, Any]:
    lot = random.Random(seed)
    found: list[dict[str, Any]] = []
    prepare()
    whole = Path("whole" + Path(output).suffix)
    assert attempt(str(whole), Path("bills-whole"), fatal=-1) == 1
    lines = int(Path("lines").read_text())
    left = kills
    while left > 0:
        Path(output).unlink(missing_ok=True)
        bills = Path(f"bills-{len(found)}")
        died = 0
        while not (ended := attempt(output, bills, lot.randrange(1, lines * 5 // 4))):
            died += 1
            if Path(output).exists() and not Path(f"{output}.job/journal").exists():
                ended = 1  # it died when it had nothing left to do
                break
            if damage and lot.random() < 0.5:
                tear(Path(f"{output}.job"), lot)
        left -= died
        found.append(
            {
                "ended": ended == 1,
                "kills": died,
                "left": [str(path) for path in Path.cwd().glob("*.job/*")],
                "billed": [text for line in bills.read_text().splitlines() for text in json.loads(line)],
                "same": _content(Path(output)) == _content(whole),
                "same_rejects": Path(f"{output}.rejects.jsonl").read_text()
                == Path(f"{whole}.rejects.jsonl").read_text(),
            }
        )
        if ended != 1:
            break
    once = [text for line in Path("bills-whole").read_text().splitlines() for text in json.loads(line)]
    return {"once": once, "jobs": found}


def _content(path: Path) -> Any:
    if path.suffix != ".parquet":
        return path.read_bytes()
    import pyarrow.parquet

    return pyarrow.parquet.read_table(path).to_pylist()


if __name__ == "__main__":
    os.chdir(sys.argv[1])
    found = main(sys.argv[2], int(sys.argv[3]), int(sys.argv[4]), damage="damage" in sys.argv)
    sys.stdout.write(json.dumps(found))
