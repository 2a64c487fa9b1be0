"""aembed's own benchmarks: ``nox -s perf``. README.md one level up says how to run and read them.

Where things are:
    corpora subjects        texts, and the embedders they go to
    factory provider overhead memory concurrency throughput load      scenarios, a file for each group
    measurement catalogue   how long each is measured, and the list of all
    budgets counters        what may not be exceeded; what must stay equal
    run gate planted        the commands behind ``perf``, ``perf_gate`` and ``perf_planted``
"""
