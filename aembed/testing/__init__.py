"""Test doubles for programs that use aembed, and for providers written for it.

    VirtualTimeLoop     an event loop whose clock jumps over waiting: exact and fast tests of anything timed
    ScriptedProvider    answers, errors and delays call by call, and a log of what it was asked

For plain tests ``await factory.new_embedder("mock")`` is enough: deterministic vectors without a model or network.
"""

from aembed.testing.scripted import Call, ScriptedProvider, Step
from aembed.testing.virtual_time import VirtualTimeLoop

__all__ = ["Call", "ScriptedProvider", "Step", "VirtualTimeLoop"]
