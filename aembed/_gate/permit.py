"""Leave to send one request, and what was reserved for it."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from aembed._types import Kind

if TYPE_CHECKING:
    from asyncio import AbstractEventLoop

    from aembed._gate.resource import Entry


class Permit:
    """``requests``, ``tokens`` and ``inputs`` are what it needs of each quota; ``entries`` what it was given."""

    __slots__ = ("characters", "entries", "inputs", "kind", "loop", "patience", "requests", "sent_at", "tokens")

    def __init__(
        self,
        kind: Kind,
        characters: int = 0,
        tokens: float = 0.0,
        inputs: int = 1,
        *,
        requests: float = 1.0,
        patience: float = math.inf,
    ) -> None:
        self.kind: Kind = kind
        self.characters = characters
        self.requests = requests
        self.tokens = tokens
        self.inputs = inputs
        self.patience = patience
        """Seconds of a pause ordered by the server that it will wait for."""
        self.sent_at = 0.0
        self.loop: AbstractEventLoop | None = None
        """On whose clock that is. To ask for the running loop is a syscall before Python 3.12."""
        self.entries: tuple[Entry, Entry, Entry | None] | None = None
