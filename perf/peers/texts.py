"""Seeded texts of a sentence each, all different."""

from __future__ import annotations

import random

WORDS = """
    account address balance bottle bridge carpet circle copper corner danger doctor engine family finger flight forest
    garden hammer harbor island jacket kettle ladder leader letter market method mirror monday morning needle notice
    number object orange packet pencil people planet pocket police powder prison profit reason record region report
    sample school second signal silver spring stream summer supper system target temple theory ticket travel
"""


def sentences(count: int, seed: int) -> list[str]:
    """About 60 characters each."""
    choices, words = random.Random(seed).choices, WORDS.split()
    return [f"{number:05} {' '.join(choices(words, k=8))}" for number in range(count)]
