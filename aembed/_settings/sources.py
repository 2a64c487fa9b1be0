"""Sources of a configuration, a file and the environment, and the origin of each field."""

from __future__ import annotations

import os
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from aembed._errors import ConfigError
from aembed._settings.environment import CONFIG
from aembed._settings.layers import SettingsTable

NAME = "aembed.toml"
"""File that is read from the working directory."""
MAX_FILE_BYTES = 2**20
"""Size of a configuration file, at most."""


@dataclass(frozen=True, slots=True)
class Origins:
    """Which variable, or which table of the file, has set a field. Two configurations may differ in it and be equal."""

    file: Path | None = field(default=None, compare=False)
    table: SettingsTable = field(default_factory=dict, compare=False, repr=False)
    variables: Mapping[tuple[str, ...], str] = field(default_factory=dict, compare=False)
    is_trusted: bool = field(default=True, compare=False)
    """False for a file that was found in the working directory, and that its user has not trusted."""

    def is_of_untrusted_file(self, path: tuple[str, ...]) -> bool:
        """True if the field comes from such a file alone."""
        named = any(path[:depth] in self.variables for depth in range(1, len(path) + 1))
        return not self.is_trusted and not named and _at(self.table, path) is not None

    def of(self, path: tuple[str, ...]) -> str:
        """``"AEMBED_TIMEOUT"``, ``"[retry] of aembed.toml"``; for a missing field, the origin of its table."""
        for depth in range(len(path), 0, -1):
            variable = self.variables.get(path[:depth])
            if variable is not None:
                return variable
        within = [name for known, name in self.variables.items() if known[: len(path)] == path]
        value = _at(self.table, path)
        if value is not None:
            table = path if isinstance(value, Mapping) else path[:-1]
            within.append(f"[{'.'.join(table)}] of {self.file}" if table else str(self.file))
        return " and ".join(within) or (self.of(path[:-1]) if len(path) > 1 else "")


def _at(table: object, path: tuple[str, ...]) -> object:
    for name in path:
        table = table.get(name) if isinstance(table, Mapping) else None
    return table


def find_file(named: str | Path | None) -> tuple[Path | None, bool]:
    """The configuration file, if there is one, and True if the user named it.

    Raises:
        ConfigError: the named file does not exist.
    """
    named = named or os.environ.get(CONFIG, "").strip() or None
    path = Path(named or NAME)
    if path.is_file():
        return path, named is not None
    if named:
        raise ConfigError(f"configuration file {str(path)!r} does not exist or is not a file; check the path")
    return None, False


def read_file(path: Path) -> bytes:
    """The bytes of the file. Raises :class:`ConfigError` if it cannot be read, or is far too large."""
    try:
        with path.open("rb") as file:
            content = file.read(MAX_FILE_BYTES + 1)
    except OSError as error:
        raise ConfigError(f"{path}: cannot be read: {error.strerror}; check the path") from None
    if len(content) > MAX_FILE_BYTES:
        raise ConfigError(f"{path}: larger than {MAX_FILE_BYTES} bytes; a configuration file has a few kilobytes")
    return content


def parse(path: Path, content: bytes) -> dict[str, object]:
    """The table that a TOML file holds. Raises :class:`ConfigError`."""
    try:
        return tomllib.loads(content.decode())
    except tomllib.TOMLDecodeError as error:
        raise ConfigError(f"{path}: not valid TOML: {error}") from None
    except UnicodeDecodeError as error:
        raise ConfigError(f"{path}: byte {error.start} is not UTF-8; save the file as UTF-8") from None
    except (RecursionError, ValueError):  # nested too deep; a number of thousands of digits
        raise ConfigError(f"{path}: not valid TOML: nested too deep, or a number that is too long") from None
