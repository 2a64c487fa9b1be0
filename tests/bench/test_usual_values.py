"""The default values of every mode."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any

import pytest

from aembed.bench.compare.contest import ab, ab_revision
from aembed.bench.compare.history import trends
from aembed.bench.compare.versus import versus
from aembed.bench.corpus import Corpus, corpus, corpus_of
from aembed.bench.load import arrivals
from aembed.bench.load.burst import burst
from aembed.bench.load.measure import closed, load
from aembed.bench.load.steps import steps
from aembed.bench.load.sustained import sustained
from aembed.bench.micro.cost import cost
from aembed.bench.micro.memory import memory
from aembed.bench.micro.process import alone, process
from aembed.bench.micro.scaling import concurrency, scaling
from aembed.bench.micro.timing import micro
from aembed.bench.settings import RunSettings
from aembed.bench.sweep.sweep import sweep


@pytest.mark.parametrize(
    ("function", "usual"),
    [
        (micro, {"processes": 5, "seconds": 0.5}),
        (memory, {"operations": 20_000, "seconds": 60.0}),
        (cost, {"operations": 50}),
        (scaling, {"parameter": None, "processes": 5, "seconds": 0.5}),
        (concurrency, {"users": (1, 2, 5, 10, 20), "duration": 5.0}),
        (alone, {"loop": "asyncio", "hash_seed": None, "patience": 300.0}),
        (process, {"label": "", "tree": None, "hash_seed": None, "patience": 300.0, "pinned": False}),
        (load, {"seed": 0}),
        (closed, {"think": 0.0, "seed": 0}),
        (burst, {"at": None, "cv": 0.0, "seed": 0}),
        (sustained, {"tolerance": 0.1, "seed": 0}),
        (steps, {"step_s": 10.0, "highest": None, "precision": 0.05, "at_least": None, "cv": 1.0, "seed": 0}),
        (sweep, {"duration": None, "block_s": 2.0, "items": None, "margin": 0.05, "seed": 0}),
        (versus, {"duration": 90.0, "block_s": 3.0, "by": "p50", "seed": 0}),
        (ab, {"budget": 60.0, "progress": None, "stop": None}),
        (ab_revision, {"budget": 60.0, "loop": None, "progress": None, "stop": None}),
        (trends, {"min_effect": 0.03}),
        (corpus, {"name": "passages", "tokens": None, "copies": None, "seed": 0}),
        (corpus_of, {"copies": 0.0}),
        (Corpus.texts, {"seed": 0}),
        (arrivals.ramp, {"cv": 0.0}),
        (arrivals.steps, {"cv": 0.0}),
        (arrivals.burst, {"cv": 0.0}),
        (arrivals.RateProfile.times, {"seed": 0}),
        (RunSettings, {"timeout": None, "drain": 10.0, "max_in_flight": 10_000, "min_good": None, "abort": False}),
        (RunSettings, {"why": False, "window": None, "processes": 1}),
    ],
    ids=lambda each: getattr(each, "__qualname__", None),
)
def test_how_much_is_measured_unless_said(function: Callable[..., Any], usual: dict[str, object]) -> None:
    parameters = inspect.signature(function).parameters
    assert {name: parameters[name].default for name in usual} == usual
