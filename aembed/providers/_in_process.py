"""What every model inside this process shares: which settings it refuses, and how many cores it has."""

from __future__ import annotations

import difflib
import os
import sys
from typing import TYPE_CHECKING, TypeVar

from aembed._errors import ConfigError
from aembed._wire.catalogue import listed

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence

    from aembed._types import Source

T = TypeVar("T")


def refuse_settings(source: Source, *, known_options: Collection[str]) -> None:
    """Raise :class:`ConfigError` for a setting that means nothing to a model in this process."""
    remote = {"base_url": source.base_url, "api_key": source.api_key, "headers": source.headers}
    for name, value in remote.items():
        if value:
            raise ConfigError(
                f"the {source.provider} provider takes no {name}: it runs in this process and sends nothing; "
                f"leave {name} out, or name a provider with a server"
            )
    for name in source.options:
        if name not in known_options:
            near = difflib.get_close_matches(name, known_options, n=1)
            known = f"it knows {', '.join(sorted(known_options))}" if known_options else "it has no options"
            hint = f"did you mean {near[0]!r}?" if near else known
            raise ConfigError(f"the {source.provider} provider has no option {name!r}: {hint}")


def option(source: Source, name: str, kind: type[T]) -> T | None:
    """The value of a provider option, ``None`` where it is not given, or :class:`ConfigError` for another type."""
    value = source.options.get(name)
    if value is None or type(value) is kind:
        return value
    raise ConfigError(f"{name}={value!r}: the {source.provider} provider takes {kind.__name__} here")


def chosen_dimension(source: Source, dim: int, offers: Sequence[int]) -> int:
    """The dimension asked for, or the model's own, ``dim``. Raise :class:`ConfigError` if the model has no such one.

    ``offers`` are those that its vectors may be shortened to.
    """
    wanted = dim if source.dimensions is None else source.dimensions
    if wanted == dim or (wanted in offers and wanted < dim):
        return wanted
    if any(offer < dim for offer in offers):
        raise ConfigError(f"dimensions={wanted}, but the model has {listed(offers)}: ask for one of those")
    raise ConfigError(
        f"dimensions={wanted}, but the model answers {dim} and cannot be shortened: "
        f"leave dimensions out, or set it to {dim}"
    )


def usable_cores() -> int:
    """How many cores this process may run on (a container's share, not the machine's)."""
    if sys.version_info >= (3, 13):
        return os.process_cpu_count() or 1
    affinity = getattr(os, "sched_getaffinity", None)  # Linux alone has it
    return len(affinity(0)) if affinity else os.cpu_count() or 1
