"""Injected faults that the runner must find: ``injected`` has the scenarios, ``self_test`` the checks."""
