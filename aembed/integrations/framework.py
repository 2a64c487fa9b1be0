"""The import of a framework: a missing, old or changed one is one sentence with the command that mends it."""

from __future__ import annotations

from collections.abc import Generator
from contextlib import contextmanager
from importlib.metadata import PackageNotFoundError, version

from aembed import MissingExtraError


@contextmanager
def imported(package: str, *, extra: str) -> Generator[None]:
    """Around the imports from a framework. ``package`` is its name on the package index.

    Raises:
        MissingExtraError: it is not installed, or has not the names that are imported.
    """
    problem = ""
    try:
        yield
    except (ImportError, AttributeError) as error:
        problem = _problem(package, error)
    if problem:
        raise MissingExtraError(f'aembed\'s adapter needs {problem}: pip install -U "aembed[{extra}]"')


def _problem(package: str, error: Exception) -> str:
    try:
        found = version(package)
    except PackageNotFoundError:
        return f"the package {package!r}, which is not installed"
    return f"another version of {package} than the installed {found} ({error})"
