"""A subject that is open for load: the call of each user, and the requests it draws from."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, replace

from aembed import InputError
from aembed.bench.load.heap import heap_frozen
from aembed.bench.load.share import WHOLE, Share
from aembed.bench.opening import opened_with_requests
from aembed.bench.requests import Requests
from aembed.bench.scenario import Target
from aembed.bench.subject import Subject, SubjectCall, with_arguments


@dataclass(frozen=True, slots=True)
class OpenedSubject:
    """A subject that is set up."""

    subject: Subject
    """Its call takes no argument: each call has the next one."""
    users: Mapping[int, SubjectCall]
    """The call of each user of a closed loop, by number."""
    frozen: int
    """Objects that were there before it, and are not searched for garbage."""
    requests: Requests | None
    """Source of its arguments."""


@asynccontextmanager
async def opened_for_load(
    target: Target, seed: int, *, users: int = 0, share: Share = WHOLE, why: bool = False
) -> AsyncIterator[OpenedSubject]:
    """Set up ``target``; torn down at the end. InputError for a subject of users in an open loop, which has none.

    ``why``: the parts of requests are noted.
    """
    with heap_frozen() as frozen:
        async with AsyncExitStack() as stack:
            whole = await stack.enter_async_context(opened_with_requests(target))
            subject = replace(whole, requests=None if whole.requests is None else share.requests(whole.requests))
            drawn = subject.drawing(seed, why=why)
            if subject.session is None:
                calls: dict[int, SubjectCall] = dict.fromkeys(share.users(users), drawn.call)
                yield OpenedSubject(drawn, calls, frozen, subject.requests)
                return
            if not users:
                raise InputError("the subject has a set-up for each user: measure it with `aembed bench users`")
            calls = {n: await stack.enter_async_context(subject.session(n)) for n in share.users(users)}
            if subject.requests is not None:
                arguments = subject.requests(seed)
                calls = {n: with_arguments(call, arguments, labelled=why) for n, call in calls.items()}
            yield OpenedSubject(drawn, calls, frozen, subject.requests)
