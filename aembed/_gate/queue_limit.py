"""Requests at once that keep a server busy while few of them wait in its own queue, where no query overtakes. Pure.

By Little's law, of ``slots`` requests under way ``slots / factor`` are enough for the same speed, if they take
``factor`` times as long as without a queue; the rest wait (the idea of TCP Vegas; Brakmo and Peterson 1995). Rounds of
answers are compared with a round that had no queue, the base, by the same statistic, so that times may vary.

    first     one at a time: the first base
    growing   four times as many each round, until some wait
    holding   what Little's law says, and a few more that wait; again and again
    looking   half as many for a round: the base is measured anew. If fewer are not slower each, there was no queue;
              if they are faster, half as many again. After a while, or when times do not fit the base

Only answers to requests sent after a change of the slots count in the round that follows it.
"""

from __future__ import annotations

import math
from collections.abc import Callable

from aembed._gate.service_time import HALF_TICK_S, RecentLine, Sample, ServiceTime

FIRST_ANSWERS = 4
"""Answers of the first round, with one slot: few, because it is slow; a rough base that the first look corrects."""
GROWING_ANSWERS = 6
"""Answers of a round while the slots grow: few, because the look that follows corrects growth that went too far."""
ROUND_ANSWERS = 16
"""Answers of every later round. With a spread of 30 % their mean has an error of 7.5 %: less than one request in
eight, the share that waits."""
ROUND_CYCLES = 3
"""Times each slot is used in a round, so that few of a round's requests are cut off at its ends."""
GROWTH_FACTOR, RENEWED_GROWTH_FACTOR = 4, 2
"""Times as many slots in the next round: from 1 to 64 in three; with more care later, and once some may wait."""
LOOK_ROUNDS = 64
"""Rounds between two looks. A look costs about two rounds' worth of answers at half speed: under 2 %."""
MIN_FALL_SHARE, CHANCE_ERRORS = 0.15, 2.0
"""Differences of times, as a share and in standard errors, up to which they confirm the base."""
HALVED_TIME_RATIO = 0.75
"""Ratio of times below which halving the slots has shown a queue: 0.5 if all requests waited in it, 1 if none did."""
DRIFT_SLOTS_SHARE = 0.75
"""Share of the slots found by the last look below which Little's law may be misled by a server that became slower."""
NO_QUEUE_RATIO = 1.05
"""Ratio to the time without a queue up to which the difference is chance, so that busy slots may become more."""
MIN_BUSY_SHARE = 0.5
"""Mean share of busy slots below which times say nothing about more slots."""
MIN_MOVE_SHARE = 1 / 8
"""Change of the slots, as a share, up to which requests sent before it still count."""


