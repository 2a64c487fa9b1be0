"""A program that kills jobs: each attempt is a process, ended by SIGKILL at a line drawn by lot.

    python kills.py DIRECTORY OUTPUT KILLS SEED MODE...

Prints, for each mode, the billed texts and the state of the outputs as JSON. The input of a ``plain`` job is one file,
that of ``files`` several; ``shards`` are three jobs and their join; in ``pieces`` each row is several pieces; an
``update`` or ``keep`` has an output of other rows before it; ``retry`` embeds rejected rows again; ``several`` has
three outputs. In ``damage`` the last bytes of journal and vectors are torn off after some kills, as a machine that
dies may do.

Children are forked from a process that has done jobs already, so that they import nothing. They sync nothing to the
disk: what a process has written outlives it without that.
"""

from __future__ import annotations

import asyncio
import json
import os
import random
import shutil
import signal
import sys
import threading
from collections.abc import Iterator, Sequence
from itertools import count
from pathlib import Path
from types import FrameType
from typing import Any

import anyio

from aembed import BadTextError, Config, Kind, Limits, ModelSpec, Reply, TextSize, jobs
from aembed.providers.mock import MockOptions, MockProvider

HOME = Path(jobs.__file__).parent
PARTS = ["work", "embedding", "ledger", "journal", "vectors", "place", "placing", "assembly", "rejects", "writers/*"]
PARTS += ["directory", "keys", "joining", "reuse", "keeping"]
CODE = {str(path) for part in PARTS for path in HOME.glob(f"{part}.py")}
"""Steps that send or write: a process that dies while it only reads has nothing to lose."""
ROWS, BATCH, SLOTS, SHARDS = 90, 5, 4, 3
ENDINGS = {".npy", ".jsonl", ".parquet"}


class Ledger:
    """A provider that records each request before it answers: that is billed."""

    spec = ModelSpec(name="ledger", provider="ledger", dim=8, max_batch_texts=BATCH)

    def __init__(self, bills: Path, *, speaks: bool = False) -> None:
        self._speaks = speaks
        self._mock = MockProvider(MockOptions(dim=8))
        self._bills = os.open(bills, os.O_WRONLY | os.O_APPEND | os.O_CREAT)

    async def embed(self, texts: Sequence[str], /, *, kind: Kind) -> Reply:
        for index, text in enumerate(texts):
            if "unspeakable" in text and not self._speaks:  # rejected, and not billed
                raise BadTextError("the text is rejected", index=index)
        os.write(self._bills, json.dumps(list(texts)).encode() + b"\n")
        for _ in range(len(texts[0]) % 5):  # answers come in another order
            await anyio.lowlevel.checkpoint()
        return await self._mock.embed(texts, kind=kind)

    def measure(self, texts: Sequence[str], /) -> list[TextSize]:
        """A model that takes nine characters."""
        return [
            TextSize(len(text), 0, [(at, min(at + 9, len(text))) for at in range(0, len(text), 9)]) for text in texts
        ]

    async def aclose(self) -> None:
        os.close(self._bills)


def prepare(rows: range) -> None:
    shutil.rmtree("parts", ignore_errors=True)
    Path("parts").mkdir()
    with open("rows.jsonl", "w", encoding="utf-8") as file:
        for i in rows:
            text = "" if i % 40 == 3 else "unspeakable" if i % 60 == 7 else f"row {'x' * (i % 5)} {i}"
            line = json.dumps({"id": f"id-{i}", "text": text, "group": i % 3}) + "\n"
            file.write(line)
            with open(f"parts/{i // 25}.jsonl", "a", encoding="utf-8") as part:
                part.write(line)


async def job(output: str, bills: Path, mode: str) -> None:
    options: Any = {"id_column": "id", "config": Config(), "limits": Limits(max_concurrency=SLOTS)}
    if mode == "shards":
        names = shard_names(output)
        for number, name in enumerate(names, 1):
            await jobs.run("rows.jsonl", name, model=Ledger(bills), shard=(number, SHARDS), **options)
        await jobs.join(names, output)
        return
    if mode == "retry":
        del options["id_column"]
        await jobs.retry_rejects(output, model=Ledger(bills, speaks=True), **options)
        return
    if mode == "pieces":
        options["overlong"] = "rows"
    outputs = [output, f"further-{output}.jsonl", f"further-{output}.npy"] if mode == "several" else [output]
    source = "parts" if mode == "files" else "rows.jsonl"
    await jobs.run(
        source, outputs, model=Ledger(bills), update=mode in {"update", "keep"}, keep=mode == "keep", **options
    )


