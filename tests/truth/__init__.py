"""Tests of truth: things are planted whose effect is known, and the runner must find just that.

They depend on a machine that is quiet: not part of the normal suite. ``nox -s truth`` runs them as tests;
``python -m tests.truth`` prints each figure with its bound, ``python -m tests.truth T1 T3`` only these.
On a machine that is shared, real-time priority helps (Linux, as root): ``chrt -f 10 python -m tests.truth``.
"""
