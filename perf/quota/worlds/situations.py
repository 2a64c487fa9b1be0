"""Situations in which the gate once failed, and what each must come to. Those that are not jobs are in `scripts`."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from perf.quota.worlds.outcome import Outcome
from perf.quota.worlds.world import Algorithm, Headers, Outage, Queries, Rule, Stated, Workers, World

SEEDS = range(2000, 2003)
"""Seeds of each situation."""
RPM_1200 = Stated(requests=1200)


@dataclass(frozen=True)
class Target:
    """``None``: nothing is asked for. Exceptions, hangs and lost texts miss every target."""

    efficiency: float | None = None
    query_ratio: float | None = None
    """p95 of the queries over that without a load."""
    query_s: float | None = None
    """p95, in the first minute and in all."""
    rejections: float | None = None
    """429s for a success."""
    requests: float | None = None
    """Requests for a success."""
    peak: float | None = None
    """Most requests in a minute over the limit stated."""
    attempts: int = 0
    """A text whose batch was tried so many times is not lost."""

    def missed(self, outcome: Outcome, unloaded: Outcome | None) -> list[str]:
        alone = unloaded.query_p95 if unloaded else 0.0
        prompt = max(outcome.query_p95, outcome.query_first_minute)
        checks = {
            outcome.exception or "exception": bool(outcome.exception),
            "hang": outcome.hung,
            f"lost {outcome.lost}": any(map(self._is_loss, outcome.lost)),
            "efficiency": self.efficiency is not None and outcome.efficiency < self.efficiency,
            "queries": self.query_ratio is not None and outcome.query_p95 > self.query_ratio * alone,
            "queries in time": self.query_s is not None and prompt > self.query_s,
            "429s": self.rejections is not None and outcome.rejections > self.rejections,
            "requests": self.requests is not None and outcome.requests > self.requests,
            "above the limit": self.peak is not None and outcome.peak > self.peak,
        }
        return [name for name, is_missed in checks.items() if is_missed]

    def _is_loss(self, reason: str) -> bool:
        return not self.attempts or f", {self.attempts} attempts" not in reason


@dataclass(frozen=True)
class Situation:
    name: str
    world: World
    target: Target

    def worlds(self) -> Sequence[World]:
        return [replace(self.world, seed=seed) for seed in SEEDS]


def bulk(rule: Rule, minutes: float, **changes: object) -> World:
    """A job of about so many minutes of one rule for requests, with one small text in each."""
    batches = round(rule.per_minute * minutes)
    world = World(0, (rule,), batches=batches, texts=1, batch_tokens=40.0)
    return replace(world, **changes)  # type: ignore[arg-type]  # fields of World, by name


def requests(per_minute: float, algorithm: Algorithm = "sliding", span: float = 60.0) -> Rule:
    return Rule("requests", per_minute, algorithm, span, span / 3 if algorithm == "fixed" else 0.0)


def tokens(per_minute: float, algorithm: Algorithm = "sliding", span: float = 60.0) -> Rule:
    return Rule("tokens", per_minute, algorithm, span, span / 3 if algorithm == "fixed" else 0.0)


def queries_that_stop() -> list[Situation]:
    """Rounding leaves what others use below zero."""
    variants: list[tuple[Algorithm, Headers, float | None]] = [
        ("sliding", "all", None), ("sliding", "none", 160_000), ("bucket", "all", None), ("fixed", "all", 160_000),
    ]  # fmt: skip
    return [
        Situation(
            f"queries stop, tokens in a {algorithm}, headers {headers}",
            World(
                0,
                (tokens(160_000, algorithm),),
                headers=headers,
                stated=Stated(tokens=limit),
                batches=4500,
                queries=Queries(4.0, 100.0, "stops", stop=120.0),
            ),
            Target(),
        )
        for algorithm, headers, limit in variants
    ]


def many_answers() -> list[Situation]:
    """Thousands of answers after the last 429, and no limit stated."""
    short = (Outage(2.0, 3.0, "429", 1.0),)
    free = World(0, outages=short, batches=8000, texts=1, batch_tokens=20.0)
    raised = bulk(requests(600, "bucket"), 12, changes=((60.0, 50.0),))
    return [
        Situation("8,000 answers after the last 429, no quota", free, Target(efficiency=0.5)),
        Situation("7,200 answers, quota times 50", raised, Target()),
    ]


def large_batches() -> list[Situation]:
    """Queries during batches of a sixteenth of a minute's tokens."""
    quick, few = Queries(5.0), Queries(0.5)
    variants: list[tuple[str, Algorithm, Headers, float | None, Queries]] = [
        ("sliding, told", "sliding", "all", None, few),
        ("sliding, stated", "sliding", "none", 1_000_000, few),
        ("fixed, told", "fixed", "all", None, few),
        ("bucket, told, 5 queries/s", "bucket", "all", None, quick),
    ]
    return [
        Situation(
            f"batches of 1/16 of the tokens, {name}",
            World(
                0,
                (tokens(1_000_000, algorithm),),
                headers=headers,
                stated=Stated(tokens=limit),
                batches=88,
                texts=62,
                batch_tokens=62_000.0,
                length_spread=0.2,
                queries=queries,
            ),
            Target(query_ratio=2.0),
        )
        for name, algorithm, headers, limit, queries in variants
    ]


