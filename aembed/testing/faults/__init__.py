"""Ways in which a server goes wrong, as values that a :class:`LoopbackServer` plays instead of its good answers.

    LoopbackServer("openai", faults=[Reset("body"), None, Status(503)])    # the third request is rejected

``faults`` is an iterable, one item for each request in the order of their arrival, ``None`` for a good answer, and
good answers after its end; or a function of the request's number, from 1.

A custom fault is a frozen value with ``at`` and ``play``: it gets the good answer and yields what happens to it,
bytes to write, seconds to wait, or an :class:`End`. After the last step the connection serves the next request.

    connections     Reset, Close, Hang, Late, StaleKeepAlive
    malformed       Truncate, Understate, Surplus, BadChunk, Garbage, EndlessHeaders, SlowBody, GzipBomb, HugeBody
    answers         Status, Redirect, Rewrite
    draw            at_random, of those in TRANSIENT that a good client survives
"""

from aembed.testing.faults.answers import Redirect, Rewrite, Status
from aembed.testing.faults.connections import Close, Hang, Late, Reset, StaleKeepAlive
from aembed.testing.faults.draw import TRANSIENT, at_random
from aembed.testing.faults.fault import Answer, End, Fault, Script, Stage, Step, scripted
from aembed.testing.faults.malformed import (
    BadChunk,
    EndlessHeaders,
    Garbage,
    GzipBomb,
    HugeBody,
    SlowBody,
    Surplus,
    Truncate,
    Understate,
)

__all__ = [
    "TRANSIENT",
    "Answer",
    "BadChunk",
    "Close",
    "End",
    "EndlessHeaders",
    "Fault",
    "Garbage",
    "GzipBomb",
    "Hang",
    "HugeBody",
    "Late",
    "Redirect",
    "Reset",
    "Rewrite",
    "Script",
    "SlowBody",
    "Stage",
    "StaleKeepAlive",
    "Status",
    "Step",
    "Surplus",
    "Truncate",
    "Understate",
    "at_random",
    "scripted",
]
