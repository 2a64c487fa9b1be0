"""Durations, shares and lists as people write them."""

from __future__ import annotations

import math

import typer

from aembed.bench import slo


def seconds(text: str | float) -> float:
    """``30s``, ``2m``, ``1.5h``, ``50ms``; a bare number, such as a default, is seconds."""
    if not isinstance(text, str):
        return text
    value = slo.seconds(text)
    if not value > 0:
        raise typer.BadParameter(f"{text!r} is not a duration; write 30s, 2m, 1h or 50ms")
    return value


def rate_per_s(text: str | float) -> float:
    """``200`` or ``200/s``."""
    if not isinstance(text, str):
        return text
    try:
        value = float(text.removesuffix("/s"))
    except ValueError:
        value = math.nan
    if not (math.isfinite(value) and value > 0):
        raise typer.BadParameter(f"{text!r} is not a rate; write 200 or 200/s")
    return value


def share(text: str | float) -> float:
    """``99%`` or ``0.99``."""
    if not isinstance(text, str):
        return text
    value = slo.share(text)
    if not 0 <= value <= 1:
        raise typer.BadParameter(f"{text!r} is not a share; write 99% or 0.99")
    return value


def counts(text: str | tuple[int, ...]) -> tuple[int, ...]:
    """``1,5,20``."""
    if isinstance(text, tuple):
        return text
    try:
        values = tuple(int(part) for part in text.split(","))
    except ValueError:
        values = ()
    if not values or min(values) < 1:
        raise typer.BadParameter(f"{text!r} is not a list of whole numbers; write 1,5,20,100")
    return values


def quantiles(text: str | tuple[float, ...]) -> tuple[float, ...]:
    """``75,97.5`` as shares; typer.BadParameter for anything else."""
    if isinstance(text, tuple):
        return text
    try:
        values = tuple(float(part.strip().removeprefix("p")) / 100 for part in text.split(","))
    except ValueError:
        values = ()
    if not values or not all(0 < value < 1 for value in values):
        raise typer.BadParameter(f"{text!r} is not a list of percentiles between 0 and 100; write 75,97.5")
    return values