def together_from_the_start() -> list[Situation]:
    """Ingestion starts with the queries."""
    variants: list[tuple[Algorithm, Headers]] = [("sliding", "none"), ("sliding", "all"), ("bucket", "all")]
    return [
        Situation(
            f"documents and queries start together, {share:.0%}, {algorithm}, headers {headers}",
            bulk(
                requests(1200, algorithm), 3.5 * (1 - share), headers=headers, stated=RPM_1200,
                queries=Queries(20 * share),
            ),
            Target(query_s=1.0),
        )
        for share in (0.1, 0.5)
        for algorithm, headers in variants
    ]  # fmt: skip


def rejected_for_a_while() -> list[Situation]:
    minute, ten = (Outage(60.0, 120.0, "429", 2.0),), (Outage(60.0, 660.0, "429", 30.0),)
    rules: dict[Headers, Rule] = {"all": requests(1200, "bucket"), "none": requests(1200, "sliding")}
    return [
        Situation(
            f"a minute of 429s, limits stated, {rule.algorithm}",
            bulk(rule, 8, outages=minute, stated=RPM_1200, headers=headers),
            Target(efficiency=0.93),
        )
        for headers, rule in rules.items()
    ] + [
        Situation(
            f"ten minutes of 429s with Retry-After 30, {rule.algorithm}",
            bulk(rule, 6, outages=ten, stated=RPM_1200, headers=headers, patient=True),
            Target(efficiency=0.9),
        )
        for headers, rule in rules.items()
    ]


def short_windows() -> list[Situation]:
    variants: list[tuple[Algorithm, float]] = [
        ("sliding", 1.0), ("sliding", 10.0), ("sliding", 0.1), ("fixed", 1.0), ("fixed", 10.0),
    ]  # fmt: skip
    return [
        Situation(
            f"{algorithm} window of {span:g} s, {how}",
            bulk(
                requests(3000, algorithm, span),
                1.6,
                latency=0.05,
                spread=0.05,
                headers="all" if how == "told" else "none",
                stated=Stated(requests=3000) if how == "stated" else Stated(),
            ),
            Target(efficiency=0.93),
        )
        for algorithm, span in variants
        for how in ("stated", "told")
    ]


def other_causes() -> list[Situation]:
    blip = (Outage(40.0, 41.0, "429", None),)
    azure = bulk(requests(1200, "bucket"), 5, headers="azure", outages=blip)
    changed = bulk(requests(1200), 6, changes=((90.0, 0.5), (240.0, 1.5)))
    unaware = bulk(requests(1200), 5, processes=3, retry_after="absent")
    return [
        Situation("only requests told (tokens -1), a 429 comes", azure, Target(efficiency=0.93)),
        Situation("halved, then tripled, sliding, nothing stated", changed, Target(efficiency=0.85)),
        Situation("three unaware processes, no Retry-After", unaware, Target(efficiency=0.93)),
        Situation(
            "three unaware processes, Retry-After", replace(unaware, retry_after="exact"), Target(efficiency=0.93)
        ),
    ]


