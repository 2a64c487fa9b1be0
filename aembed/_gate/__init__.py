"""Admission for one account: which request may be sent, and when.

gate             the queue; waiting and waking
lanes            whose turn it is: queries overtake documents, documents keep a share, owners share by amount
slots            which requests are in flight
reservation      what one request needs, and what was noted when it was sent
account          what is known of the server, and what each outcome teaches
quotas           requests, tokens and inputs of the account, reserved together
quota            one of them: what the user states and replies report
window           the amount sent within a span of time
reserve          what documents leave to queries, and to other programs on the same quota
headers          what replies report of a quota
refill_detector  bucket or window? by what headers imply
window_end       a fixed window, by resets that all point at one moment
episode          what passed between two episodes of 429s
pace             the speed that a server has shown to accept after 429s that no limit explains: one of the next two
even_flow        an even rate, held where a few requests in a hundred get a 429
windowed_flow    a long window, filled in one go
backoff          when nobody may send: the server has said so, or does not answer
concurrency      how many requests at once a server takes: all slots, unless one of the next two says less
queue_limit      a server without a quota: as many as keep it busy while few wait in its own queue
service_time     how long it takes for a request of a size
failure_ceiling  a server that fails: fewer, and back along CUBIC's curve
failure_trial    whether its failures depend on how many are in flight
tokens           how many tokens a text has, before the server has counted them
budget           how much retrying an account may do

All but the gate are pure: no clock, no tasks.

What limits a request, and where it comes from:

    stated     ``Limits`` of the user      never exceeded; no sixty seconds see more, until headers show a bucket
    reported   headers of replies          the lesser of it and the stated limit is in force; never raises that one
    estimated  the pace, after a 429       in force beside them for a time; after a minute of health it limits no more

States of a quota and what moves it:

    unlimited --(a limit stated or reported)--> unknown rule --(headers of a bucket)--> bucket
                                                     |-------(headers of a sliding minute)--> window
                                                     |-------(resets that point at one moment)--> fixed
    fixed --(not whole at its end)--> unknown rule

States of the pace:

    none --(a 429, three requests or more in the minute before it)--> even
    none --(the same, but headers show how the server counts)--> even at the third episode, less than a minute apart
    even --(429s that are not three in a row, no long Retry-After)--> even, slower
    even --(closed for a third of the time before, 15 s of what fits at least)--> windowed
    windowed --(open again long before the span is over)--> even
    either --(a minute of health at known limits, or thirty times as fast)--> none

States of the backoff:

    healthy --(429 or failure with a time)--> waiting --(the time has passed)--> healthy, or probing if nothing is known
    healthy --(429 without a time, or ten failures in a row)--> probing --(a probe succeeds)--> healthy
    waiting, probing --(90 s without a success; 900 s if the server names times)--> calls that wait are given up
"""

from aembed._gate.gate import Gate, Snapshot
from aembed._gate.reservation import Reservation
from aembed._gate.watch import AboutGate

__all__ = ["AboutGate", "Gate", "Reservation", "Snapshot"]
