"""Calls are counted, so that closing waits for the last and refuses the next."""

from __future__ import annotations

import asyncio

import anyio
import pytest

from aembed import ClosedError
from aembed._calls import Calls
from aembed._home import Home


async def test_an_idle_owner_closes_at_once() -> None:
    calls = Calls("the thing", Home(lambda: False))
    with calls:
        pass
    await calls.drain()
    with pytest.raises(ClosedError, match="the thing is closed; make a new one"), calls:
        pass


async def test_draining_waits_for_the_last() -> None:
    calls = Calls("the thing", Home(lambda: False))
    with calls:
        with calls:
            draining = asyncio.create_task(calls.drain())
            await anyio.wait_all_tasks_blocked()
        assert not draining.done()
    await draining


async def test_a_call_that_fails_is_over_too() -> None:
    calls = Calls("the thing", Home(lambda: False))
    with pytest.raises(LookupError), calls:
        raise LookupError
    await calls.drain()
