"""Errors from the files of any model as one ConfigError or ProviderError."""

from __future__ import annotations

from collections.abc import Generator
from contextlib import contextmanager

from aembed._errors import AembedError, ConfigError, ProviderError
from aembed._wire.redact import redact


@contextmanager
def while_opening(model: str) -> Generator[None]:
    """Every fault of its files becomes a ConfigError: a value of another type, a depth, a panic of the tokenizer."""
    failure = ""
    try:
        yield
    except (AembedError, MemoryError):
        raise
    except Exception as error:  # noqa: BLE001  # tokenizers raises bare ones, and odd values any other
        failure = f"{type(error).__name__}: {redact(str(error), (), (), 200)}"
    except BaseException as error:
        if not is_panic(error):
            raise
        failure = "the tokenizers package panicked"
    if failure:
        raise ConfigError(f"{model} cannot be opened, its files are not those of a model ({failure}); save it again")


@contextmanager
def while_tokenizing(provider: str) -> Generator[None]:
    """A tokenizer may be odd in a way that only a text shows."""
    failed = False
    try:
        yield
    except BaseException as error:
        if not is_panic(error) and type(error) is not Exception:  # which is what tokenizers raises
            raise
        failed = True
    if failed:
        raise ProviderError("the model's tokenizer fails at a text; save the model again", provider=provider)


def is_panic(error: BaseException) -> bool:
    """True for that of Rust code, which is not an Exception, and of a class that cannot be imported."""
    return type(error).__name__ == "PanicException"
