"""The loopback server as a separate process, with its counters once it has ended."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

LATENCY_S, DIM = 0.05, 384


@dataclass
class Server:
    base_url: str
    counters: dict[str, Any] = field(default_factory=dict)
    """Filled in when the server has ended."""


@contextmanager
def running(*options: str) -> Generator[Server]:
    """A server with ``LATENCY_S``, from the moment it listens until the end of the block."""
    command = [sys.executable, "-m", "aembed.testing.server", "--until-eof", "--dim", str(DIM)]
    command += ["--latency", str(LATENCY_S), *options]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        server = Server(json.loads(process.stdout.readline())["base_url"])
        try:
            yield server
        finally:
            process.stdin.close()
            server.counters = json.loads(process.stdout.read().splitlines()[-1])
