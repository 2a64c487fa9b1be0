"""Marks in async code that say where the time of a request goes.

    async def get_user(user_id):
        with bench.part("db"):
            row = await pool.fetchrow(QUERY, user_id)
        with bench.part("render"):
            return render(row)

They note something only in a run with ``why=True``; elsewhere a mark reads one context variable.
"""

from __future__ import annotations

from collections.abc import Callable
from contextvars import ContextVar
from types import TracebackType
from typing import Any, TypeAlias

OPEN = -1
"""End of a part that has not ended."""
LONGEST_LABEL = 80
"""Characters of a request in the list of the slowest."""

PartSpan: TypeAlias = list[Any]
"""Name, begin and end of a part, in nanoseconds of the run's clock. A list: its end is filled in later."""


class RequestTrace:
    """Notes about one request."""

    __slots__ = ("attempts", "clock", "label", "new_connection", "request_ids", "spans", "task")

    def __init__(self, clock: Callable[[], int]) -> None:
        self.clock = clock
        self.spans: list[PartSpan] = []
        self.label = ""
        """Argument or length of the texts: never a text."""
        self.attempts = 0
        """Attempts of the request to the model that needed most; 0 if it is unknown."""
        self.new_connection: bool | None = None
        self.task = 0
        """Identity of its task, once that has ended."""
        self.request_ids: list[str] = []
        """Request ids that the server returned."""

    def note(self, name: str, begin: int, end: int) -> None:
        """A part that is over."""
        self.spans.append([name, begin, end])


TRACE: ContextVar[RequestTrace | None] = ContextVar("aembed_bench_trace", default=None)
"""That of the request which this task works for; tasks and threads that it starts inherit it."""


class part:  # noqa: N801  # reads as a statement: with bench.part("db"):
    """``with`` around code of a request: its time is reported under this name.

    The innermost of nested parts counts. If parts of one request run at the same time, as under ``gather``, each
    moment counts for the part that began last: all parts add up to the response time.
    """

    __slots__ = ("_name", "_span", "_trace")

    def __init__(self, name: str) -> None:
        self._name = name

    def __enter__(self) -> None:
        trace = self._trace = TRACE.get()
        if trace is not None:
            self._span = [self._name, trace.clock(), OPEN]
            trace.spans.append(self._span)

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        if self._trace is not None:
            self._span[2] = self._trace.clock()


def label(text: object) -> None:
    """Name the request under way in the list of the slowest ones, such as "user 7". Reports show it: no secrets."""
    if (trace := TRACE.get()) is not None:
        trace.label = str(text)[:LONGEST_LABEL]


def label_of(argument: object) -> str:
    """A number itself; of texts their number and length."""
    if isinstance(argument, str):
        return f"{len(argument):,} characters"
    if isinstance(argument, (list, tuple)) and argument and all(isinstance(text, str) for text in argument):
        texts = "1 text" if len(argument) == 1 else f"{len(argument):,} texts"
        return f"{texts}, {sum(map(len, argument)):,} characters"
    return str(argument) if isinstance(argument, (int, float)) else ""
