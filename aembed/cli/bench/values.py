"""Durations and objectives as people write them."""

from __future__ import annotations

import math
import re

import typer

from aembed.bench import Objective

UNITS = {"us": 1e-6, "µs": 1e-6, "ms": 1e-3, "s": 1.0, "m": 60.0, "h": 3600.0}


def seconds(text: str | float) -> float:
    """``30s``, ``2m``, ``1.5h``, ``50ms``; a bare number, such as a default, is seconds."""
    if not isinstance(text, str):
        return text
    match = re.fullmatch(r"\s*([0-9.]+)\s*([a-zµ]*)\s*", text)
    unit = UNITS.get((match[2] or "s") if match else "")
    try:
        value = float(match[1]) * unit if match and unit else math.nan
    except ValueError:
        value = math.nan
    if not value > 0:
        raise typer.BadParameter(f"{text!r} is not a duration; write 30s, 2m, 1h or 50ms")
    return value


def share(text: str | float) -> float:
    """``99%`` or ``0.99``."""
    if not isinstance(text, str):
        return text
    match = re.fullmatch(r"\s*([0-9.]+)\s*(%?)\s*", text)
    try:
        value = float(match[1]) / (100 if match[2] else 1) if match else math.nan
    except ValueError:
        value = math.nan
    if not 0 <= value <= 1:
        raise typer.BadParameter(f"{text!r} is no share; write 99% or 0.99")
    return value


def objective(text: str | Objective) -> Objective:
    """``p95=50ms``."""
    if isinstance(text, Objective):
        return text
    match = re.fullmatch(r"\s*p([0-9.]+)\s*=\s*(.+)", text)
    try:
        q = float(match[1]) / 100 if match else math.nan
    except ValueError:
        q = math.nan
    if match is None or not 0 < q < 1:
        raise typer.BadParameter(f"{text!r} is no objective; write p95=50ms")
    return Objective(q=q, seconds=seconds(match[2]))


def counts(text: str | tuple[int, ...]) -> tuple[int, ...]:
    """``1,5,20``."""
    if isinstance(text, tuple):
        return text
    try:
        values = tuple(int(part) for part in text.split(","))
    except ValueError:
        values = ()
    if not values or min(values) < 1:
        raise typer.BadParameter(f"{text!r} is no list of whole numbers; write 1,5,20,100")
    return values
