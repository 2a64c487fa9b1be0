"""A benchmark runner for async code, in the event loop that the measured code runs in.

    @bench.scenario(batch=[5, 20, 100])
    async def embed_documents(case):
        async with EmbedderFactory() as factory:
            embedder = await factory.new_embedder("mock")
            yield bench.documents(embedder, ["text"] * case.batch)

    report = await bench.load(embed_documents.case(batch=20), arrivals=bench.poisson(rate=200), duration=30)

Modules:
    subject scenario opening discovery    measured operations, and how they are found and set up
    embedding             operations of an embedder
    requests corpus workload    its arguments: seeded sources, texts, and how many in a request
    settings run_context  options of every run; machine, time and noise in every report
    slo units             objectives as people write them; numbers with their units
    asgi url              web applications, in this loop or over HTTP
    rows/                 every request of a run as a row; files of them
    environment           where a measurement is made, and how quiet it is there
    load/                 open and closed load, bursts, soaks, steps: when requests start, what happened, its verdict
    sweep/                a grid of loads and parameters: which cells no other surely beats
    micro/                one operation at a time: time, memory, cost, and how they grow; in fresh processes
    pytest_plugin/        the fixture async_benchmark: a test fails if exact counts changed
    compare/              changes: two versions or several sides in turns, two days, months
    model/                the report and its parts
    stats/                pure statistics
    report/               a report as text, page, or for CI
    selftest/             whether the runner finds injected faults on this machine
    needs importing rss   packages of the extras; modules of users; resident memory
"""

from aembed.bench.compare.changes import Change, Comparison, Rule
from aembed.bench.compare.contest import Contest, ab, ab_revision
from aembed.bench.compare.process_side import ProcessSide
from aembed.bench.compare.reports import compare
from aembed.bench.compare.versus import versus
from aembed.bench.corpus import Corpus, corpus, corpus_of
from aembed.bench.embedding import documents, query, vectors
from aembed.bench.load.arrivals import Arrivals, constant, gamma, poisson, ramp, trace
from aembed.bench.load.burst import burst
from aembed.bench.load.measure import closed, load
from aembed.bench.load.recorded import read_reports
from aembed.bench.load.steps import steps
from aembed.bench.load.sustained import sustained
from aembed.bench.marks import label, part
from aembed.bench.micro.cost import cost
from aembed.bench.micro.memory import memory
from aembed.bench.micro.scaling import concurrency, scaling
from aembed.bench.micro.timing import micro
from aembed.bench.model.breakdown import Breakdown, SlowRequest
from aembed.bench.model.estimates import Estimate
from aembed.bench.model.objectives import Goal, Judgement
from aembed.bench.model.result import Report, reports_from_json, reports_to_json
from aembed.bench.model.under_load import Objective
from aembed.bench.model.work import Work
from aembed.bench.requests import choices, integers
from aembed.bench.rows.columns import RunRows
from aembed.bench.rows.table import read_rows
from aembed.bench.scenario import Case, Scenario, Target, scenario
from aembed.bench.selftest.self_test import SelfTest, selftest
from aembed.bench.settings import Progress, RunOptions
from aembed.bench.slo import goals
from aembed.bench.subject import Subject, per_user
from aembed.bench.sweep.sweep import sweep

__all__ = [
    "Arrivals",
    "Breakdown",
    "Case",
    "Change",
    "Comparison",
    "Contest",
    "Corpus",
    "Estimate",
    "Goal",
    "Judgement",
    "Objective",
    "ProcessSide",
    "Progress",
    "Report",
    "Rule",
    "RunOptions",
    "RunRows",
    "Scenario",
    "SelfTest",
    "SlowRequest",
    "Subject",
    "Target",
    "Work",
    "ab",
    "ab_revision",
    "burst",
    "choices",
    "closed",
    "compare",
    "concurrency",
    "constant",
    "corpus",
    "corpus_of",
    "cost",
    "documents",
    "gamma",
    "goals",
    "integers",
    "label",
    "load",
    "memory",
    "micro",
    "part",
    "per_user",
    "poisson",
    "query",
    "ramp",
    "read_reports",
    "read_rows",
    "reports_from_json",
    "reports_to_json",
    "scaling",
    "scenario",
    "selftest",
    "steps",
    "sustained",
    "sweep",
    "trace",
    "vectors",
    "versus",
]
