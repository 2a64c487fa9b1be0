"""The result of a measurement. Every mode returns one :class:`Report`; parts it did not measure are ``None``.

Frozen and without behaviour, so that reports can be kept, compared and shown by code that has never run one. Times are
seconds, sizes bytes, rates per second, shares between 0 and 1. JSON by :func:`reports_to_json`.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Literal, TypeAlias

import msgspec

from aembed.bench.model.breakdown import Breakdown
from aembed.bench.model.estimates import Distribution
from aembed.bench.model.objectives import Judgement
from aembed.bench.model.one_at_a_time import Cost, Memory, Micro, Scaling
from aembed.bench.model.sweep import Sweep
from aembed.bench.model.under_load import (
    Burst,
    Closed,
    Drift,
    LoopUse,
    Pacing,
    ProcessShare,
    RunWindow,
    Stall,
    Steps,
    Traffic,
)
from aembed.bench.model.versus import Versus
from aembed.bench.model.work import Work

SCHEMA = 1
"""Version of the JSON. Reports of another schema are rejected, never guessed at."""

Mode: TypeAlias = Literal[
    "open",
    "closed",
    "burst",
    "sustained",
    "steps",
    "scaling",
    "micro",
    "memory",
    "cost",
    "versus",
    "sweep",
    "recorded",
]
"""``recorded``: read back from a file of rows or histograms, that may be of another program."""
State: TypeAlias = Literal["ok", "failed", "regressed", "over budget", "invalid", "inconclusive"]
"""``failed``: the subject did not do its work, so that its times say nothing."""
Parameter: TypeAlias = str | int | float | bool | None

EXIT_CODES: Mapping[State, int] = {
    "ok": 0,
    "failed": 1,
    "regressed": 1,
    "over budget": 1,
    "invalid": 3,
    "inconclusive": 3,
}
"""2 is for usage: a run that never began."""
FROM_GOOD_TO_BAD: tuple[State, ...] = ("ok", "inconclusive", "over budget", "regressed", "invalid", "failed")
"""Of two verdicts on one run, the worse one counts."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """The verdict: may the figures be believed, and are they good?"""

    state: State = "ok"
    reasons: tuple[str, ...] = ()
    """Sentences with the problem, its values and a remedy."""
    possible_rate: float | None = None
    """Requests per second this machine could have offered, when the rate was beyond it."""

    def joined(self, other: Verdict) -> Verdict:
        """The worse of the two, with the reasons of both where they are equally bad."""
        if self.state == other.state:
            return Verdict(
                state=self.state,
                reasons=(*self.reasons, *other.reasons),
                possible_rate=self.possible_rate or other.possible_rate,
            )
        return max(self, other, key=lambda verdict: FROM_GOOD_TO_BAD.index(verdict.state))

    @property
    def exit_code(self) -> int:
        """0 fine, 1 failed, regressed or over budget, 3 invalid or inconclusive."""
        return EXIT_CODES[self.state]


@dataclass(frozen=True, slots=True, kw_only=True)
class Environment:
    """The machine and the software of a measurement. Figures of two machines are compared only in canary units."""

    machine: str
    """Fingerprint of CPU model, cores and system: equal on the same kind of machine."""
    cpu: str
    cores: int
    affinity: tuple[int, ...]
    """Cores this process may use; empty where the system does not say."""
    system: str
    python: str
    loop: str
    """Such as "uvloop 0.22.1" or "asyncio"."""
    packages: Mapping[str, str]
    revision: str | None
    """Commit of the git working tree; ``None`` outside one."""
    dirty: bool | None


UNKNOWN = Environment(
    machine="unknown",
    cpu="unknown",
    cores=0,
    affinity=(),
    system="unknown",
    python="unknown",
    loop="unknown",
    packages={},
    revision=None,
    dirty=None,
)
"""The environment of a run that was read back from a file without one."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Noise:
    """Noise of the machine, by a short look before or after the run."""

    load: float | None
    """Runnable processes, mean of the last minute."""
    steal: float | None
    """Share of CPU time the hypervisor gave to others during the look."""
    lost: float
    """Share of the look in which a spinning thread did not run."""
    longest_gap: float
    """The longest time it did not run."""
    canary: float
    """Seconds a fixed calculation took (best of some): the unit in which machines are compared."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """One measurement of one case."""

    schema: int = SCHEMA
    mode: Mode
    name: str
    parameters: Mapping[str, Parameter]
    started: str
    """UTC, ISO 8601."""
    seconds: float
    interrupted: bool = False
    """Stopped before its end; the figures are those until then."""
    verdict: Verdict
    environment: Environment
    before: Noise | None = None
    """``None`` on virtual time."""
    after: Noise | None = None
    frozen: int | None = None
    """Objects that were there before the subject was opened, and were frozen out of garbage collections."""
    notes: tuple[str, ...] = ()
    """Remarks that the figures do not show."""
    objectives: tuple[Judgement, ...] = ()
    """Each goal that was given, and whether it was kept."""

    pacing: Pacing | None = None
    traffic: Traffic | None = None
    response: Distribution | None = None
    """From the intended start to the answer, as users experience it."""
    service: Distribution | None = None
    """From the real start to the answer."""
    lag: Distribution | None = None
    """From the intended to the real start."""
    breakdown: Breakdown | None = None
    """Parts of the response time, in a run with ``why=True``."""
    work: Work | None = None
    """Texts, tokens and cost, where the subject embeds."""
    windows: tuple[RunWindow, ...] = ()
    stalls: tuple[Stall, ...] = ()
    loop: LoopUse | None = None
    processes: tuple[ProcessShare, ...] = ()
    """The processes that offered the load, if they were several; empty: one, the one that measured."""

    closed: Closed | None = None
    burst: Burst | None = None
    drift: Drift | None = None
    steps: Steps | None = None
    versus: Versus | None = None
    sweep: Sweep | None = None
    scaling: Scaling | None = None
    micro: Micro | None = None
    memory: Memory | None = None
    cost: Cost | None = None

    @property
    def is_measured(self) -> bool:
        """The figures may be believed, good or bad."""
        if self.verdict.state == "inconclusive":
            return any(judgement.is_open for judgement in self.objectives)
        return self.verdict.state != "invalid"

    def __str__(self) -> str:
        state = self.verdict.state
        said = {"ok": "measured", "invalid": "INVALID"}.get(state, f"measured, {state}")
        return f"{self.mode} {named(self.name, self.parameters)}: {said}"


def named(name: str, parameters: Mapping[str, Parameter]) -> str:
    """Such as "embed_documents(batch=20)"; parameters that are ``None`` are left out."""
    given = ", ".join(f"{name}={value}" for name, value in parameters.items() if value is not None)
    return f"{name}({given})" if given else name


def reports_to_json(reports: Iterable[Report]) -> bytes:
    """A JSON object ``{"schema": ..., "reports": [...]}``, indented so that it can be kept in git."""
    return msgspec.json.format(msgspec.json.encode({"schema": SCHEMA, "reports": list(reports)}), indent=1)


def reports_from_json(data: bytes) -> tuple[Report, ...]:
    """Reads the output of :func:`reports_to_json`; ValueError with the reason for anything else."""
    try:
        schema = msgspec.json.decode(data, type=_Head).schema
        if schema != SCHEMA:
            raise ValueError(f"these reports have schema {schema}, this aembed reads schema {SCHEMA}: measure again")
        return msgspec.json.decode(data, type=_File).reports
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        raise ValueError(f"not a file of reports: {error}") from None


class _Head(msgspec.Struct):
    schema: int


class _File(msgspec.Struct):
    reports: tuple[Report, ...]
