"""What the server says of a quota: in the headers of its replies, and how long to wait after a refusal. Pure."""

from __future__ import annotations

import math
from typing import TypeGuard

from aembed._gate.fill_time import FillTime
from aembed._gate.resource import Entry, Resource
from aembed._gate.window import WINDOW


class Headers:
    """Teach ``resource``. What is no sensible number means unknown."""

    def __init__(self, resource: Resource) -> None:
        self.resource = resource
        self._fill_time = FillTime()

    def sync(self, entry: Entry, now: float, limit: float | None, remaining: float | None, reset: float | None) -> None:
        """Learn from the headers of the reply to ``entry``."""
        resource = self.resource
        if _known(limit) and limit:
            self._adopt(limit, now, remaining, reset)
        elif not remaining:
            return  # nothing left of an unknown limit: Azure says so where it keeps none
        if resource.limit is None or not _known(remaining) or entry.before < resource.synced_to:
            return
        resource.advance(now)
        resource.synced_to = entry.before
        if _known(reset):
            self._recognise(remaining, reset)
        sent_since = resource.sent - entry.before - entry.estimate
        least = remaining - sent_since
        most = remaining + (now - entry.sent_at) * resource.rate + 1
        if resource.rule == "bucket":
            resource.level = min(max(resource.level, least), max(most, least), resource.burst)
        elif resource.rule == "unknown":
            resource.level = min(resource.level, most)
        else:
            self._count_foreign(now, resource.limit - least, reset)

    def refused(self, now: float, wait: float, amount: float) -> None:
        """Refused although we counted on room: ``amount`` will be there in ``wait`` seconds, the server says.

        Without headers the likely reason is a bucket smaller than a minute's quota: save up less in future. A window
        refills at once, so there the pause is enough.
        """
        resource = self.resource
        if resource.rule == "window":
            resource.window.close(now, wait)
            return
        if resource.limit is None:
            return
        resource.advance(now)
        level = amount - wait * resource.rate
        if level < resource.level:
            if resource.rule != "bucket" or not resource.told:
                held = resource.burst - (resource.level - level)
                resource.burst = min(resource.burst, max(1.0, amount, resource.rate, held))
            resource.level = level

    def _adopt(self, limit: float, now: float, remaining: float | None, reset: float | None) -> None:
        resource = self.resource
        resource.told = True
        resource.guessed = False
        before, capacity = resource.limit, resource.capacity
        resource.advance(now)
        if not resource.set_limit(limit):
            return
        if before is None:
            resource.level = resource.capacity - resource.used
            if _known(remaining):  # something was sent before anybody counted
                self._count_foreign(now, limit - remaining, reset, just_now=False)
        whole = before is None or resource.burst >= capacity
        resource.burst = resource.capacity if whole else min(resource.burst, resource.capacity)
        resource.level = min(resource.level, resource.burst)
        self._fill_time.forget()

    def _count_foreign(self, now: float, used: float, reset: float | None, *, just_now: bool = True) -> None:
        """So much is used, ours and others'; after ``reset`` nothing of it is any more."""
        foreign = used - self.resource.used
        if foreign > 0 and reset != 0:
            seconds = min(reset, WINDOW) if _known(reset) else WINDOW
            self.resource.window.add_foreign(now, foreign, seconds, just_now=just_now)

    def _recognise(self, remaining: float, reset: float) -> None:
        resource = self.resource
        rule = self._fill_time.saw(remaining, reset, resource.rate)
        if rule == "bucket":
            resource.use_as_bucket(self._fill_time.seconds * resource.rate)
            resource.capacity = min(resource.capacity, resource.burst + 1)  # one: remaining is told in whole units
        elif rule == "window":
            resource.use_as_window()


def _known(value: float | None) -> TypeGuard[float]:
    return value is not None and 0 <= value < math.inf
