"""The rates at which an even flow begins, by what was admitted before the first 429s. Pure."""

from __future__ import annotations

import math

from aembed._gate.episode import AdmittedAmounts, Episode

MIN_BURST_S = 0.5
"""Shortest duration assumed for a burst, so that its rate stays finite."""
UNSUSPECTED_FACTOR = 4.0
"""Times as much as was admitted, of a resource that the rejected request needs by as much less: few asked for it."""


def first_rates(episode: Episode, known: AdmittedAmounts) -> AdmittedAmounts:
    """Stated or reported rates; else the last minute's, rather too high: the next episode measures it."""
    seconds = max(MIN_BURST_S, episode.minute_seconds)
    rates = [amount / seconds for amount in episode.minute]
    for place, other in ((0, 1), (1, 0)):
        if known[place] < math.inf:
            rates[place] = known[place]
            if known[other] == math.inf and episode.minute[place]:  # in proportion to the known rate
                rates[other] = max(rates[other], rates[place] * episode.minute[other] / episode.minute[place])
    return unsuspected_more((rates[0], rates[1]), episode.rejected, episode.minute)


def unsuspected_more(amounts: AdmittedAmounts, rejected: AdmittedAmounts, admitted: AdmittedAmounts) -> AdmittedAmounts:
    """``amounts``, raised for a resource of which the rejected request needs a far smaller part of the admitted one."""
    parts = [need / amount if need < amount else 1.0 for need, amount in zip(rejected, admitted, strict=True)]
    requests, tokens = (
        amount * UNSUSPECTED_FACTOR if part * UNSUSPECTED_FACTOR < max(parts) else amount
        for amount, part in zip(amounts, parts, strict=True)
    )
    return requests, tokens
