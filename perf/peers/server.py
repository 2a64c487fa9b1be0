"""The loopback server in a separate process, with every reply's vectors encoded beforehand."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import urllib.request
from collections.abc import Generator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

from perf.peers.candidates.batches import DIM

CLIENT_CORE, SERVER_CORE = 0, 1
CACHE_BYTES = 2**30


@dataclass(frozen=True, slots=True)
class Server:
    base_url: str
    pid: int


@contextmanager
def running(*options: str, dim: int = DIM) -> Generator[Server]:
    """From when it listens until the end of the block."""
    command = [sys.executable, "-m", "aembed.testing.server", "--until-eof", "--dim", str(dim)]
    command += ["--loop", "uvloop", "--cache-bytes", str(CACHE_BYTES), *options]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        try:
            ready = json.loads(process.stdout.readline() or "null")
            if ready is None:
                raise SystemExit("the loopback server did not start")
            pin(process.pid, SERVER_CORE)
            yield Server(ready["base_url"], process.pid)
        finally:
            process.stdin.close()


def warm(server: Server, texts: Sequence[str], *, base64: bool = True) -> None:
    """Ask for every text once, so that no candidate waits for a vector to be made."""
    wanted = {"encoding_format": "base64"} if base64 else {}
    for start in range(0, len(texts), 100):
        body = json.dumps({"model": "m", "input": texts[start : start + 100], **wanted}).encode()
        headers = {"Content-Type": "application/json"}
        request = urllib.request.Request(f"{server.base_url}/embeddings", body, headers)  # noqa: S310  # our own
        with urllib.request.urlopen(request) as reply:  # noqa: S310
            reply.read()


def pin(pid: int, core: int) -> None:
    os.sched_setaffinity(pid, {core % (os.cpu_count() or 1)})