def begin(output: str, mode: str) -> None:
    """Remove what an earlier round left, and do the job before the one that is killed."""
    for path in Path.cwd().glob(f"*{output}*"):
        path.unlink()
    if mode in {"update", "keep", "retry"}:
        prepare(range(ROWS) if mode == "retry" else range(ROWS // 2, ROWS * 3 // 2))
        assert attempt(output, Path(os.devnull), -1, "plain") == 1
    prepare(range(ROWS))


def warm_up(output: str) -> None:
    """Do a job and an update in this process: each attempt would spend most of its time on imports."""
    for mode, rows in (("plain", ROWS // 2), ("update", ROWS)):
        prepare(range(rows))
        asyncio.run(job(output, Path(os.devnull), mode))
    for thread in threading.enumerate():
        if thread is not threading.current_thread():  # a fork has only this one
            thread.join()


def shard_names(output: str) -> list[str]:
    path = Path(output)
    return [f"{path.stem}-{number}{path.suffix}" for number in range(1, SHARDS + 1)]


def attempt(output: str, bills: Path, fatal: int, mode: str) -> int:
    """Run the job in a process that dies at its ``fatal``-th line. Returns that it ended, or 0 if it was killed."""
    child = os.fork()
    if child:
        _, status = os.waitpid(child, 0)
        return 0 if os.WIFSIGNALED(status) else 1 if os.waitstatus_to_exitcode(status) == 0 else -1
    status = 1
    try:
        lines = trace(fatal)
        asyncio.run(job(output, bills, mode))
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
    """Lose the last writes."""
    for path in (directory / "journal", directory / "vectors.npy"):
        if path.exists() and lot.random() < 0.5:
            os.truncate(path, max(0, path.stat().st_size - lot.randrange(1, 200)))


def main(output: str, kills: int, seed: int, mode: str) -> dict[str, Any]:
    lot = random.Random(seed)
    found: list[dict[str, Any]] = []
    whole = Path("whole" + Path(output).suffix)
    begin(str(whole), mode)
    assert attempt(str(whole), Path("bills-whole"), -1, mode) == 1
    lines = int(Path("lines").read_text())
    left = kills
    while left > 0 and all(job["ended"] for job in found):
        for name in (output, *shard_names(output)):
            Path(name).unlink(missing_ok=True)
        begin(output, mode)
        bills = Path(f"bills-{len(found)}")
        died = 0
        while not (ended := attempt(output, bills, lot.randrange(1, lines * 5 // 4), mode)):
            died += 1
            if mode == "damage" and lot.random() < 0.5:
                tear(Path(f"{output}.job"), lot)
        left -= died
        found.append({"ended": ended == 1, "kills": died, "billed": _billed(bills), **compared(output, whole)})
    return {"once": _billed(Path("bills-whole")), "jobs": found}


def compared(output: str, whole: Path) -> dict[str, Any]:
    """The state of an output next to that of a job without kills."""
    outputs = [str(path) for path in Path.cwd().glob(f"*{whole}*") if path.suffix in ENDINGS]
    return {
        "left": [str(path) for path in Path.cwd().glob("*.job/*")],
        "same": all(
            _content(Path(name.replace(whole.name, output))) == _content(Path(name))
            for name in outputs
            if "rejects" not in name
        ),
        "same_rejects": Path(f"{output}.rejects.jsonl").read_text() == Path(f"{whole}.rejects.jsonl").read_text(),
    }


def _billed(bills: Path) -> list[str]:
    return [text for line in bills.read_text().splitlines() for text in json.loads(line)]


def _content(path: Path) -> Any:
    if path.suffix != ".parquet":
        return path.read_bytes()
    import pyarrow.parquet

    return pyarrow.parquet.read_table(path).to_pylist()


def each_in_its_directory(output: str, kills: int, seed: int, modes: Sequence[str]) -> dict[str, Any]:
    warm_up(output)
    found = {}
    for mode in modes:
        Path(mode).mkdir()
        os.chdir(mode)
        found[mode] = main(output, kills, seed, mode)
        os.chdir("..")
    return found


if __name__ == "__main__":
    os.chdir(sys.argv[1])
    os.fsync = lambda fd: None
    sys.stdout.write(json.dumps(each_in_its_directory(sys.argv[2], int(sys.argv[3]), int(sys.argv[4]), sys.argv[5:])))
