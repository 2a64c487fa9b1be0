"""Python, loop and package versions that counts depend on: another version may call other functions."""

from __future__ import annotations

import asyncio
import functools
import platform
import sys
from collections.abc import Iterable, Mapping
from importlib.metadata import packages_distributions, version

RUNNER = "aembed"
"""The package whose counting rules apply: always among the versions."""


def python_version() -> str:
    """Such as "3.11.9", and the level of optimization, which drops the calls in asserts."""
    return platform.python_version() + (f" -{'O' * level}" if (level := sys.flags.optimize) else "")


def setting_name(loop: str) -> str:
    """Key of a record, such as "CPython 3.11, linux, asyncio": one record for each setting of a CI matrix."""
    major, minor = sys.version_info[:2]
    return f"{platform.python_implementation()} {major}.{minor}, {sys.platform}, {loop}"


def loop_name(loop: asyncio.AbstractEventLoop) -> str:
    """Such as "asyncio" or "uvloop"; asyncio's debug mode calls more functions, and is named."""
    kind = type(loop)
    module = kind.__module__.partition(".")[0]
    name = module if module in {"asyncio", "uvloop"} else kind.__name__
    return f"{name} in debug mode" if loop.get_debug() else name


def called_packages(modules: Iterable[str], loop: asyncio.AbstractEventLoop) -> dict[str, str]:
    """Versions by distribution name for the packages that ``modules`` belong to, and for the loop's."""
    names = {module.partition(".")[0] for module in (*modules, type(loop).__module__, RUNNER)}
    found = {distribution for name in names for distribution in _distributions().get(name, ())}
    return {distribution.lower(): version(distribution) for distribution in sorted(found)}


@functools.cache
def _distributions() -> Mapping[str, list[str]]:
    """Read once: it opens a file of every installed package."""
    return packages_distributions()
