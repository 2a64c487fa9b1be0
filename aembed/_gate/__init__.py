"""Admission for one account: which request may be sent, and when.

gate             the queue; waiting and waking
snapshot         its state at one moment, for statistics
lanes            order of turns: queries overtake documents, documents keep a share, owners share by amount
slots            requests in flight
reservation      amounts that one request needs, and notes taken when it was sent
account          knowledge of the server, learnt from each outcome
quotas           requests, tokens and inputs of the account, reserved together
quota            one of them: limits that the user states and replies report
window           the amount sent within a span of time
reserve          part of a quota that documents leave to queries and to other programs
miscount         429s that an error of the count explains
headers          limits, remaining amounts and resets that replies report
refill_detector  bucket or window? by what headers imply
window_end       a fixed window, by resets that all point at one moment
episode          amounts and times between two episodes of 429s
pace             the speed after 429s that no limit explains: it chooses one of the flows
flow             the interface of the next three
even_flow        an even flow, at rates held where a few requests in a hundred get a 429
even_rate        the rate of one resource in it
first_rates      the rates at which it begins
windowed_flow    a long window with a hidden limit, filled in one go
known_window_flow  a window of known length and limits, filled in one go
burst_flow       the record of requests that these two share
sent_window      its window, which counts requests from when they are sent, with a margin
margin           seconds for which a known window counts requests beyond its span
backoff          pauses: after Retry-After, after 429s without it, and while the server does not answer
bypass           queries continue while documents pause after a 429
slow_start       requests at once that grow from two with the answers
concurrency      requests at once: all slots, unless one of the next two allows fewer
queue_limit      a server without a quota: as many as keep it busy while few wait in its own queue
service_time     seconds for a request, by its size
failure_ceiling  a server that fails: fewer, and back along CUBIC's curve
failure_trial    test whether its failures depend on the number in flight
tokens           estimate of a text's tokens before the server has counted them
budget           retries that an account may send

All but the gate are pure: no clock, no tasks.

Limits of a request, by their origin:

    stated     ``Limits`` of the user      never exceeded; no sixty seconds see more, until headers show a bucket
    reported   headers of replies          the lesser of it and the stated limit is in force; never raises that one
    estimated  the pace, after a 429       in force besides them for a time; after a minute of health it limits no more

States of a quota and what moves it:

    unlimited --(a limit stated or reported)--> unknown rule --(headers of a bucket)--> bucket
                                                     |-------(headers of a sliding minute)--> window
                                                     |-------(headers of a shorter window)--> short
                                                     |-------(resets that point at one moment)--> fixed
    fixed --(a reset that ends more than two seconds later)--> unknown rule

States of the pace:

    none --(a 429, three requests or more in the minute before it)--> even
    none --(the same, but a known quota was nearly full, or headers show the rule)--> none twice a minute, then even
    even --(429s that are not three in a row, no long Retry-After)--> even, slower in what the request needs most
    even --(closed for a third of the time before, 15 s of what fits at least)--> windowed
    even --(the same from 4 s on, where requests and tokens are known)--> known window
    none, even --(headers of a short window)--> known window
    windowed --(open again long before the span is over, or two closures in a row that find it nearly empty)--> even
    known window --(closed with at most nine tenths of its content)--> a shorter one
    known window --(three episodes, each within three spans of the last)--> even
    known window --(a margin of half a span, or a 429 with room left while one limit is unknown)--> even
    even, windowed --(a minute of health at known limits, or thirty times as fast)--> none

States of the backoff:

    healthy --(429 or failure with a time)--> waiting --(the time has passed)--> healthy, or probing if nothing is known
    healthy --(429 without a time, or a row of failures)--> probing --(a probe succeeds)--> healthy
    waiting, probing --(90 s without a success since then or the end of the first Retry-After; 900 s if each 429 names
                        a time)--> calls that wait are given up
"""

from aembed._gate.gate import Gate
from aembed._gate.reservation import PausedBeyondDeadline, Reservation
from aembed._gate.snapshot import Snapshot
from aembed._gate.watch import AboutGate

__all__ = ["AboutGate", "Gate", "PausedBeyondDeadline", "Reservation", "Snapshot"]
