"""Admission for one account: who may send what, and when.

gate         slots and the queue; waiting, freezing, waking
lanes        who is next: queries overtake documents, and neither starves
permit       leave to send one request
quotas       requests, tokens and inputs of the account, reserved together
resource     one quota: what the server surely allows at a time
window       what was admitted in the last minute
tokens       how many tokens a text has, before the server has counted
learner      a limit that the server keeps to itself
pause        when nobody may send: the server says so, or does not answer
concurrency  how many requests at once a server without quotas digests
budget       how much retrying an account may do

All but the gate are pure: no clock, no tasks.
"""

from aembed._gate.gate import Gate
from aembed._gate.permit import Permit

__all__ = ["Gate", "Permit"]