class QueueLimit:
    """``slots`` between one and ``most``."""

    def __init__(self, most: int) -> None:
        self.slots = 1
        self._most = most
        self._wanted = 1.0
        self._recent = RecentLine()
        self._base = ServiceTime(math.inf, 0.0)
        """The time without a queue, by size."""
        self._round: list[Sample] = []
        self._answers_needed = FIRST_ANSWERS
        self._finish: Callable[[float, int], None] = self._first
        """Method that ends the round, called with the time and the slots."""
        self._sent_after = -math.inf
        self._settling = False
        """The slots have grown: their queue is complete once the first request sent with them is answered."""
        self._round_began = -math.inf
        self._busy_s = 0.0
        """Sum of the seconds that the answers of this round took."""
        self._rounds_since_look = 0
        self._looks = 0
        self._found = 1.0
        """Slots after the last look."""
        self._speed = 0.0
        """In the look: the highest yet, as slots that would be enough for it without a queue."""
        self._last_factor = math.inf

    def answered(self, now: float, elapsed: float, size: float, slots: int) -> None:
        """``slots``: those in force, if something else allows fewer."""
        self._busy_s += elapsed
        if now < self._sent_after:  # the clock was set back
            self._sent_after = -math.inf
        if now - elapsed < self._sent_after - HALF_TICK_S:  # sent with other slots, whose queue it met
            return
        if self._settling:
            self._settling = False
            self._sent_after = self._round_began = now
            self._busy_s = 0.0
            return
        self._round.append((elapsed, size))
        if len(self._round) >= self._answers_needed:
            self._recent.add(self._round)
            self._finish(now, slots)

    def _first(self, now: float, slots: int) -> None:
        self._base = self._recent.line()
        self._grow(now, GROWTH_FACTOR)

    def _growing(self, now: float, slots: int) -> None:
        factor, error = self._base.compare(self._round)
        # Little's law: slots / factor requests are enough to keep the server busy, and the rest wait.
        if slots - slots / max(1.0, factor - error) > _waiting(slots):
            self._look(now, slots, factor)
        elif self._wanted >= self._most or not self._in_use(now, slots):
            self._found = self._wanted
            self._hold(now, self._wanted)
        else:
            may_be_near = self._looks > 0 or factor - error > NO_QUEUE_RATIO
            self._grow(now, RENEWED_GROWTH_FACTOR if may_be_near else GROWTH_FACTOR)

    def _holding(self, now: float, slots: int) -> None:
        factor, error = self._base.compare(self._round)
        self._rounds_since_look += 1
        at_most = slots / max(factor - error, factor / 2) + _waiting(slots)
        drifted = at_most < DRIFT_SLOTS_SHARE * max(self._found, self._wanted)
        faster = factor < 1.0 - _chance(error)
        in_use = self._in_use(now, slots)
        if self._rounds_since_look >= LOOK_ROUNDS or (self._rounds_since_look > 1 and (drifted or faster)):
            self._look(now, slots, factor)
        elif factor < NO_QUEUE_RATIO and in_use and self._wanted < self._most:
            self._grow(now, RENEWED_GROWTH_FACTOR)
        else:
            # Only half of the way: the mean time of one round errs, and the next round measures again.
            wanted = (self._wanted + slots / factor + _waiting(slots)) / 2
            self._hold(now, wanted if in_use else min(wanted, self._wanted))

    def _looking(self, now: float, slots: int) -> None:
        factor, error = self._base.compare(self._round)
        self._speed = max(self._speed, slots / factor)
        confirmed = abs(factor - 1.0) <= _chance(error)
        if slots > 1 and not confirmed and factor < HALVED_TIME_RATIO * self._last_factor:
            self._last_factor = factor
            self._begin(now, self._looking, slots / 2, ROUND_ANSWERS)
            return
        recent = self._recent.line()
        base = recent.scaled(recent.compare(self._round).factor)
        if confirmed:  # two measurements of the same: their mean errs less than either
            base = base.between(self._base)
            factor = (1.0 + factor) / 2
        self._base = base
        self._looks += 1
        self._rounds_since_look = 0
        enough = self._speed * factor
        self._found = enough + _waiting(enough)
        self._hold(now, self._found)

    def _in_use(self, now: float, slots: int) -> bool:
        return self._busy_s > MIN_BUSY_SHARE * slots * (now - self._round_began)

    def _grow(self, now: float, growth: int) -> None:
        self._begin(now, self._growing, self._wanted * growth, GROWING_ANSWERS)

    def _hold(self, now: float, wanted: float) -> None:
        self._begin(now, self._holding, wanted, ROUND_ANSWERS, ROUND_CYCLES)

    def _look(self, now: float, slots: int, factor: float) -> None:
        self._speed = slots / factor
        self._last_factor = math.inf  # that round may have seen a change of the server: compare looks only
        self._begin(now, self._looking, slots / 2, ROUND_ANSWERS)

    def _begin(
        self, now: float, finish: Callable[[float, int], None], wanted: float, answers: int, cycles: int = 1
    ) -> None:
        before = self.slots
        self._wanted = min(float(self._most), max(1.0, wanted))
        self.slots = int(self._wanted)
        self._settling = self.slots > before * (1 + MIN_MOVE_SHARE)
        if self._settling or self.slots < before * (1 - MIN_MOVE_SHARE):
            self._sent_after = now
        self._finish = finish
        self._answers_needed = max(answers, cycles * self.slots)
        self._round_began = now
        self._busy_s = 0.0
        self._round.clear()


def _waiting(slots: float) -> float:
    """Requests that should wait: as many as chance takes from the queue, which is the root for independent arrivals."""
    return math.sqrt(slots)


def _chance(error: float) -> float:
    """The difference of a factor from one up to which it may be chance."""
    return max(MIN_FALL_SHARE, CHANCE_ERRORS * error)
