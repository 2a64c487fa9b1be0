"""Errors that end a command: one sentence on stderr, and an exit code."""

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
"""Invalid argument, setting or file."""
EXIT_STOPPED = 3
"""Provider failure, or a stopped job. Finished rows are kept: the same command resumes."""
EXIT_UNREAD = 128 + 13
"""The reader closed standard output: the exit code of a command that SIGPIPE ends, and no message."""
KEPT = {"\n", "\t", *map(chr, range(0xD800, 0xE000))}
"""Characters that are written although they are not printable; the surrogates encode bytes of file names."""
EXIT_INTERRUPTED = 128 + signal.SIGINT


class CommandError(Exception):
    """An error of the command line: problem, value, remedy."""

    def __init__(self, message: str, code: int = EXIT_USAGE) -> None:
        super().__init__(message)
        self.code = code


def exit_code(error: AembedError) -> int:
    """2 for errors of the caller (settings, files, texts), 3 for those of the provider."""
    if isinstance(error, JobStoppedError):
        return EXIT_STOPPED
    return EXIT_USAGE if isinstance(error, (ConfigError, InputError, BadTextError, JobError)) else EXIT_STOPPED


@contextmanager
def printing() -> Generator[None, None, None]:
    """Turn a standard output that cannot be written into an exit."""
    try:
        yield
    except OSError as error:
        # else Python flushes it again at exit, and prints another error
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        if isinstance(error, BrokenPipeError):  # the reader, such as head, has closed it
            sys.exit(EXIT_UNREAD)
        raise CommandError(f"standard output cannot be written: {error.strerror}; check where it goes") from None


def say(sentence: str) -> None:
    """Print to stdout. Any character of a file name is allowed."""
    encoding = sys.stdout.encoding or "ascii"
    with printing():
        print(plain(sentence).encode(encoding, LIKENESS).decode(encoding), flush=True)


def plain(sentence: str) -> str:
    """The text without control characters, which names of files and profiles may contain; lines and tabs stay."""
    return "".join(letter if letter.isprintable() or letter in KEPT else "?" for letter in sentence)


@contextmanager
def one_sentence() -> Generator[None, None, None]:
    """Turn expected errors into a sentence and an exit code. Any other is a bug, and keeps its traceback.

    The message of a KeyboardInterrupt, if any, reports the state of the work.
    """
    stopped_by = signal.SIGINT

    def stop(signum: int, frame: FrameType | None) -> None:
        """Interrupt as Ctrl-C does, which cleans up; the exit code differs."""
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
        _leave(f"interrupted; {str(interrupt) or 'run the same command again'}", 128 + stopped_by)
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
    return "fix that, and run the same command again"


def _leave(sentence: str, code: int) -> NoReturn:
    with suppress(OSError):  # stderr may be closed
        print(f"aembed: {plain(sentence)}", file=sys.stderr, flush=True)
    sys.exit(code)
