"""When requests are meant to start. Pure: a rate over time, and how irregular the gaps are, become absolute times.

A schedule is drawn once, before the run, and never moved: a request that starts late is late, and counted as such.
``cv`` is the coefficient of variation of the gaps: 0 is a metronome, 1 a Poisson process, 2 and more comes in bunches.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol, TypeAlias

import numpy as np
from numpy.typing import NDArray

from aembed import InputError

IntendedTimes: TypeAlias = NDArray[np.int64]
"""Nanoseconds since the start of the run, ascending."""

SLACK = 1e-9
"""Part of a request that rounding may take away."""


class Arrivals(Protocol):
    """A schedule. It is immutable, and its ``str`` is its name in reports."""

    def times(self, duration: float, seed: int = 0) -> IntendedTimes:
        """The intended starts within ``duration`` seconds; the same seed gives the same ones.

        Raises InputError where no request, or not the whole shape, fits into ``duration``.
        """
        ...


@dataclass(frozen=True, slots=True)
class Piece:
    """The rate goes linearly from ``start`` to ``end`` requests/s; without ``seconds``, up to the end of the run."""

    start: float
    end: float
    seconds: float | None = None


@dataclass(frozen=True, slots=True)
class RateProfile:
    """Rates over time: ``floor(integral of the rate)`` requests, the first at the beginning of the run."""

    name: str
    pieces: tuple[Piece, ...]
    cv: float = 0.0

    def __str__(self) -> str:
        return self.name

    def times(self, duration: float, seed: int = 0) -> IntendedTimes:
        """The intended starts within ``duration`` seconds, normalised: n gaps of a rate r last n/r in all."""
        lengths = self._lengths(_positive("duration", duration))
        counts = [(piece.start + piece.end) / 2 * length for piece, length in zip(self.pieces, lengths, strict=True)]
        n = math.floor(sum(counts) + SLACK)
        if n < 1:
            raise InputError(f"{self} has no request in {duration:g} s; raise the rate or the duration")
        return np.rint(self._when(self._events(n, seed), lengths, counts) * 1e9).astype(np.int64)

    def _lengths(self, duration: float) -> list[float]:
        """Seconds of every piece; the last one lasts to the end."""
        lengths = []
        left = duration
        for piece in self.pieces:
            if left <= 0:
                raise InputError(f"{self} needs more than duration={duration:g} s; lengthen it, or shorten the shape")
            lengths.append(left if piece.seconds is None else min(piece.seconds, left))
            left -= lengths[-1]
        return lengths

    def _events(self, n: int, seed: int) -> NDArray[np.float64]:
        """``n`` points from 0 whose gaps have the mean 1, the last one up to n: time as if the rate were 1."""
        if self.cv == 0:
            return np.arange(n, dtype=np.float64)
        gaps = np.random.default_rng(seed).gamma(1 / self.cv**2, self.cv**2, n)
        passed = np.cumsum(gaps)
        return (passed - gaps) * (n / passed[-1]) if passed[-1] > 0 else np.zeros(n)

    def _when(self, events: NDArray[np.float64], lengths: list[float], counts: list[float]) -> NDArray[np.float64]:
        """Seconds at which the integral of the rate reaches each of ``events``."""
        starts = np.concatenate([[0.0], np.cumsum(lengths)[:-1]])
        passed = np.concatenate([[0.0], np.cumsum(counts)])
        which = np.clip(np.searchsorted(passed, events, side="right") - 1, 0, len(lengths) - 1)
        rates = np.array([piece.start for piece in self.pieces])[which]
        slopes = np.array([(p.end - p.start) / s for p, s in zip(self.pieces, lengths, strict=True)])[which]
        beyond = np.maximum(events - passed[which], 0.0)
        # the root of slope/2 t^2 + rate t = beyond, in the form that also holds for slope 0
        speed = rates + np.sqrt(np.maximum(rates**2 + 2 * slopes * beyond, 0.0))
        within: NDArray[np.float64] = 2 * beyond / np.where(speed > 0, speed, 1.0)
        return starts[which] + within


@dataclass(frozen=True, slots=True)
class RecordedTimes:
    """Times that were recorded elsewhere; ``offsets`` are seconds since its start."""

    offsets: tuple[float, ...]

    def __str__(self) -> str:
        return f"trace({len(self.offsets)} requests in {self.offsets[-1]:g} s)"

    def times(self, duration: float, seed: int = 0) -> IntendedTimes:
        """Those before ``duration`` seconds; nothing is random here."""
        _positive("duration", duration)
        chosen = [offset for offset in self.offsets if offset < duration]
        if not chosen:
            raise InputError(
                f"{self} has no request before duration={duration:g} s; the first is at {self.offsets[0]:g} s"
            )
        return np.rint(np.array(chosen) * 1e9).astype(np.int64)


def constant(rate: float) -> RateProfile:
    """``rate`` requests a second at equal distances."""
    return RateProfile(f"constant(rate={rate:g})", (_flat("rate", rate),))


def poisson(rate: float) -> RateProfile:
    """``rate`` requests a second from many users who know nothing of each other: exponential gaps."""
    return RateProfile(f"poisson(rate={rate:g})", (_flat("rate", rate),), cv=1.0)


def gamma(rate: float, cv: float) -> RateProfile:
    """``rate`` requests a second with gamma-distributed gaps: ``cv`` above 1 comes in bunches, below 1 more evenly."""
    return RateProfile(f"gamma(rate={rate:g}, cv={cv:g})", (_flat("rate", rate),), cv=_positive("cv", cv))


def ramp(start: float, end: float, *, cv: float = 0.0) -> RateProfile:
    """From ``start`` to ``end`` requests a second, linearly over the whole run. One of the two may be 0."""
    if not max(_not_negative("start", start), _not_negative("end", end)) > 0:
        raise InputError("ramp(start=0, end=0) never sends anything; one of them must be above 0 requests/s")
    return RateProfile(f"ramp(start={start:g}, end={end:g})", (Piece(start, end),), cv=_not_negative("cv", cv))


def steps(rates: Sequence[float], seconds: float, *, cv: float = 0.0) -> RateProfile:
    """Each of ``rates`` for ``seconds``, one after the other; the last one lasts to the end of the run."""
    if not rates:
        raise InputError("steps(rates=[]) has no rate; give at least one, in requests/s")
    _positive("seconds", seconds)
    *first, last = (_positive("rates", rate) for rate in rates)
    pieces = [*(Piece(rate, rate, seconds) for rate in first), Piece(last, last)]
    listed = ", ".join(f"{rate:g}" for rate in rates)
    return RateProfile(f"steps([{listed}], seconds={seconds:g})", tuple(pieces), cv=_not_negative("cv", cv))


def burst(base: float, spike: float, at: float, spike_s: float, *, cv: float = 0.0) -> RateProfile:
    """``base`` requests a second, but ``spike`` for ``spike_s`` seconds from second ``at`` on, then ``base`` again."""
    calm = _flat("base", base)
    if _positive("spike", spike) <= base:
        raise InputError(f"burst(spike={spike:g}) must be above base={base:g} requests/s")
    before = Piece(base, base, _positive("at", at))
    pieces = (before, Piece(spike, spike, _positive("spike_s", spike_s)), calm)
    name = f"burst(base={base:g}, spike={spike:g}, at={at:g}, spike_s={spike_s:g})"
    return RateProfile(name, pieces, cv=_not_negative("cv", cv))


def trace(times: Sequence[float]) -> RecordedTimes:
    """Recorded starts, in seconds since the first second of the recording, ascending."""
    offsets = tuple(float(time) for time in times)
    if not offsets:
        raise InputError("trace(times=[]) has no request")
    previous = 0.0
    for i, offset in enumerate(offsets):
        if not math.isfinite(offset) or offset < previous:
            raise InputError(
                f"trace times must be finite and ascend from 0 s; times[{i}] is {offset:g}, after {previous:g}"
            )
        previous = offset
    return RecordedTimes(offsets)


def _flat(name: str, rate: float) -> Piece:
    _positive(name, rate)
    return Piece(rate, rate)


def _positive(name: str, value: float) -> float:
    if not (math.isfinite(value) and value > 0):
        raise InputError(f"{name}={value!r} must be a finite number above 0 ({UNITS.get(name, 'requests/s')})")
    return value


def _not_negative(name: str, value: float) -> float:
    return value if value == 0 else _positive(name, value)


UNITS = {"duration": "seconds", "at": "seconds", "seconds": "seconds", "spike_s": "seconds", "cv": "no unit"}
