"""The interface of the flows that a pace chooses from."""

from __future__ import annotations

from typing import Protocol

from aembed._gate.episode import AdmittedAmounts, Episode, Pause, Suspects
from aembed._gate.window import Window


class Flow(Protocol):
    """Decides when the next request may be sent. Amounts are pairs of requests and tokens."""

    @property
    def span(self) -> float | None:
        """Length of the window in seconds; ``None`` for an even flow."""
        ...

    @property
    def is_estimate(self) -> bool:
        """True for an estimate, which a minute of health at known limits disproves."""
        ...

    @property
    def average(self) -> AdmittedAmounts:
        """Units a second in the long run."""
        ...

    def knows(self, known: AdmittedAmounts) -> None:
        """Units a second that are stated or reported; infinite: none."""
        ...

    def earliest(self, now: float, amounts: AdmittedAmounts, aside: AdmittedAmounts, least: AdmittedAmounts) -> float:
        """When ``amounts`` may be sent and leave ``aside``. ``least``: no rate below it is in force."""
        ...

    def left_over(self, now: float, amounts: AdmittedAmounts) -> AdmittedAmounts:
        """Requests and tokens that may be sent now without a delay of ``amounts``, which wait."""
        ...

    def until_room(self, now: float) -> float:
        """Seconds until a window has room again, if it is full as of now and no header says so."""
        ...

    def window(self, place: int) -> Window | None:
        """The window of requests (0) or tokens (1); ``None`` for an even flow."""
        ...

    def sent(self, now: float, amounts: AdmittedAmounts, *, is_query: bool) -> None: ...

    def corrected(self, sent_at: float, tokens: float) -> None:
        """The request sent then has so many more tokens."""
        ...

    def refunded(self, sent_at: float, amounts: AdmittedAmounts) -> None:
        """The request sent then did not count."""
        ...

    def answered(
        self, now: float, sent_at: float, amounts: AdmittedAmounts, *, is_query: bool, success: bool
    ) -> None: ...

    def is_stray(self, wait: float | None) -> bool:
        """True if a 429 with this Retry-After concerns a single request that came slightly too early."""
        ...

    def rejected(
        self, now: float, sent_at: float, amounts: AdmittedAmounts, suspects: Suspects, wait: float | None
    ) -> bool:
        """Note a stray 429. False if the server is not of the kind that this flow assumes."""
        ...

    def closed(self, now: float, episode: Episode, suspects: Suspects) -> None:
        """An episode of 429s begins."""
        ...

    def opened(self, now: float, pause: Pause) -> bool:
        """An episode ends. False if the server is not of the kind that this flow assumes."""
        ...

    def is_out_of_sight(self, now: float) -> bool:
        """True once the flow allows so much that it limits nothing."""
        ...
