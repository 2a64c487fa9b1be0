"""Test doubles for programs that use aembed, and for providers written for it.

    VirtualTimeLoop     an event loop whose clock jumps over waiting: exact and fast tests of anything timed
    ScriptedProvider    answers, errors and delays call by call, and a log of its calls
    LoopbackServer      a real HTTP server that speaks like OpenAI, Cohere, Ollama ...: latency, quotas, quirks, faults,
                        a log; also ``python -m aembed.testing.server``
    faults              network and server faults, as values that a server plays: resets, bombs, malformed replies
    fixtures            the server as a pytest fixture
    Authority           TLS certificates for it
    Quota, QuotaKeeper  how providers keep quotas, without HTTP and with your clock

Plain tests need only ``await factory.new_embedder("mock")``: deterministic vectors without a model or network.
"""

from aembed.testing.quotas import Quota, QuotaKeeper, QuotaRule
from aembed.testing.scripted import Call, ScriptedProvider, Step
from aembed.testing.server import Capacity, Caps, Hints, Latency, LoopbackServer, Quirks
from aembed.testing.tls import Authority
from aembed.testing.virtual_time import VirtualTimeLoop

__all__ = [
    "Authority",
    "Call",
    "Capacity",
    "Caps",
    "Hints",
    "Latency",
    "LoopbackServer",
    "Quirks",
    "Quota",
    "QuotaKeeper",
    "QuotaRule",
    "ScriptedProvider",
    "Step",
    "VirtualTimeLoop",
]
