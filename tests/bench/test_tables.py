"""Tables of single operations, of conditions and of comparisons, from invented parts, word for word."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from aembed.bench.compare.changes import Change, Comparison
from aembed.bench.model.estimates import Estimate
from aembed.bench.model.one_at_a_time import LinearFit, Memory, Micro, Scaling, ScalingPoint, UslFit
from aembed.bench.model.result import Noise, Verdict
from aembed.bench.model.under_load import (
    Pacing,
)
from aembed.bench.report import compared, headlines, sections, tables
from aembed.bench.report.page import INTERVAL, _unparted
from tests.bench.reports import COST, HERE, around, report
from tests.bench.tables import note, rows

WIDE = Estimate(value=0.02, low=0.01, high=0.03)
MEMORY = Memory(
    operations=20_000,
    bytes=28_004.0,
    allocations=61.5,
    peak=40_960,
    retained=Estimate(value=0.0, low=-0.001, high=0.001),
    rss=Estimate(value=1.0, low=-1.0, high=2.0),
    smallest_leak=0.004,
    leaking=False,
    filling=False,
)


def test_times_say_how_they_were_measured() -> None:
    line = (38e-6, 39e-6)
    micro = Micro(
        wall=Estimate(value=38e-6, low=37e-6, high=39e-6),
        cpu=Estimate(value=30e-6),
        processes=5,
        blocks=20,
        operations=1400,
        samples=(line,),
        cpu_samples=(line,),
    )
    made = report(micro=micro)
    assert rows(made, "Time per operation") == [("wall", "38.0 µs (37.0 to 39.0 µs)"), ("CPU", "30.0 µs (no interval)")]
    assert note(made, "Time per operation") == "5 fresh processes, 20 blocks of 1,400 operations each"
    assert headlines.headline(made) == "38.0 µs (37.0 to 39.0 µs) per operation"


def test_scaling_shows_points_line_and_law() -> None:
    scaling = Scaling(
        parameter="batch",
        unit="s",
        points=(ScalingPoint(x=1, value=around(0.01)), ScalingPoint(x=1000, value=around(0.1))),
        linear=LinearFit(fixed=WIDE, per_unit=WIDE, r2=0.99914, lack_of_fit=0.031),
        usl=UslFit(gain=Estimate(value=900.0), contention=WIDE, coherence=WIDE, r2=0.98765, peak=99.0),
    )
    made = replace(report(), mode="scaling", scaling=scaling)
    assert rows(made, "Scaling") == [
        ("1", "10.0 ms (9.90 to 10.1 ms)"),
        ("1,000", "100 ms (99.0 to 101 ms)"),
    ]
    assert rows(made, "Straight line")[3] == ("a straight line", "fits (lack of fit: p = 0.0310)")
    law = rows(made, "Universal scalability law")
    assert law == [
        ("alone", "900/s (no interval)"),
        ("contention", "0.0200 (0.0100 to 0.0300)"),
        ("coherence", "0.0200 (0.0100 to 0.0300)"),
        ("most throughput at", "99.0"),
        ("R²", "0.9877"),
    ]
    assert headlines.headline(made) == "20.0 ms (10.0 to 30.0 ms) per unit of batch"
    curved = LinearFit(fixed=WIDE, per_unit=WIDE, r2=0.9, lack_of_fit=1e-20)
    bent = replace(made, scaling=replace(scaling, linear=curved))
    assert rows(bent, "Straight line")[3] == ("a straight line", "does not fit (lack of fit: p < 0.001)")
    assert headlines.headline(bent).endswith(" per unit of batch, but not a straight line")
    without = replace(made, scaling=replace(scaling, linear=None, usl=None))
    assert headlines.headline(without) == "see below per unit of batch"
    assert [table.title for table in sections.tables(without)] == ["Scaling", "Where and how"]


def test_memory_shows_the_part_that_stays() -> None:
    made = report(memory=MEMORY)
    assert rows(made, "Memory") == [
        ("allocated per operation", "28.0 kB"),
        ("allocations per operation", "61.5"),
        ("peak of one operation", "41.0 kB"),
        ("blocks kept per operation", "0 (-0.00100 to 0.00100)"),
        ("process growth per operation", "1.00 B (-1.00 to 2.00 B)"),
        ("leak", "none above 0.00400 blocks per operation"),
    ]
    assert note(made, "Memory") == "20,000 operations"
    assert headlines.headline(made) == "28.0 kB per operation"
    filling, leaking = (replace(made, memory=replace(MEMORY, **{name: True})) for name in ("filling", "leaking"))  # type: ignore[arg-type]
    assert rows(filling, "Memory")[-1] == ("leak", "perhaps: something fills")
    assert rows(leaking, "Memory")[-1] == ("leak", "LEAKING")
    assert headlines.headline(leaking) == "LEAKING"


@pytest.mark.parametrize(
    ("exact", "said"), [(True, "equal in every pass"), (False, "NOT equal in every pass: no gate")]
)
def test_cost_shows_its_counts(exact: bool, said: str) -> None:
    made = report(cost=replace(COST, exact=exact))
    assert rows(made, "Cost per operation, counted") == [
        ("tasks", "1"),
        ("callbacks", "3"),
        ("timers", "0"),
        ("threads", "0"),
        ("calls", "41"),
        ("allocations", "not measured"),
    ]
    assert note(made, "Cost per operation, counted") == said
    assert headlines.headline(made) == "3 callbacks and 41 calls per operation"


def test_the_conditions_of_a_measurement() -> None:
    quiet = Noise(load=None, steal=0.0, lost=0.002, longest_gap=0.0012, canary=0.0101)
    pacing = Pacing(arrivals="poisson(rate=5)", seed=7, pacer="call_at", fallback="no timerfd")
    where = replace(HERE, packages={"aembed": "1.0", "numpy": "2.0"}, dirty=True)
    made = replace(report(where=where), pacing=pacing, before=replace(quiet, load=1.5), after=quiet, frozen=12_345)
    assert rows(made, "Where and how") == [
        ("measured", "2026-01-01T00:00:00Z, in 1.00 s"),
        ("machine", "2 x fast, Linux"),
        ("Python", "CPython 3.11.7 on uvloop 0.22.1"),
        ("code", "abc123 with changes; aembed 1.0, numpy 2.0"),
        ("schedule", "poisson(rate=5), seed 7, by call_at, in one process (no timerfd)"),
        ("garbage collections", "not of the 12,345 objects that were there before the subject was opened"),
        ("noise before", "quiet: load 1.50, 0.200 % of the time lost, longest gap 1.20 ms, canary 10.1 ms"),
        ("noise after", "quiet: load not measured, 0.200 % of the time lost, longest gap 1.20 ms, canary 10.1 ms"),
    ]
    bare = replace(made, pacing=replace(pacing, seed=None, fallback=None), before=None, after=None, frozen=None)
    assert [row[1] for row in rows(bare, "Where and how")][4:] == ["poisson(rate=5), by call_at, in one process"]
    for lost, word in ((0.0099, "quiet"), (0.01, "noisy"), (0.0999, "noisy"), (0.1, "too noisy")):
        (*_, (_, after)) = rows(replace(made, after=replace(quiet, lost=lost)), "Where and how")
        assert after.startswith(f"{word}: ")
    clean = replace(made, environment=replace(where, dirty=False))
    assert rows(clean, "Where and how")[3][1].startswith("abc123; ")
    outside = replace(made, environment=replace(where, revision=None, dirty=None))
    assert rows(outside, "Where and how")[3][1].startswith("no revision; ")


def test_a_comparison_says_before_after_and_by_how_much() -> None:
    change = Change(
        name="embed",
        parameters={"batch": 2},
        metric="time",
        unit="s",
        before=1e-3,
        after=None,
        change=Estimate(value=0.2, low=0.18, high=0.22),
        finding="same",
        detectable=0.03,
        note="requests failed",
    )
    assert compared.change_row(change) == (
        "embed(batch=2)",
        "time",
        "1.00 ms",
        "beyond what was measured",
        "+20.0 % (+18.0 to +22.0 %)",
        "same; would see +3.0 % (requests failed)",
    )
    bare = replace(change, change=None, finding="improved", detectable=None, note="")
    assert compared.change_row(bare)[4:] == ("none to give", "IMPROVED")
    found = Comparison(before="a", after="b", changes=(change,), unjudged=(), notes=("one", "two"))
    (table,) = compared.comparison(found)
    assert (table.title, table.columns[1:3], table.note) == ("Comparison: embed(batch=2)", ("a", "b"), "one; two")
    assert table.rows == (compared.change_row(change)[1:],)
    (several,) = compared.comparison(replace(found, changes=(change, replace(change, name="other"))))
    assert (several.title, several.columns[0], several.rows[1][0]) == ("Comparison", "benchmark", "other(batch=2)")


@pytest.mark.parametrize(
    ("state", "said"),
    [
        ("ok", "no objective given"),
        ("failed", "objective BROKEN"),
        ("over budget", "objective BROKEN"),
        ("inconclusive", "INCONCLUSIVE"),
    ],
)
def test_only_ok_is_printed_quietly(state: Any, said: str) -> None:
    made = report(verdict=Verdict(state=state, reasons=("because",)))
    assert headlines.verdict(made) == f"measured; {said}"
    assert headlines.verdict(replace(made, interrupted=True)) == f"measured, interrupted; {said}"
    assert headlines.reasons(made) == ("because",)
    steps = replace(made, mode="steps", verdict=Verdict())
    assert headlines.verdict(steps) == "measured; objective kept"
    assert headlines.style(steps) == "ok"
    assert headlines.style(replace(made, verdict=Verdict())) == "unjudged"
    assert headlines.style(made) == state.replace(" ", "-").replace("ok", "unjudged")


@pytest.mark.parametrize(("mode", "said"), [("open", "open loop"), ("closed", "closed loop"), ("steps", "steps")])
def test_titles_name_the_mode(mode: Any, said: str) -> None:
    assert headlines.title(replace(report(parameters={"n": 1}), mode=mode)) == f"{said}: embed(n=1)"


def test_text_is_cut_at_two_thousand_characters() -> None:
    assert tables.printable("x" * 2001) == "x" * 2000
    assert tables.printable("a\nb\tc\x1b") == "a b c "
    assert tables.printable("::error ##[x] a::b") == ": :error # #[x] a::b"


def test_intervals_are_kept_in_one_line_of_the_page() -> None:
    assert INTERVAL.findall("1 (2 to 3), 4 (too few) and (5)") == ["(2 to 3)", "(too few)"]
    assert _unparted("<1 (2 to 3)>") == '&lt;1 <span class="interval">(2 to 3)</span>&gt;'
