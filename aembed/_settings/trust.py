"""Which configuration files found in a working directory their user has trusted, by path and content, as direnv does.

A cloned repository may bring an ``aembed.toml``. Unless it is trusted or named, it may choose models and limits, but
nothing that decides where keys and texts go, and no model of it is downloaded.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator, Mapping
from pathlib import Path

from aembed._errors import ConfigError
from aembed._settings.layers import SettingsTable
from aembed._settings.values import as_bool

HARMLESS = {
    "api_key",
    "batch_size",
    "cache_namespace",
    "deadline",
    "dimensions",
    "limits",
    "merge",
    "model",
    "normalize",
    "overlong",
    "provider_options",
    "retry",
    "strict",
    "timeout",
}
"""Fields that an untrusted file may set. ``api_key`` is the file's own, and goes to the provider's own hosts."""

DOWNLOADED = ("local:", "static:")
"""Models that may be on a hub."""


def check_trusted(file: Path, content: bytes, table: SettingsTable) -> None:
    """Raises :class:`ConfigError` for a file that sets more than :data:`HARMLESS` fields and is not trusted."""
    wants = sorted(dict.fromkeys(_restricted(table, file.resolve().parent)))
    if wants and not is_trusted(file, content):
        raise ConfigError(
            f"{file.resolve()} sets {', '.join(wants)}: a file found in the working directory may not decide where "
            "keys and texts go until you trust it. Read it, then run 'aembed trust', or name it in AEMBED_CONFIG"
        )


def names_download(table: SettingsTable) -> bool:
    """True if the file names a model that may have to be downloaded."""
    profiles = table.get("profiles")
    tables = [table, *(profiles.values() if isinstance(profiles, Mapping) else ())]
    models = [str(each.get("model")) for each in tables if isinstance(each, Mapping)]
    return any(model.startswith(DOWNLOADED) for model in models)


def is_trusted(file: Path, content: bytes) -> bool:
    return _mark(file, content).is_file()


def trust(file: Path, content: bytes) -> None:
    """Remember the file as it is now.

    Raises:
        ConfigError: the user's data directory cannot be written.
    """
    mark = _mark(file, content)
    try:
        mark.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        mark.write_text(f"{file.resolve()}\n", encoding="utf-8", errors="surrogateescape")
        mark.chmod(0o600)
    except OSError as error:
        raise ConfigError(f"{mark}: cannot be written: {error.strerror}; check the directory") from None


def distrust(file: Path) -> None:
    """Forget every content of the file."""
    known = f"{file.resolve()}\n"
    for mark in _directory().glob("*"):
        if mark.read_text(encoding="utf-8", errors="surrogateescape") == known:
            mark.unlink()


def _mark(file: Path, content: bytes) -> Path:
    digest = hashlib.sha256(os.fsencode(file.resolve()) + b"\n" + content).hexdigest()
    return _directory() / digest


def _directory() -> Path:
    """The XDG base directory specification's data directory; on Windows, the local (not roaming) one."""
    named = os.environ.get("XDG_DATA_HOME") or (os.environ.get("LOCALAPPDATA") if os.name == "nt" else None)
    return Path(named or Path.home() / ".local" / "share") / "aembed" / "trusted"


def _restricted(table: SettingsTable, home: Path, where: str = "") -> Iterator[str]:
    for name, value in table.items():
        if name == "profiles" and not where and isinstance(value, Mapping):
            for profile, fields in value.items():
                if isinstance(fields, Mapping):
                    yield from _restricted(fields, home, f" of profile {profile!r}")
        elif name == "cache":
            if not _is_within(value, home):
                yield f"cache{where}"
        elif name not in HARMLESS:
            yield f"{name}{where}"


def _is_within(place: object, home: Path) -> bool:
    """True for a cache in memory, none, or one below ``home``, links followed."""
    if not isinstance(place, str):
        return True
    return isinstance(as_bool(place), bool) or (home / Path(place).expanduser()).resolve().is_relative_to(home)
