"""A benchmark runner for async code that lives in the same event loop as what it measures.

    @bench.scenario(batch=[5, 20, 100])
    async def embed_documents(case):
        async with EmbedderFactory() as factory:
            embedder = await factory.new_embedder("mock")
            yield bench.documents(embedder, ["text"] * case.batch)

    report = await bench.load(embed_documents.case(batch=20), arrivals=bench.poisson(rate=200), duration=30)

Where things are:
    scenario subjects            what is measured
    arrivals pacer flight load   when requests start, and how they are started, bounded and settled
    record summary lag validity  what happened, in figures; stalls and their causes; whether it may be believed
    measure settings frame environment   from subject to report
    burst sustained steps        shapes of load, and what they tell
    micro memory cost child      one operation at a time, in fresh processes
    scaling                      over batch sizes, over users
    result                       the report
    stats fits change_points     pure statistics
"""

from aembed.bench.arrivals import Arrivals, constant, gamma, poisson, ramp, trace
from aembed.bench.burst import burst
from aembed.bench.cost import cost
from aembed.bench.measure import closed, load
from aembed.bench.memory import memory
from aembed.bench.micro import micro
from aembed.bench.result import Estimate, Objective, Report, reports_from_json, reports_to_json
from aembed.bench.scaling import concurrency, scaling
from aembed.bench.scenario import Case, Scenario, Subject, Target, scenario
from aembed.bench.settings import Progress, RunOptions
from aembed.bench.steps import steps
from aembed.bench.subjects import documents, query, vectors
from aembed.bench.sustained import sustained

__all__ = [
    "Arrivals",
    "Case",
    "Estimate",
    "Objective",
    "Progress",
    "Report",
    "RunOptions",
    "Scenario",
    "Subject",
    "Target",
    "burst",
    "closed",
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
    "steps",
    "sustained",
    "trace",
    "vectors",
]
