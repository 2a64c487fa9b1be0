"""The end of a command: exit codes, sentences for errors, tracebacks for bugs."""

from __future__ import annotations

import errno
import signal
from collections.abc import Iterator

import pytest

pytest.importorskip("typer", reason="needs the extra cli")
from aembed import AembedError, BadTextError, ConfigError, InputError, RateLimitError
from aembed.cli import errors
from aembed.cli.errors import CommandError, exit_code, one_sentence, plain
from aembed.jobs import JobError, JobStoppedError


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (ConfigError("x"), 2),
        (InputError("x"), 2),
        (BadTextError("x"), 2),
        (JobError("x"), 2),
        (RateLimitError("x"), 3),
    ],
)
def test_exit_codes_of_errors(error: AembedError, code: int) -> None:
    assert exit_code(error) == code
    assert issubclass(JobStoppedError, JobError)


@pytest.fixture
def kept_handlers() -> Iterator[None]:
    before = {number: signal.getsignal(number) for number in errors.heeded_signals()}
    yield
    assert {number: signal.getsignal(number) for number in before} == before


@pytest.mark.usefixtures("kept_handlers")
@pytest.mark.parametrize(
    ("error", "code", "said"),
    [
        (CommandError("a; b"), 2, "a; b"),
        (CommandError("a", code=9), 9, "a"),
        (ConfigError("wrong"), 2, "wrong"),
        (RateLimitError("late"), 3, "late"),
        (MemoryError(), 3, "not enough memory: the system gives no more"),
        (MemoryError("3 GB"), 3, "not enough memory: 3 GB"),
        (
            OSError(errno.EMFILE, "too many"),
            3,
            "the system gives an error: too many; raise the limit of open files (ulimit -n)",
        ),
        (
            OSError(errno.ENFILE, "too many"),
            3,
            "the system gives an error: too many; raise the limit of open files (ulimit -n)",
        ),
        (OSError(errno.ENOSPC, "full"), 3, "the system gives an error: full; free some space"),
        (OSError(errno.EDQUOT, "full"), 3, "the system gives an error: full; free some space"),
        (
            OSError(errno.EIO, "broken"),
            3,
            "the system gives an error: broken; fix that, and run the same command again",
        ),
        (OSError("odd"), 3, "the system gives an error: odd; fix that, and run the same command again"),
        (KeyboardInterrupt(), 130, "interrupted; run the same command again"),
        (KeyboardInterrupt("3 rows are done"), 130, "interrupted; 3 rows are done"),
        (CommandError("a\x1b[31mb\n\tc"), 2, "a?[31mb\n\tc"),
    ],
)
def test_command_ends_with_a_sentence(
    error: BaseException, code: int, said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as caught, one_sentence():
        raise error
    assert caught.value.code == code
    assert capsys.readouterr() == ("", f"aembed: {said}\n")


@pytest.mark.usefixtures("kept_handlers")
def test_a_bug_shows_itself() -> None:
    with pytest.raises(LookupError), one_sentence():
        raise LookupError


def test_control_characters_are_question_marks() -> None:
    assert plain("a\x07\x9b\u202e\udcff\n\tb") == "a???\udcff\n\tb"
