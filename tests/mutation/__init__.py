"""Changes the package in small ways, one at a time, and counts how many of them the tests notice.

    python -m tests.mutation gate --sample 60 --seed 7
    python -m tests.mutation --at aembed/_gate/gate.py:120

No existing driver fits: mutmut leaves module level and dataclasses alone and wraps every function (which breaks exact
counts of calls), cosmic-ray drops no calls and runs all tests for each change. Here a change is run against those
tests of its room that reach the line.
"""
