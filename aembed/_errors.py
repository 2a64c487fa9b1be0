"""Every error aembed raises.

AembedError
├── ConfigError                  a setting is wrong; says which, and the fix     fatal
│   ├── MissingExtraError        a package is missing (also an ImportError)      fatal
│   └── MissingKeyError          no API key is given                             fatal
├── InputError                   a text or an argument is wrong; ``index`` says which (also a ValueError)
├── ProviderError                the provider was asked and did not deliver
│   ├── AuthenticationError      key rejected                                    fatal
│   ├── QuotaExhaustedError      nothing left to spend; waiting will not help    fatal
│   ├── ModelNotFoundError       no such model                                   fatal
│   ├── BadRequestError          rejected, and the same request would be rejected again
│   │   ├── BatchTooLargeError   more than one request may carry; halved and resent
│   │   └── BadTextError         one of the texts is rejected; found and set aside
│   │       └── TextTooLongError beyond the model's length
│   ├── RateLimitError           too fast; ``retry_after`` seconds               retryable
│   ├── OverloadedError          the server is busy or failing                   retryable
│   ├── ConnectError             no connection, or it broke                      retryable
│   ├── RequestTimeoutError      no answer within ``timeout``                    retryable
│   └── ReplyError               the answer is not usable vectors                retryable
├── DeadlineError                the call's total time is over (also a TimeoutError)
├── ClosedError                  used after ``aclose()``                         fatal
└── EventLoopError               used on another event loop (also a RuntimeError) fatal

An error carries ``provider``, ``status``, ``request_id``, ``attempts``, ``retryable``, ``maybe_billed`` and ``index``,
as far as they are known, and when it ends a call, the ``partial`` result. No text and no key is ever part of a
message.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    import asyncio

    from aembed._results import EmbedResult


class AembedError(Exception):
    """Root of the tree: ``except AembedError`` catches everything that is aembed's."""

    retryable: bool = False
    """True when the same request may succeed later."""
    fatal: bool = False
    """True when no other request of the job can succeed either, so that the job stops."""

    def __init__(self, message: str, *, index: int | None = None) -> None:
        super().__init__(message)
        self.index = index
        self.partial: EmbedResult | None = None

    def __str__(self) -> str:
        known = [f"{name} {value}" for name, value in self._facts().items() if value is not None]
        return f"{super().__str__()} [{', '.join(known)}]" if known else super().__str__()

    def copy_for(self, index: int | None) -> AembedError:
        """The same failure for another call, or for another text of this one: each collects its own facts."""
        copy = type(self).__new__(type(self))
        copy.args = self.args
        copy.__dict__.update(self.__dict__)
        copy.__cause__, copy.__suppress_context__ = self.__cause__, self.__suppress_context__
        copy.index, copy.partial = index, None
        return copy

    def _facts(self) -> dict[str, object]:
        return {"text": self.index}


class ConfigError(AembedError, ValueError):
    """A setting is wrong. The message names the field, the value and how to mend it."""

    fatal = True


class MissingKeyError(ConfigError):
    """A provider needs an API key, and none is given."""


class MissingExtraError(ConfigError, ImportError):
    """A provider needs packages that are not installed. The message holds the command that installs them."""


class InputError(AembedError, ValueError):
    """A text or an argument is wrong; ``index`` is its position. Nothing was sent."""


class ProviderError(AembedError):
    """The provider was asked and did not deliver."""

    maybe_billed: bool = False
    """True when the request may have been worked on, and be paid for, although nothing came of it."""

    def __init__(
        self,
        message: str,
        *,
        provider: str | None = None,
        status: int | None = None,
        request_id: str | None = None,
        retryable: bool | None = None,
        maybe_billed: bool | None = None,
        retry_after: float | None = None,
        index: int | None = None,
    ) -> None:
        super().__init__(message, index=index)
        self.provider = provider
        self.status = status
        self.request_id = request_id
        self.retry_after = retry_after
        self.attempts = 0
        self.isolated = False
        """True where the text that ``index`` names fails whenever it is sent, while others are delivered."""
        if retryable is not None:
            self.retryable = retryable
        if maybe_billed is not None:
            self.maybe_billed = maybe_billed

    def _facts(self) -> dict[str, object]:
        return {
            **super()._facts(),
            "provider": self.provider,
            "status": self.status,
            "request id": self.request_id,
            "attempts": self.attempts if self.attempts > 1 else None,
            "retry after": None if self.retry_after is None else _in_words(self.retry_after),
        }


