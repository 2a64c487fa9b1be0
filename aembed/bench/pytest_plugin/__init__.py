"""The fixture ``async_benchmark``: pytest fails if the exact counts of an async operation changed.

    async def test_insert(async_benchmark):
        await async_benchmark(insert_one)

``aembed_pytest`` is the module that pytest loads; it imports this package where a test asks for the fixture.

    counting    counts and times of one operation, on the loop it runs on
    setting     Python, loop and package versions that counts depend on
    records     the JSON file that is kept in git
    judging     counts against their record
    fixture     the object that tests call
    session     files and the summary at the end of a run
    export      times in the JSON format of pytest-benchmark
"""

from aembed.bench.pytest_plugin.fixture import AsyncBenchmark

__all__ = ["AsyncBenchmark"]
