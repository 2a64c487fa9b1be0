"""Checks that models in this process share, and the number of cores they may use."""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING

from aembed._errors import ConfigError
from aembed._wire.catalogue import listed

if TYPE_CHECKING:
    from collections.abc import Sequence

    from aembed._types import Source


def check_no_server(source: Source) -> None:
    """Raises :class:`ConfigError` for a setting that only a provider with a server can use."""
    remote = {"base_url": source.base_url, "api_key": source.api_key, "headers": source.headers}
    for name, value in remote.items():
        if value:
            raise ConfigError(
                f"the {source.provider} provider takes no {name}: it runs in this process and sends nothing; "
                f"leave {name} out, or name a provider with a server"
            )


def chosen_dimension(source: Source, dim: int, offers: Sequence[int]) -> int:
    """The requested dimension, or the model's own, ``dim``. ``offers`` are those its vectors may be shortened to.

    Raises:
        ConfigError: the model cannot give this dimension; the message names those it can.
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
    """Number of cores that this process may run on: those of its container, not of the machine."""
    if sys.version_info >= (3, 13):
        return os.process_cpu_count() or 1
    affinity = getattr(os, "sched_getaffinity", None)  # only Linux has it
    return len(affinity(0)) if affinity else os.cpu_count() or 1
