"""A quota of requests, and the headers that report it."""

from __future__ import annotations

from aembed._gate.headers import Headers
from aembed._gate.quota import ResourceQuota
from aembed._gate.reservation import Reservation


class Account:
    """A quota of requests, and the headers that teach it."""

    def __init__(self, stated: float | None = None) -> None:
        self.quota = ResourceQuota(stated)
        self.headers = Headers(self.quota, 0)

    def send(self, now: float, amount: float = 1.0) -> Reservation:
        sent = Reservation("document", requests=amount)
        sent.sent_at = now
        sent.sent_before = self.quota.sent, 0.0, 0.0
        self.quota.commit(now, amount, is_query=False)
        return sent

    def reply(self, sent: Reservation, now: float) -> None:
        self.quota.ended(now, sent.sent_at, sent.requests, is_query=False)

    def exchange(
        self,
        now: float,
        limit: float | None,
        remaining: float | None,
        reset: float | None,
        *,
        amount: float = 1.0,
        takes: float = 0.1,
    ) -> None:
        """One request and its reply with these headers."""
        sent = self.send(now, amount)
        self.headers.sync(sent, now + takes, limit, remaining, reset)
        self.reply(sent, now + takes)


def as_bucket(size: float = 60.0, limit: float = 60.0) -> Account:
    """Whose replies have shown a bucket: reset + remaining / rate is always the time to fill."""
    account = Account()
    for n in range(1, 21):
        used = n * size / 25
        account.exchange(0.0, limit, size - used, used * 60 / limit, amount=size / 25, takes=0.0)
    assert account.quota.rule == "bucket"
    return account