def never_above_what_is_stated() -> list[Situation]:
    jitter = bulk(requests(1200), 3.5, headers="all", stated=RPM_1200, latency=0.07, spread=0.4)
    queries = Queries(1.5, pattern="bursts", burst=5)
    few = replace(jitter, stated=Stated(requests=300), batches=750, queries=queries, retry_after="absent")
    abandoned = replace(jitter, abandoned=4.0)
    entry = bulk(requests(15), 6, stated=Stated(requests=15), latency=0.1, spread=0.0, headers="none")
    clock = bulk(requests(1200), 3.5, stated=RPM_1200, headers="none", clock_jump=(60.0, 3600.0))
    return [
        Situation("replies overtake, stated and told", jitter, Target(peak=1.0, efficiency=0.93)),
        *(
            Situation(
                f"twice as much told as stated, {rule.algorithm} of {rule.span:g} s",
                replace(few, rules=(rule,)),
                Target(peak=peak),
            )
            for rule, peak in (
                (requests(600), 1.0),
                (requests(600, "fixed", 10.0), 1.05),
                (requests(600, "bucket", 1.0), 1.05),
                (requests(600, "bucket"), 2.0),
            )
        ),
        Situation("abandoned calls, told", abandoned, Target(rejections=0.0, peak=1.0)),
        Situation("abandoned calls, stated", replace(abandoned, headers="none"), Target(rejections=0.0, peak=1.0)),
        Situation("entries of a window expire", entry, Target(rejections=0.0, peak=1.0, efficiency=0.93)),
        Situation("the clock jumps an hour", clock, Target(efficiency=0.75)),
    ]


def capacity() -> list[Situation]:
    """Servers without a quota."""

    def workers(name: str, config: Workers, efficiency: float, **changes: object) -> Situation:
        world = World(0, workers=config, latency=0.02, spread=0.1, batches=2400, queries=Queries(1.0, 20.0))
        world = replace(world, **changes)  # type: ignore[arg-type]  # fields of World, by name
        return Situation(name, world, Target(efficiency=efficiency, query_ratio=2.5))

    eight = Workers(((0.0, 8),), per_request=0.04, per_token=0.001)
    resets = World(0, slots=1000, batches=8000, texts=1, batch_tokens=20.0, latency=0.4, most_in_flight=100)
    down = bulk(requests(1200, "bucket"), 6, headers="all", queries=Queries(1.0))
    return [
        *(
            workers(f"8 workers, spread {spread:.0%}", replace(eight, spread=spread), 0.92)
            for spread in (0.0, 0.1, 0.3)
        ),
        workers("8 workers, 10 to 60 ms of network", eight, 0.92, latency=0.06, spread=0.4),
        workers("workers 4, 1, 8", replace(eight, counts=((0.0, 4), (60.0, 1), (120.0, 8)), spread=0.1), 0.92),
        workers("two backends of unequal speed", replace(eight, speeds=(1.0, 0.4), spread=0.1), 0.9),
        Situation(
            "connections reset beyond 100 of 1,000",
            resets,
            Target(efficiency=0.8, requests=2.5),
        ),
        Situation("20 % 503s", bulk(requests(1200, "bucket"), 4, headers="all", errors=0.2), Target(attempts=5)),
        Situation("down for 70 s, 503", replace(down, outages=(Outage(60.0, 130.0, "503"),)), Target(requests=1.3)),
        Situation(
            "down for 70 s, no connection",
            replace(down, outages=(Outage(60.0, 130.0, "connect"),)),
            Target(requests=1.3),
        ),
    ]


SITUATIONS = [
    *queries_that_stop(),
    *many_answers(),
    *large_batches(),
    *together_from_the_start(),
    *rejected_for_a_while(),
    *short_windows(),
    *other_causes(),
    *never_above_what_is_stated(),
    *capacity(),
]
