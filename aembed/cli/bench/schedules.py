"""Schedules of the command line, such as ``gamma:2`` at a rate, and how long they last."""

from __future__ import annotations

import math
from collections.abc import Callable
from pathlib import Path

from aembed import InputError
from aembed.bench import Arrivals, constant, gamma, poisson, ramp, read_rows, trace
from aembed.cli.errors import CommandError

MIN_DURATION_S, MAX_DURATION_S = 30.0, 300.0
"""Seconds of a run without a chosen length."""
ENOUGH_REQUESTS = 400
"""Requests, of which 367 that are independent of each other give the p99 an interval."""
DEFAULT_RATE = 100.0
AFTER_LAST_S = 0.001
"""Seconds from the last request of a trace to the end of the run."""
EXAMPLES = "write poisson, constant, gamma:2, ramp:10..200 or trace:FILE"


def steady(text: str, rate: float) -> Arrivals:
    """A schedule of one rate. Raises CommandError for any other, InputError for a wrong number."""
    kind, _, value = text.partition(":")
    match kind, value:
        case "poisson", "":
            return poisson(rate)
        case "constant", "":
            return constant(rate)
        case "gamma", _:
            return gamma(rate, _number(text, value))
        case "ramp" | "trace", _:
            raise CommandError(f"--arrivals {text} has no steady rate, which is needed here; give poisson or gamma:2")
    raise CommandError(f"--arrivals {text!r} is not a schedule; {EXAMPLES}")


def any_schedule(text: str, rate: float | None, duration: float | None) -> tuple[Arrivals, float]:
    """A schedule and its seconds. A ramp and a trace have their rates: another is a CommandError."""
    kind, _, value = text.partition(":")
    if kind not in {"ramp", "trace"}:
        chosen = DEFAULT_RATE if rate is None else rate
        return steady(text, chosen), seconds_for(chosen) if duration is None else duration
    if rate is not None:
        raise CommandError(f"--rate and --arrivals {kind} exclude each other: the schedule has its rates")
    if kind == "ramp":
        start, _, end = value.partition("..")
        return ramp(_number(text, start), _number(text, end)), duration or MIN_DURATION_S
    times = _recorded(Path(value))
    return trace(times), duration or times[-1] + AFTER_LAST_S


def seconds_for(rate: float, requests: int = ENOUGH_REQUESTS) -> float:
    """A duration in which so many requests come, within reason."""
    return min(MAX_DURATION_S, max(MIN_DURATION_S, math.ceil(requests / rate)))


def _number(text: str, value: str) -> float:
    try:
        return float(value)
    except ValueError:
        raise CommandError(f"--arrivals {text!r} has no number; {EXAMPLES}") from None


def _recorded(path: Path) -> list[float]:
    """Seconds since the first request of the recording."""
    read: Callable[[Path], list[float]] = _of_rows if path.suffix in {".csv", ".parquet"} else _of_lines
    found = read(path)
    if not found:
        raise InputError(f"{path} has no request")
    return [at - found[0] for at in found]


def _of_rows(path: Path) -> list[float]:
    run, *others = read_rows(path) or (None,)
    if others:
        raise InputError(f"{path} has {1 + len(others)} runs; give a file of one")
    return [] if run is None else [at / 1e9 for at in run.rows.intended.tolist()]


def _of_lines(path: Path) -> list[float]:
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"{path} cannot be read: {getattr(error, 'strerror', None) or 'it is not UTF-8'}") from None
    found = []
    for number, line in enumerate(lines, 1):
        try:
            found += [float(line)] if line.strip() else []
        except ValueError:
            raise InputError(f"{path}:{number} is not a number of seconds: {line.strip()[:40]!r}") from None
    return found
