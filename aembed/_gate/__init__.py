"""Admission for one account: who may send what, and when.

gate         slots, lanes and the queue; waiting, freezing, waking
resource     one quota: what the server surely allows at a time
learner      a limit that the server keeps to itself
concurrency  how many requests at once a server without quotas digests
breaker      a server that is down is asked by one request at a time
"""

from aembed._gate.gate import Gate, Permit

__all__ = ["Gate", "Permit"]
