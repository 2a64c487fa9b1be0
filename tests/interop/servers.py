"""Real embedding servers as child processes: started, waited for, killed, and started again on the same port."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import urllib.error
import urllib.request
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Unpack

from pydantic import SecretStr

from aembed import Embedder, EmbedderFactory, Source
from aembed._settings.options import EmbedderOptions
from aembed._wire.transport import Transport

HOST = "127.0.0.1"
TRIES, PAUSE = 360, 0.5
"""A model is loaded from a cold disk within three minutes, or never."""

OFFLINE = {
    "DO_NOT_TRACK": "1",
    "HF_HUB_OFFLINE": "1",
    "INFINITY_ANONYMOUS_USAGE_STATS": "0",
    "LITELLM_LOCAL_MODEL_COST_MAP": "True",
    "OMP_WAIT_POLICY": "passive",  # threads that spin while they wait take the cores from the tests
    "PYTHONUNBUFFERED": "1",
    "TRANSFORMERS_OFFLINE": "1",
}


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind((HOST, 0))
        port: int = probe.getsockname()[1]
        return port


@dataclass
class Server:
    """``command`` gets ``--host`` and ``--port`` added; ``health`` is the path that answers 200 once it serves."""

    command: Sequence[str | Path]
    log: Path
    health: str
    environment: Mapping[str, str] = field(default_factory=dict)
    port: int = field(default_factory=_free_port)
    process: subprocess.Popen[bytes] | None = None

    @property
    def base_url(self) -> str:
        return f"http://{HOST}:{self.port}/v1"

    def start(self) -> None:
        """Returns when the server serves; starting a running one does nothing."""
        if self.process is not None:
            return
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(
                [*self.command, "--host", HOST, "--port", str(self.port)],
                env={**os.environ, **OFFLINE, **self.environment},
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                cwd=self.log.parent,
                start_new_session=True,  # so that its own children can be ended with it
            )
        for _ in range(TRIES):
            if self._healthy():
                return
            try:
                self.process.wait(PAUSE)
            except subprocess.TimeoutExpired:
                continue
            break
        self.stop(signal.SIGKILL)
        raise RuntimeError(f"{Path(self.command[0]).name} does not start; it says:\n{self.said()[-4000:]}")

    def stop(self, how: signal.Signals = signal.SIGTERM) -> None:
        """End it: politely at first, or with ``SIGKILL`` in the middle of its work."""
        process, self.process = self.process, None
        if process is None:
            return
        try:
            os.killpg(process.pid, how)
            process.wait(10)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
        except ProcessLookupError:
            pass
        process.wait()

    def said(self) -> str:
        return self.log.read_text(errors="replace")

    def _healthy(self) -> bool:
        try:
            with urllib.request.urlopen(f"http://{HOST}:{self.port}{self.health}", timeout=5) as answer:
                return bool(answer.status == 200)
        except (urllib.error.URLError, OSError):
            return False


@dataclass(frozen=True)
class Target:
    """One model on one server, with its facts."""

    server: Server
    model: str
    key: str | None = None
    at_once: int = 200
    """Connections made at the same moment, of which it loses none."""

    async def embedder(self, factory: EmbedderFactory, **options: Unpack[EmbedderOptions]) -> Embedder:
        options.setdefault("base_url", self.server.base_url)
        options.setdefault("api_key", self.key)
        return await factory.new_embedder(f"openai:{self.model}", **options)

    def source(self, transport: Transport) -> Source:
        return Source(
            provider="openai",
            model=self.model,
            base_url=self.server.base_url,
            api_key=None if self.key is None else SecretStr(self.key),
            open_transport=lambda: transport,
        )
