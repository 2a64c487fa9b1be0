"""An event loop whose clock jumps, as those of suspended machines do."""

from __future__ import annotations

from aembed.testing import VirtualTimeLoop


class JumpingLoop(VirtualTimeLoop):
    """Virtual time that jumps by ``seconds`` at the time ``at``; every timer within them is due at once."""

    def __init__(self, at: float, seconds: float) -> None:
        self._at, self._seconds = at, seconds
        super().__init__()

    @property
    def jumped(self) -> float:
        """Seconds by which the clock is ahead."""
        return self._seconds if super().time() >= self._at else 0.0

    def time(self) -> float:
        return super().time() + self.jumped
