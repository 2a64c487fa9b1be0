"""Reservation of one request: the amounts it needs, and the notes that the gate took when it was sent."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from aembed._types import Kind

if TYPE_CHECKING:
    from asyncio import AbstractEventLoop


class PausedBeyondDeadline(Exception):  # noqa: N818  # calls that are late raise DeadlineError
    """The account is paused until after the deadline of a request that waits."""

    def __init__(self, until: float) -> None:
        super().__init__(until)
        self.until = until
        """The loop's time at which the pause ends."""


class Reservation:
    """``requests``, ``tokens`` and ``inputs`` are the amounts of each quota; ``tokens`` is an estimate at first.

    A reservation is plain data: the queue, the slots and the quotas read it, and only the account changes it.
    """

    __slots__ = (
        "admitted",
        "characters",
        "deadline",
        "estimate",
        "inputs",
        "is_probe",
        "kind",
        "loop",
        "owner",
        "patience",
        "requests",
        "sent_at",
        "sent_before",
        "tokens",
    )

    def __init__(
        self,
        kind: Kind,
        characters: int = 0,
        tokens: float = 0.0,
        inputs: int = 1,
        *,
        requests: float = 1.0,
        patience: float = math.inf,
        deadline: float = math.inf,
        owner: object = None,
    ) -> None:
        self.kind: Kind = kind
        self.characters = characters
        self.requests = requests
        self.tokens = tokens
        self.inputs = inputs
        self.patience = patience
        """Seconds of a wait imposed by the server that the request accepts."""
        self.deadline = deadline
        """The loop's time until which it may wait."""
        self.owner = owner
        """Documents of different owners share the quota by amount."""
        self.sent_at = 0.0
        self.loop: AbstractEventLoop | None = None
        """Whose clock that is. To ask for the running loop is a syscall before Python 3.12."""
        self.estimate = tokens
        """``tokens`` as they were when the request was sent."""
        self.sent_before = (0.0, 0.0, 0.0)
        """Requests, tokens and inputs that the account had sent before this one."""
        self.admitted = (0.0, 0.0)
        """Requests and tokens sent before this one and not rejected by then."""
        self.is_probe = False
        """The only request in flight that the backoff allows: its outcome ends the backoff or prolongs it."""