def _in_words(seconds: float) -> str:
    """A wait for people: ``"1.5 s"``, ``"20 min"``, ``"1 d 3 h"``. Another provider's may be any number."""
    if not 0 <= seconds < 1e9:
        return f"{seconds} s"
    if seconds < 120:
        return f"{seconds:.3g} s"
    minutes = round(seconds / 60)
    days, hours, minutes = minutes // 1440, minutes // 60 % 24, minutes % 60
    parts = [(days, "d"), (hours, "h"), (minutes if not days else 0, "min")]
    return " ".join(f"{number} {unit}" for number, unit in parts if number)


class AuthenticationError(ProviderError):
    """The provider rejected the key."""

    fatal = True


class QuotaExhaustedError(ProviderError):
    """The account has nothing left to spend; waiting will not help."""

    fatal = True


class ModelNotFoundError(ProviderError):
    """The provider has no such model, or the account may not use it."""

    fatal = True


class BadRequestError(ProviderError):
    """The provider rejected the request, and would reject it again."""


class BatchTooLargeError(BadRequestError):
    """The batch is more than one request may carry. The engine halves it and sends the halves."""


class BadTextError(BadRequestError):
    """The provider rejected a text; ``index`` is its position in the batch, or ``None`` if it did not say."""


class TextTooLongError(BadTextError):
    """A text is longer than the model takes, and ``overlong`` is ``"error"``."""


class RateLimitError(ProviderError):
    """Too fast. ``retry_after`` is in seconds, ``None`` if the provider gave none."""

    retryable = True
    scope: Literal["minute", "day"] | None = None
    """The period of the quota that is used up, ``None`` if the provider did not say. A day's quota will not be back
    soon, even if ``retry_after`` names a short wait."""


class OverloadedError(ProviderError):
    """The server is busy or failing (5xx and kin)."""

    retryable = True


class ConnectError(ProviderError):
    """No connection could be made, or it broke."""

    retryable = True


class RequestTimeoutError(ProviderError, TimeoutError):
    """No answer within ``timeout`` seconds of the request's start."""

    retryable = True
    maybe_billed = True


class ReplyError(ProviderError):
    """The reply does not fit the request: wrong count, shape or order, NaN or zero vectors."""

    retryable = True
    maybe_billed = True
    unusable: Sequence[int] = ()
    """Positions in the batch of texts whose vectors cannot be used, where the others' can."""
    server_works: bool = False
    """The server has answered in the form of its API, in full; only the vectors are wrong. This is no outage."""


class DeadlineError(AembedError, TimeoutError):
    """The total time given to the call is over, or the account is paused until then. ``partial`` holds the finished
    part."""

    def __init__(self, message: str, *, index: int | None = None, retry_after: float | None = None) -> None:
        super().__init__(message, index=index)
        self.retry_after = retry_after
        """Seconds for which the provider allows no request, if that is longer than the time left."""

    def _facts(self) -> dict[str, object]:
        return {**super()._facts(), "retry after": None if self.retry_after is None else _in_words(self.retry_after)}


class ClosedError(AembedError):
    """The embedder or factory was used after ``aclose()``."""

    fatal = True


class EventLoopError(AembedError, RuntimeError):
    """The embedder was used on another event loop than before, while that one was still open; or where none runs."""

    fatal = True

    @classmethod
    def unless_running(cls, owner: str) -> asyncio.AbstractEventLoop:
        """The running loop of asyncio. Raises this error where none runs, as under trio."""
        import asyncio  # here, so that `import aembed` does not take as long

        try:
            return asyncio.get_running_loop()
        except RuntimeError:
            raise cls.none_running(owner) from None

    @classmethod
    def none_running(cls, owner: str) -> EventLoopError:
        """The error of a call where no asyncio loop runs, as under trio."""
        return cls(
            f"{owner} needs asyncio, and no asyncio event loop is running here; under anyio choose its asyncio "
            "backend, not trio"
        )


def nearest(name: str, known: Iterable[str]) -> str:
    """The remedy for an unknown name: the closest known one, or all of them."""
    names = sorted(known)
    close = closest(name, names, cutoff=0.6)  # difflib's own: in a name of 5 letters, 2 may be wrong
    if close is not None:
        return f"; did you mean {close!r}?"
    return f"; known are: {', '.join(names)}" if names else ""


def closest(name: str, known: Iterable[str], *, cutoff: float) -> str | None:
    """The known name that is most alike, if it is at least ``cutoff`` alike (0 to 1, as difflib measures it)."""
    import difflib

    return next(iter(difflib.get_close_matches(name, list(known), n=1, cutoff=cutoff)), None)
