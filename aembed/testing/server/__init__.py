"""A server on this machine that speaks like an embedding provider: ``async with LoopbackServer("openai") as server``.

Also a program: ``python -m aembed.testing.server --help``.

    loopback           the server
    http parse render  connections; bytes -> requests; responses -> bytes
    dispatch           requests and their answers: due times, counts, the log
    request_handler    request -> response: keys, caps, quota, latency, vectors
    dialects           one file per provider
    vectors            the mock's, encoded for JSON
    latency hints quirks log    parts that can be scripted, and the log
    fault_player       faults, played on a connection
    thread             the server away from the caller's loop
"""

from aembed.testing.quotas import Quota, QuotaRule
from aembed.testing.server.dialects import DIALECTS, Caps
from aembed.testing.server.hints import Hints
from aembed.testing.server.latency import Capacity, Latency
from aembed.testing.server.log import Counters, Entry, Log
from aembed.testing.server.loopback import LoopbackServer
from aembed.testing.server.quirks import Quirks

__all__ = [
    "DIALECTS",
    "Capacity",
    "Caps",
    "Counters",
    "Entry",
    "Hints",
    "Latency",
    "Log",
    "LoopbackServer",
    "Quirks",
    "Quota",
    "QuotaRule",
]
