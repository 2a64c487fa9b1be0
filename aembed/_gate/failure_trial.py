"""Trial with half the slots: it shows whether failures depend on the number of requests in flight. Pure.

A proxy that answers 503 to one request in five does so at any number, and to send fewer would only be slower. So when
failures keep coming, although each lowered the slots, a trial is made. If as large a share fails with half the slots,
that share is excused from then on, for a while.
"""

from __future__ import annotations

import math

DECAY_FACTOR = 0.995
"""Factor on all weights at each answer: shares are those of the last two hundred answers, about."""
FORGOTTEN_FAILURES = 0.05
"""Weight of failures below which they are forgotten: a single one after 600 answers."""
TRIAL_EPISODES = 3.0
"""Weight of separate failures that starts a trial: 1.5 % of the answers. A limit once found fails fewer."""
EXPECTED_FAILURES = 6.0
"""Failures that the trial would see if the number in flight made no difference; it gives the number of outcomes."""
MAX_OUTCOMES = 150.0
"""Longest trial. Where fewer than 4 % fail it expects less than ``EXPECTED_FAILURES``."""
SAME_SHARE_RATIO = 1 / 3
"""Ratio of the shares of failures from which they count as equal. Less than two of six is chance once in sixty trials.
With half the slots, below any limit that was only just exceeded, none fails."""
EXCUSE_ANSWERS = 2000
"""Answers until the next trial while failures are excused: a hundred outcomes at half speed cost 2.5 % of them."""
RETRIAL_ANSWERS = 200
"""Answers until the next trial after one that excused nothing, since chance may have decided it."""
EXCUSE_FACTOR = 1.5
"""Ratio of excused failures to those that the trial saw."""
MAX_EXCUSED_FAILURES = 10.0
"""Failures excused in a row. At one failure in five, so many are rarer than one in a million."""


class FailureTrial:
    """While ``running``, the server gets half the slots."""

    def __init__(self) -> None:
        self.running = False
        self.unrelated = False
        """The last trial has shown that failures do not depend on the number."""
        self._answers = self._failures = self._episodes = 0.0
        self._answers_until_trial = 0
        self._began = 0.0
        self._share_before = 0.0
        self._outcomes_needed = 0.0
        self._trial_outcomes = self._trial_failures = 0
        self._excused_per_answer = 0.0
        self._excused = 0.0

    @property
    def is_over(self) -> bool:
        """True if no failure matters any more."""
        return not (self.running or self.unrelated) and self._failures < FORGOTTEN_FAILURES

    def answered(self, now: float, sent_at: float) -> None:
        self._answers = self._answers * DECAY_FACTOR + 1.0
        self._failures *= DECAY_FACTOR
        self._episodes *= DECAY_FACTOR
        if self.running:
            self._count(now, sent_at, failures=0)
        elif self._answers_until_trial > 0:
            self._answers_until_trial -= 1
            self._excused = min(MAX_EXCUSED_FAILURES, self._excused + self._excused_per_answer)

    def excuses(self, now: float, sent_at: float, *, is_episode: bool) -> bool:
        """True if a failure is no reason for fewer slots. ``is_episode``: it is the first after answers."""
        self._failures += 1.0
        if self.running:
            self._count(now, sent_at, failures=1)
            return True
        if self._excused >= 1.0:
            self._excused -= 1.0
            return True
        self._episodes += is_episode
        if self._answers_until_trial <= 0 and (self.unrelated or self._episodes >= TRIAL_EPISODES):
            self._begin(now)
        return self.running

    def _begin(self, now: float) -> None:
        self.running = True
        self._began = now
        self._share_before = self._failures / (self._failures + self._answers)
        self._outcomes_needed = min(MAX_OUTCOMES, EXPECTED_FAILURES / self._share_before)
        self._trial_outcomes = self._trial_failures = 0

    def _count(self, now: float, sent_at: float, *, failures: int) -> None:
        if now < self._began:  # the clock was set back
            self._began = -math.inf
        if sent_at < self._began:
            return
        self._trial_outcomes += 1
        self._trial_failures += failures
        if self._trial_outcomes < self._outcomes_needed:
            return
        self.running = False
        self._episodes = self._excused = self._excused_per_answer = 0.0
        self.unrelated = self._trial_failures >= SAME_SHARE_RATIO * self._share_before * self._trial_outcomes
        self._answers_until_trial = EXCUSE_ANSWERS if self.unrelated else RETRIAL_ANSWERS
        if self.unrelated:
            self._excused = MAX_EXCUSED_FAILURES
            self._excused_per_answer = EXCUSE_FACTOR * max(
                self._trial_failures / max(1, self._trial_outcomes - self._trial_failures),
                self._failures / max(1.0, self._answers),
            )
