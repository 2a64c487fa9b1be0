"""Admission for one account: who may send what, and when.

gate         the queue; waiting and waking
lanes        who is next: queries overtake documents, and neither starves
slots        who is under way
permit       leave to send one request
account      what is known of the server, and what each outcome teaches
quotas       requests, tokens and inputs of the account, reserved together
resource     one quota: what the server surely allows at a time
window       what was admitted in the last minute
reserve      what documents leave to queries, and to others on the same quota
headers      what the server says of a quota
fill_time    bucket or window? by what headers imply
learner      a limit that the server keeps to itself
shortage     requests or tokens: of which the server is short, if it does not say
tokens       how many tokens a text has, before the server has counted
pause        when nobody may send: the server says so, or does not answer
concurrency  how many requests at once a server takes: all slots, unless one of the next two says less
queue_limit  a server without a quota: as many as keep it busy while few wait in its own queue
service_time how long it takes for a request of a size
failure_ceiling  a server that fails: fewer, and back along CUBIC's curve
failure_trial    whether its failures depend on how many are in flight
budget       how much retrying an account may do

All but the gate are pure: no clock, no tasks.
"""

from aembed._gate.gate import Gate
from aembed._gate.permit import Permit

__all__ = ["Gate", "Permit"]
