"""Finding the text that makes every batch fail it is in, with errors that are not about a text at all.

Some servers answer 500, drop the connection, or send no usable vector, for one text: the whole batch fails, attempt
after attempt. Halving it finds the text, and delivers the others. In an outage halving would only send more requests to
a server that is down, so it needs proof that the server works (``proof``): a text that was delivered since the batch
began to fail, or a short text that aembed sends and the server answers.

Each part is sent once. A text is isolated at once if at each halving the other half was delivered. If both halves
failed somewhere on the way, it gets as many attempts as any batch has, after one more proof. To find ``k``
texts among ``n`` takes at most ``2 * k * ceil(log2(n))`` requests for parts, and the attempts of each text that was not
isolated at once. Of short texts it takes one to begin with, one for each of these, and one for every ten failures in a
row.
"""

from __future__ import annotations

from typing import NamedTuple, Protocol

from aembed._engine.layer import Recipient
from aembed._engine.plan import halves, take
from aembed._errors import ConnectError, OverloadedError, ProviderError, ReplyError, RequestTimeoutError
from aembed._types import Batch


class PartSender(Protocol):
    """Sends parts of a batch, and gives up texts."""

    @property
    def delivered(self) -> int:
        """Texts of this embedder that have their vector."""
        ...

    @property
    def is_down(self) -> bool:
        """True while every request of the account fails."""
        ...

    async def works(self, call: Recipient, delivered: int) -> bool:
        """True if the server has delivered a text since ``delivered`` was the count, or delivers one now."""
        ...

    async def send_part(self, call: Recipient, batch: Batch, *, once: bool) -> ProviderError | None:
        """Send a batch once. Returns the failure if a text may have caused it; any other outcome is dealt with."""
        ...

    def give_up(self, call: Recipient, batch: Batch, error: ProviderError) -> None: ...

    def report_split(self, call: Recipient, batch: Batch, error: ProviderError) -> None: ...


class _Suspect(NamedTuple):
    """A batch that fails. ``certain``: at each halving that led here the other part was delivered."""

    batch: Batch
    error: ProviderError
    certain: bool
    delivered: int
    """Number of delivered texts when it failed."""


def may_be_a_text(error: Exception) -> bool:
    """True for a failure that a text may have caused. One with a Retry-After concerns the server."""
    kinds = (OverloadedError, ConnectError, RequestTimeoutError, ReplyError)
    return isinstance(error, kinds) and error.retryable and not error.fatal and error.retry_after is None


async def isolate(sender: PartSender, call: Recipient, batch: Batch, error: ProviderError) -> None:
    """Bring every text of a batch that fails to its end, while the server works for other texts."""
    suspects = [_Suspect(batch, error, certain=True, delivered=sender.delivered)]
    while suspects:
        suspect = suspects.pop()
        if not call.wants(suspect.batch):
            call.skip(suspect.batch)
        elif not await _may_go_on(sender, call, suspect):
            sender.give_up(call, suspect.batch, suspect.error)
        elif len(suspect.batch) == 1:
            await _judge(sender, call, suspect)
        else:
            sender.report_split(call, suspect.batch, suspect.error)
            suspects += await _try_parts(sender, call, suspect)


async def _may_go_on(sender: PartSender, call: Recipient, suspect: _Suspect) -> bool:
    """Without proof no text is given up, and a server that has long been silent gets no more requests."""
    if sender.is_down:
        return await sender.works(call, sender.delivered)
    return suspect.certain or len(suspect.batch) > 1 or await sender.works(call, suspect.delivered)


async def _try_parts(sender: PartSender, call: Recipient, suspect: _Suspect) -> list[_Suspect]:
    """Send both parts once. Returns those that failed."""
    failed: list[tuple[Batch, ProviderError, int]] = []
    for part in _parts(suspect.batch, suspect.error):
        if not call.wants(part):
            call.skip(part)
        elif (error := await sender.send_part(call, part, once=True)) is not None:
            failed.append((part, error, sender.delivered))
    certain = suspect.certain and len(failed) == 1
    return [_Suspect(part, error, certain, delivered) for part, error, delivered in failed]


async def _judge(sender: PartSender, call: Recipient, suspect: _Suspect) -> None:
    """Give up a single text if it has failed whenever it was sent; else it gets the remaining attempts."""
    error: ProviderError | None = suspect.error
    if not suspect.certain:
        error = await sender.send_part(call, suspect.batch, once=False)
    if error is not None:
        error.isolated, error.index = True, 0
        sender.give_up(call, suspect.batch, error)


def _parts(batch: Batch, error: ProviderError) -> tuple[Batch, Batch]:
    """The batch in two: other texts, then those that the error names; halves if it names none, or all."""
    named = set(error.unusable) if isinstance(error, ReplyError) else set()
    if error.index is not None:
        named.add(error.index)
    if not 0 < len(named) < len(batch):
        return halves(batch)
    others = [position for position in range(len(batch)) if position not in named]
    return take(batch, others), take(batch, sorted(named))
