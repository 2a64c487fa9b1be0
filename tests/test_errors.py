"""Errors carry their facts, print them in one line, and can be caught by class."""

from __future__ import annotations

import copy
import pickle
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

import aembed
from aembed import _errors
from aembed._errors import (
    AembedError,
    ConfigError,
    DeadlineError,
    InputError,
    MissingExtraError,
    ProviderError,
    RateLimitError,
    ReplyError,
    RequestTimeoutError,
    TextTooLongError,
    nearest,
)

ERRORS = [value for name, value in vars(aembed).items() if name.endswith("Error")]


def drawn_tree() -> dict[str, tuple[str, set[str]]]:
    """The tree of the docstring: class -> (parent, words after it)."""
    tree: dict[str, tuple[str, set[str]]] = {}
    path: list[str] = []
    for line in (_errors.__doc__ or "").splitlines():
        found = re.match(r"([│├└─ ]*)(\w+Error)\b(.*)$", line)
        if found and (found[1] or found[2] == "AembedError"):
            depth = len(found[1]) // 4
            path[depth:] = [found[2]]
            tree[found[2]] = (path[depth - 1] if depth else "Exception", set(re.findall(r"fatal|retryable", found[3])))
    return tree


@pytest.mark.parametrize("error", ERRORS, ids=lambda error: error.__name__)
def test_the_drawn_tree_is_the_tree(error: type[AembedError]) -> None:
    parent, words = drawn_tree()[error.__name__]
    assert error.__mro__[1].__name__ == parent
    assert error("no").retryable is ("retryable" in words)
    assert error.fatal is ("fatal" in words)


@pytest.mark.parametrize(
    ("error", "builtin"),
    [
        (ConfigError, ValueError),
        (MissingExtraError, ImportError),
        (InputError, ValueError),
        (RequestTimeoutError, TimeoutError),
        (DeadlineError, TimeoutError),
    ],
)
def test_pythons_own_names_catch_them_too(error: type[AembedError], builtin: type[Exception]) -> None:
    assert issubclass(error, builtin)


def test_a_message_ends_with_the_facts_that_are_known() -> None:
    assert str(ProviderError("no")) == "no"
    assert str(InputError("no", index=0)) == "no [text 0]"
    error = ProviderError("no", provider="p", status=503, request_id="r-1", index=4)
    error.attempts = 3
    assert str(error) == "no [text 4, provider p, status 503, request id r-1, attempts 3]"
    error.attempts = 1
    assert "attempts" not in str(error)


@pytest.mark.parametrize("kind", [ProviderError, RateLimitError, RequestTimeoutError, ReplyError])
def test_a_failure_that_may_be_billed_is_one_after_the_request_was_sent(kind: type[ProviderError]) -> None:
    assert kind("no").maybe_billed is (kind in {RequestTimeoutError, ReplyError})
    assert kind("no", maybe_billed=True).maybe_billed is True
    assert kind("no", maybe_billed=False).maybe_billed is False


def test_a_new_failure_has_no_attempts_and_blames_no_text() -> None:
    error = ReplyError("no")
    assert (error.attempts, error.isolated, error.server_works) == (0, False, False)
    error.attempts = 2
    assert str(error) == "no [attempts 2]"


def test_a_deadline_may_know_when_the_account_takes_requests_again() -> None:
    assert str(DeadlineError("late", index=3, retry_after=90)) == "late [text 3, retry after 90 s]"
    assert str(DeadlineError("late")) == "late"


@pytest.mark.parametrize(
    ("name", "known", "remedy"),
    [
        ("opnai", ["openai", "ollama"], "; did you mean 'openai'?"),
        ("abxyz", ["abcde"], "; known are: abcde"),  # 2 of 5 letters are alike
        ("abcxy", ["abcde"], "; did you mean 'abcde'?"),  # 3 of 5
        ("zzz", ["b", "a"], "; known are: a, b"),
        ("zzz", [], ""),
    ],
)
def test_a_name_that_nobody_knows_comes_with_the_nearest(name: str, known: list[str], remedy: str) -> None:
    assert nearest(name, known) == remedy


def test_a_provider_may_know_better_whether_to_try_again() -> None:
    assert RateLimitError("no", retryable=False).retryable is False
    assert ProviderError("no", retryable=True).retryable is True
    assert RateLimitError("no").retryable is True


@given(st.sampled_from(ERRORS), st.none() | st.integers(0, 99))
def test_copies_are_complete(kind: type[AembedError], index: int | None) -> None:
    error = kind("no", index=index)
    for copied in (copy.copy(error), pickle.loads(pickle.dumps(error))):  # noqa: S301
        assert type(copied) is kind
        assert (str(copied), vars(copied)) == (str(error), vars(error))


@given(st.sampled_from(ERRORS), st.none() | st.integers(0, 99))
def test_a_copy_is_the_same_failure_of_another_call(kind: type[AembedError], index: int | None) -> None:
    error = kind("no", index=7)
    try:
        raise error from LookupError("why")
    except AembedError:
        copied = error.copy_for(index)
    assert type(copied) is kind
    assert (copied.index, copied.partial, copied.__traceback__) == (index, None, None)
    assert copied.__cause__ is error.__cause__
    copied.index = 7
    assert (str(copied), vars(copied)) == (str(error), vars(error))


def test_an_error_with_a_custom_constructor_is_copied() -> None:
    class ParticularError(ProviderError):
        def __init__(self, *, code: int) -> None:
            super().__init__(f"code {code}")
            self.code = code

    copied = ParticularError(code=7).copy_for(None)
    assert isinstance(copied, ParticularError)
    assert (str(copied), copied.code) == ("code 7", 7)


def test_a_text_that_is_too_long_is_the_texts_fault() -> None:
    assert issubclass(TextTooLongError, aembed.BadTextError)


@pytest.mark.parametrize(
    ("seconds", "words"),
    [
        (0, "0 s"),
        (0.0123, "0.0123 s"),
        (119, "119 s"),
        (119.9, "120 s"),
        (120, "2 min"),
        (149, "2 min"),
        (151, "3 min"),
        (3_600, "1 h"),
        (3_660, "1 h 1 min"),
        (86_340, "23 h 59 min"),
        (86_400, "1 d"),
        (90_060, "1 d 1 h"),
        (172_800, "2 d"),
        (999_999_999, "11574 d 1 h"),
        (1e9, "1000000000.0 s"),
        (-1, "-1 s"),
        (float("nan"), "nan s"),
        (float("inf"), "inf s"),
    ],
)
def test_a_wait_in_words(seconds: float, words: str) -> None:
    assert str(RateLimitError("no", retry_after=seconds)) == f"no [retry after {words}]"


@pytest.mark.parametrize(
    ("seconds", "words"),
    [(0.0, "0 s"), (1 / 3, "0.333 s"), (119.4, "119 s"), (120, "2 min"), (90_000, "1 d 1 h"), (-1.0, "-1.0 s")],
)
def test_a_wait_is_written_for_people(seconds: float, words: str) -> None:
    assert f"retry after {words}]" in str(RateLimitError("slow down", retry_after=seconds))
