"""aembed's own benchmarks: ``nox -s perf``. README.md one level up says how to run and read them.

Modules:
    corpora subjects        texts, and the embedders they go to
    factory provider overhead memory concurrency throughput load      scenarios, a file for each group
    measurement catalogue   how long each is measured, and the list of all
    budgets counters        what may not be exceeded; what must stay equal
    reference               the yardstick for aembed's own cost
    __main__ gate versions planted   ``nox -s perf``, ``perf_gate``, ``perf_ab``, ``perf_planted``
"""
