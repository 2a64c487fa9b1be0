"""Numbers as people read them: three digits and a unit. Missing figures are named."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Mapping

from aembed.bench.model.estimates import Estimate, Percentile

NOT_MEASURED = "not measured"
NOUNS = {"documents": "text", "users": "user"}
"""Nouns for values of these parameters."""
BEYOND = "beyond what was measured"
"""Text for a percentile among failed requests."""


def seconds(value: float) -> str:
    for unit, size in (("s", 1.0), ("ms", 1e-3), ("µs", 1e-6)):
        if abs(value) >= size:
            return f"{digits(value / size)} {unit}"
    return f"{digits(value / 1e-9)} ns" if value else "0 s"


def tick(value: float) -> str:
    """Seconds at an axis: as short as can be."""
    for unit, size in (("s", 1.0), ("ms", 1e-3), ("µs", 1e-6)):
        if abs(value) >= 0.999 * size:
            return f"{value / size:.4g} {unit}"
    return f"{value / 1e-9:.4g} ns" if value else "0"


def size(value: float) -> str:
    for unit, bytes_ in (("GB", 1e9), ("MB", 1e6), ("kB", 1e3)):
        if abs(value) >= bytes_:
            return f"{digits(value / bytes_)} {unit}"
    return f"{digits(value)} B"


def rate(value: float) -> str:
    return f"{digits(value)}/s"


def share(value: float) -> str:
    return f"{digits(100 * value)} %"


def change(value: float) -> str:
    written = f"{100 * value:+.1f} %"
    return "0.0 %" if float(written[:-2]) == 0 else written


def count(value: float) -> str:
    return f"{value:,.0f}" if value == int(value) else digits(value)


def digits(value: float) -> str:
    """Three of them, and all of those before the point."""
    if value == 0 or not math.isfinite(value):
        return f"{value:g}"
    rounded = abs(float(f"{value:.2e}"))  # 99.97 is 100
    places = max(0, 2 - math.floor(math.log10(rounded)))
    return f"{value:,.{min(places, 12)}f}"


def values(parameters: Mapping[str, str | int | float | bool | None]) -> str:
    """Such as "32 texts, 8 users"."""
    return ", ".join(_value(name, value) for name, value in parameters.items())


def _value(name: str, value: str | float | bool | None) -> str:
    if name == "rate" and isinstance(value, int | float):
        return rate(value)
    if name in NOUNS:
        return f"{value} {NOUNS[name]}{'' if value == 1 else 's'}"
    return f"{name}={value}"


def optional(value: float | None, unit: Callable[[float], str], missing: str = NOT_MEASURED) -> str:
    return missing if value is None else unit(value)


def estimate(value: Estimate | None, unit: Callable[[float], str], missing: str = NOT_MEASURED) -> str:
    """Value and interval."""
    if value is None:
        return missing
    if value.low is None and value.high is None:
        return f"{unit(value.value)} (no interval)"
    low, high = optional(value.low, unit, "?"), optional(value.high, unit, "?")
    return f"{unit(value.value)} ({between(low, high)})"


def percentile(value: Percentile) -> str:
    """Time and interval, or why there is none."""
    if value.value is None:
        return BEYOND
    if value.low is None and value.high is None:
        return f"{seconds(value.value)} (too few)"
    if value.low is not None and value.high is None:
        return f"{seconds(value.value)} ({seconds(value.low)} or more)"
    low, high = optional(value.low, seconds, "?"), optional(value.high, seconds)
    return f"{seconds(value.value)} ({between(low, high)})"


def between(low: str, high: str) -> str:
    """With the unit once, where both have the same."""
    found = re.fullmatch(r"([-+0-9.,]+)( \S+|/s)", low)
    return f"{found[1] if found and high.endswith(found[2]) else low} to {high}"


def quantile(q: float) -> str:
    """Such as p99.9."""
    return f"p{100 * q:g}"


def of(name: str) -> Callable[[float], str]:
    """The formatter of a unit."""
    return {"s": seconds, "1/s": rate, "B": size}.get(name, count)
