"""The processes of a run as their parent sees them: set up, started together, stopped, lost."""

from __future__ import annotations

import asyncio
import io
from collections.abc import Callable, Sequence
from types import SimpleNamespace
from typing import Any

import anyio
import numpy as np
import pytest

from aembed.bench.load.processes import children as parent
from aembed.bench.load.processes.children import Child, Lost, run_all
from aembed.bench.load.processes.messages import Done, Go, Ready, Stop, Tick, line, packed
from aembed.bench.load.share import Share
from aembed.bench.rows.columns import Ints
from aembed.bench.subject import SubjectError
from tests.bench.ended import Ended
from tests.bench.test_processes import replace_done


def child(said: bytes, errors: bytes = b"", *, heeds: bool = True, number: int = 0) -> tuple[Child, Ended]:
    made, file = Ended(said, heeds=heeds), io.BytesIO()
    file.write(errors)
    if heeds:
        made.kill()
    return Child(Share(number, 2), made, file), made  # type: ignore[arg-type]


@pytest.mark.virtual_time
async def test_a_child_gives_its_ticks_and_its_result() -> None:
    table = np.arange(8).reshape(4, 2)
    done = replace_done(rows=2)
    there, process = child(line(Ready()) + line(Tick(3, 2, 1, 0, 0)) + line(done) + packed(list(table)))
    job: Any = {"job": 1}
    await there.set_up(job, b"schedule")
    assert process.asked == [b'{"job":1}\nschedule']
    seen: list[Tick] = []
    found = await there.result(lambda: seen.append(there.tick))
    assert isinstance(found, tuple)
    assert (found[0], found[1].tolist()) == (done, table.tolist())
    assert seen == [Tick(3, 2, 1, 0, 0)]


@pytest.mark.virtual_time
@pytest.mark.parametrize(
    ("said", "errors", "words"),
    [
        (b"", b"Traceback\nKeyError: 'a'\n", "KeyError: 'a'"),
        (b'{"type":"tick","offered"', b"x", "x"),
        (line(replace_done(rows=2)) + b"half", b"", "exit code 7"),
    ],
)
async def test_a_child_that_ends_early_is_lost_with_its_last_words(said: bytes, errors: bytes, words: str) -> None:
    there, _ = child(said, errors)
    assert await there.result(lambda: None) == Lost(f"it ended during the run: {words}")
    there, _ = child(line(Tick(0, 0, 0, 0, 0)), errors, number=1)
    with pytest.raises(SubjectError, match=f"process 2 of 2: {words}"):
        await there.set_up({}, b"")  # type: ignore[arg-type]


@pytest.mark.virtual_time
@pytest.mark.parametrize(
    ("heeds", "history"), [(True, ["killed", "closed", "waited"]), (False, ["closed", "killed", "waited"])]
)
async def test_a_child_gets_two_seconds_to_end(heeds: bool, history: list[str]) -> None:
    there, process = child(b"", heeds=heeds)
    await there.end()
    assert [what for what, _ in process.history] == history
    assert process.history[-1][1] == (0.0 if heeds else 2.0)


class Scripted:
    """A child that needs some time for each thing, and notes the messages to it."""

    def __init__(self, *, ready: float = 0.0, done: float = 0.0, error: str = "") -> None:
        self._ready, self._done, self._error = ready, done, error
        self.sent: list[Any] = []
        self.tick = Tick(0, 0, 0, 0, 0)
        self.cancelled = False

    def send(self, message: object) -> None:
        self.sent.append(message)

    async def set_up(self, job: object, schedule: bytes) -> None:
        self.sent.append((job, schedule))
        await anyio.sleep(self._ready)
        if self._error:
            raise SubjectError(self._error)

    async def result(self, ticked: Callable[[], None]) -> tuple[Done, Ints]:
        self.tick = Tick(7, 6, 0, 1, 0, number=1)
        ticked()
        try:
            await anyio.sleep(self._done)
        except asyncio.CancelledError:
            self.cancelled = True
            raise
        return replace_done(seconds=self._done), np.empty((4, 0), dtype=np.int64)


async def ran(found: Sequence[Scripted], **options: Any) -> list[Any]:
    jobs: Any = [(number, b"schedule") for number in range(len(found))]
    given: dict[str, Any] = {"patience": 10.0, "stop": None, "progress": None, **options}
    return await run_all(found, jobs, **given)  # type: ignore[arg-type]


@pytest.mark.virtual_time
async def test_all_start_together_when_the_last_is_ready(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(parent, "time", SimpleNamespace(perf_counter_ns=iter([5, 50_000_005, 2_050_000_005]).__next__))
    told: list[tuple[list[int], float]] = []
    pair = Scripted(ready=1, done=3), Scripted(ready=2, done=2)
    results = await ran(pair, progress=lambda ticks, at: told.append(([tick.offered for tick in ticks], at)))
    assert [each.sent for each in pair] == [[(n, b"schedule"), Go(50_000_005)] for n in range(2)]
    assert [done.seconds for done, _ in results] == [3, 2]
    assert told == [([7, 0], 0.0), ([7, 7], 2.0)]
    assert asyncio.get_running_loop().time() == pytest.approx(5, abs=1e-6)


@pytest.mark.virtual_time
async def test_who_gives_no_result_half_a_minute_after_the_end_is_lost() -> None:
    pair = Scripted(done=39.9), Scripted(done=40.1)
    on_time, late = await ran(pair)
    assert on_time[0].seconds == 39.9
    assert late == Lost("no result 30 s after the end of the run: it is stopped, or its event loop is blocked")
    assert (pair[0].cancelled, pair[1].cancelled) == (False, True)


@pytest.mark.virtual_time
async def test_a_stop_is_passed_on_to_all() -> None:
    stop = asyncio.Event()
    asyncio.get_running_loop().call_later(1, stop.set)
    pair = Scripted(done=3), Scripted(done=2)
    assert len(await ran(pair, stop=stop)) == 2
    assert [each.sent[2:] for each in pair] == [[Stop()]] * 2
    early = Scripted(ready=5), Scripted(ready=5)
    assert await ran(early, stop=stop) == []
    assert [len(each.sent) for each in early] == [1, 1]


@pytest.mark.virtual_time
async def test_the_objective_that_is_broken_stops_all_and_is_judged_from_the_counts_of_all() -> None:
    broken, added = asyncio.Event(), list[tuple[Any, int]]()
    abort = SimpleNamespace(tests=SimpleNamespace(broken=broken), add=lambda *given: added.append(given))
    asyncio.get_running_loop().call_later(1, broken.set)
    pair = Scripted(done=3), Scripted(done=2)
    await ran(pair, abort=abort)
    assert added == [([None, None], 0), ([None, None], 1)]
    assert [each.sent[2:] for each in pair] == [[Stop()]] * 2


@pytest.mark.virtual_time
async def test_the_first_subject_that_fails_ends_the_set_up() -> None:
    with pytest.raises(SubjectError, match="no such luck"):
        await ran([Scripted(ready=100), Scripted(ready=1, error="no such luck")])
    assert asyncio.get_running_loop().time() == pytest.approx(1, abs=1e-6)
    assert len(await ran([Scripted(ready=299)])) == 1
    with pytest.raises(SubjectError, match="not all processes set up their subjects within 300 s"):
        await ran([Scripted(ready=301)])
