"""What ends the command early: one sentence on stderr, and the exit code that goes with it."""

from __future__ import annotations

import errno
import os
import signal
import sys
from collections.abc import Generator
from contextlib import contextmanager, suppress
from types import FrameType
from typing import NoReturn

from aembed import AembedError, BadTextError, ConfigError, InputError
from aembed.cli.encoding import LIKENESS
from aembed.jobs import JobError, JobStoppedError

EXIT_REJECTED = 1
"""Rows were rejected; all others are in the output."""
EXIT_USAGE = 2
"""Something given to the command is wrong: an option, a setting, a file."""
EXIT_STOPPED = 3
"""The provider did not deliver, or the job had to stop. What was done is kept: the same command goes on."""
EXIT_UNREAD = 128 + 13
"""Nobody read standard output to its end: as if SIGPIPE had ended the command, which says no word about it."""
KEPT = {"\n", "\t", *map(chr, range(0xD800, 0xE000))}
"""Characters that are not printable and are written all the same; the last stand for bytes of a file's name."""
EXIT_INTERRUPTED = 128 + signal.SIGINT


class CommandError(Exception):
    """The sentence that ends the command: what is wrong, and how to mend it."""

    def __init__(self, message: str, code: int = EXIT_USAGE) -> None:
        super().__init__(message)
        self.code = code


def exit_code(error: AembedError) -> int:
    """Whose fault it is: what was given to the command (settings, files, texts), or what the provider did."""
    if isinstance(error, JobStoppedError):
        return EXIT_STOPPED
    return EXIT_USAGE if isinstance(error, (ConfigError, InputError, BadTextError, JobError)) else EXIT_STOPPED


@contextmanager
def printing() -> Generator[None, None, None]:
    """Around what prints to standard output: notices when it cannot be done."""
    try:
        yield
    except OSError as error:
        # or Python tries again, and complains, at its end
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        if isinstance(error, BrokenPipeError):  # head has seen enough
            sys.exit(EXIT_UNREAD)
        raise CommandError(f"standard output cannot be written: {error.strerror}; check where it goes") from None


def say(sentence: str) -> None:
    """Print to stdout, whatever characters a file name has."""
    encoding = sys.stdout.encoding or "ascii"
    with printing():
        print(plain(sentence).encode(encoding, LIKENESS).decode(encoding), flush=True)


def plain(sentence: str) -> str:
    """Without what would control a terminal, as the name of a file or of a profile may; lines and tabs stay."""
    return "".join(letter if letter.isprintable() or letter in KEPT else "?" for letter in sentence)


@contextmanager
def one_sentence() -> Generator[None, None, None]:
    """Turn what may end a command into a sentence and an exit code. Anything else is a bug, and shows itself.

    A KeyboardInterrupt may say what it leaves behind.
    """
    stopped_by = signal.SIGINT

    def stop(signum: int, frame: FrameType | None) -> None:
        """Leave by the way of Ctrl-C, which cleans up; the exit code tells the two apart."""
        nonlocal stopped_by
        stopped_by = signal.Signals(signum)
        interrupt = signal.getsignal(signal.SIGINT)
        if not callable(interrupt):  # Ctrl-C is ignored in a job of the background
            raise KeyboardInterrupt
        interrupt(signal.SIGINT, frame)

    before = {number: signal.getsignal(number) for number in heeded_signals()}
    for number in before:
        signal.signal(number, signal.default_int_handler if number == signal.SIGINT else stop)
    try:
        yield
    except CommandError as error:
        _leave(str(error), error.code)
    except AembedError as error:
        _leave(str(error), exit_code(error))
    except MemoryError as error:
        _leave(f"not enough memory: {str(error) or 'the system gives no more'}", EXIT_STOPPED)
    except OSError as error:  # not of a file that was given: those are sentences already
        _leave(f"the system gives an error: {error.strerror or error}; {_remedy(error)}", EXIT_STOPPED)
    except KeyboardInterrupt as interrupt:
        _leave(f"interrupted; {str(interrupt) or 'nothing was written'}", 128 + stopped_by)
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def heeded_signals() -> list[signal.Signals]:
    """Signals that ask a program to end: Ctrl-C, ``kill``, a closed terminal. Those ignored stay ignored (nohup)."""
    present = [signal.Signals[name] for name in ("SIGINT", "SIGTERM", "SIGHUP") if hasattr(signal, name)]
    return [number for number in present if signal.getsignal(number) not in {signal.SIG_IGN, None}]


def _remedy(error: OSError) -> str:
    if error.errno in {errno.EMFILE, errno.ENFILE}:
        return "raise the limit of open files (ulimit -n)"
    if error.errno in {errno.ENOSPC, errno.EDQUOT}:
        return "free some space"
    return "mend that, and run the same command again"


def _leave(sentence: str, code: int) -> NoReturn:
    with suppress(OSError):  # nobody may be there to read it
        print(f"aembed: {plain(sentence)}", file=sys.stderr, flush=True)
    sys.exit(code)
