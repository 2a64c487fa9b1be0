"""What ends the command early: one sentence on stderr, and the exit code that goes with it."""

from __future__ import annotations

import signal
import sys
from collections.abc import Generator
from contextlib import contextmanager
from types import FrameType
from typing import NoReturn

from aembed import AembedError, ConfigError, InputError

EXIT_FAILED = 1
"""The provider did not deliver."""
EXIT_USAGE = 2
"""Something given to the command is wrong: an option, a setting, a file."""
EXIT_INTERRUPTED = 128 + signal.SIGINT


class CommandError(Exception):
    """Something given to the command is wrong. The message names it and how to mend it."""


@contextmanager
def one_sentence() -> Generator[None, None, None]:
    """Turn what may end a command into a sentence and an exit code. Anything else is a bug, and shows itself."""
    stopped_by = signal.SIGINT

    def stop(signum: int, frame: FrameType | None) -> None:
        """Leave by the way of Ctrl-C, which cleans up; the exit code tells the two apart."""
        nonlocal stopped_by
        stopped_by = signal.Signals(signum)
        interrupt = signal.getsignal(signal.SIGINT)
        if callable(interrupt):
            interrupt(signal.SIGINT, frame)

    before = {number: signal.signal(number, stop) for number in _stop_signals()}
    try:
        yield
    except (CommandError, ConfigError, InputError) as error:
        _leave(str(error), EXIT_USAGE)
    except AembedError as error:
        _leave(str(error), EXIT_FAILED)
    except KeyboardInterrupt:
        _leave("interrupted; nothing was written", 128 + stopped_by)
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _stop_signals() -> list[signal.Signals]:
    """What else asks a program to end: ``kill``, a closed terminal."""
    return [signal.Signals[name] for name in ("SIGTERM", "SIGHUP") if hasattr(signal, name)]


def _leave(sentence: str, code: int) -> NoReturn:
    print(f"aembed: {sentence}", file=sys.stderr)
    sys.exit(code)
