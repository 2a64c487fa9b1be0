"""A benchmark runner for async code that lives in the same event loop as what it measures.

    @bench.scenario(batch=[5, 20, 100])
    async def embed_documents(case):
        async with EmbedderFactory() as factory:
            embedder = await factory.new_embedder("mock")
            yield bench.documents(embedder, ["text"] * case.batch)

    report = await bench.load(embed_documents.case(batch=20), arrivals=bench.poisson(rate=200), duration=30)

Where things are:
    scenario subjects            what is measured
    arrivals pacer load flight run   when requests start, and how they are started, bounded and settled
    record fold summary lag validity   what happened, in figures; stalls and their causes; whether it may be believed
    measure settings frame environment heap   from subject to report; what the runner holds, out of the way
    burst sustained steps        shapes of load, and what they tell
    micro memory cost            one operation at a time
    blocks fresh child still     ... in blocks, in fresh processes; a clock for what is to be equal
    scaling                      over batch sizes, over users
    result estimates under_load one_at_a_time   the report and its parts
    contest interleave process_side worktree   A/B: two versions in turns, in fresh processes
    changes compare figures history  what is news: between two versions, two days, over months
    stats fits change_points     pure statistics
    self_test planted            whether the runner finds here what is there
    needs                        the packages of its extra
"""

import aembed.bench.needs  # noqa: F401  # before the others, which import what it looks for
from aembed.bench.arrivals import Arrivals, constant, gamma, poisson, ramp, trace
from aembed.bench.burst import burst
from aembed.bench.changes import Change, Comparison, Rule
from aembed.bench.compare import compare
from aembed.bench.contest import Contest, ab, ab_revision
from aembed.bench.cost import cost
from aembed.bench.estimates import Estimate
from aembed.bench.measure import closed, load
from aembed.bench.memory import memory
from aembed.bench.micro import micro
from aembed.bench.process_side import ProcessSide
from aembed.bench.result import Report, reports_from_json, reports_to_json
from aembed.bench.scaling import concurrency, scaling
from aembed.bench.scenario import Case, Scenario, Subject, Target, scenario
from aembed.bench.self_test import SelfTest, selftest
from aembed.bench.settings import Progress, RunOptions
from aembed.bench.steps import steps
from aembed.bench.subjects import documents, query, vectors
from aembed.bench.sustained import sustained
from aembed.bench.under_load import Objective

__all__ = [
    "Arrivals",
    "Case",
    "Change",
    "Comparison",
    "Contest",
    "Estimate",
    "Objective",
    "ProcessSide",
    "Progress",
    "Report",
    "Rule",
    "RunOptions",
    "Scenario",
    "SelfTest",
    "Subject",
    "Target",
    "ab",
    "ab_revision",
    "burst",
    "closed",
    "compare",
    "concurrency",
    "constant",
    "cost",
    "documents",
    "gamma",
    "load",
    "memory",
    "micro",
    "poisson",
    "query",
    "ramp",
    "reports_from_json",
    "reports_to_json",
    "scaling",
    "scenario",
    "selftest",
    "steps",
    "sustained",
    "trace",
    "vectors",
]
