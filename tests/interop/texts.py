"""Texts of very different lengths, and texts that are hard to transport."""

from __future__ import annotations

import random

import numpy as np

from aembed import Vectors

WORDS = [
    *("river", "bridge", "winter", "market", "engine", "letter", "garden", "doctor", "island", "summer", "window"),
    *("music", "forest", "paper", "history", "bread", "silver", "mountain", "teacher", "ocean", "candle", "village"),
    *("storm", "harbour", "orchard", "theatre", "railway", "kitchen", "desert", "copper", "needle", "shadow"),
]

SENTENCES = [
    "The harbour was closed in the night because of the storm.",
    "How do I bake bread without yeast?",
    "She has taught the history of music at this school for twenty years.",
    "An asyncio program runs many tasks on one thread, each until it waits.",
    "Cats sleep for the greater part of the day.",
    "The bridge over the river is being repaired until the end of the winter.",
    "Returns true if the set is empty, and raises KeyError otherwise.",
    "Mount Everest is the highest mountain on Earth.",
    "Take two tablets a day with water, unless your doctor says otherwise.",
    "The market fell by three per cent after the central bank had spoken.",
    "price of a railway ticket from Vienna to Trieste",
    "It was a bright cold day in April, and the clocks were striking thirteen. " * 5,
]

AWKWARD = [
    "Ein Satz mit Umlauten: \u00e4\u00f6\u00fc\u00df.",
    "\u4f60\u597d\uff0c\u4e16\u754c\u3002\u4eca\u5929\u5929\u6c14\u5f88\u597d",
    "\u05e9\u05dc\u05d5\u05dd \u05e2\u05d5\u05dc\u05dd, and \u0645\u0631\u062d\u0628\u0627",
    "\U0001f468\u200d\U0001f469\u200d\U0001f467 family, \U0001f1eb\U0001f1f7 flag",
    "e\u0301 is \u00e9 in another way",
    'a "quoted" word, a back\\slash, a {"json": [1, 2]} and a </tag>',
    "line one\nline two\r\n\ttabbed",
    "null",
    "0",
    '"embedding": "AAAA"',
    "control \x01 and \x7f characters",
    "line\u2028separator and \ufeffmark",
    "a" * 3000,
]


def mixed(count: int) -> list[str]:
    """Seeded texts of 1 to 40 words in no order of length, each on another subject."""
    dice = random.Random(count)
    texts = []
    for number in range(count):
        own = dice.sample(WORDS, 3)
        texts.append(f"{number} " + " ".join(dice.choices(own, k=dice.choice([1, 2, 3, 5, 8, 13, 40]))))
    return texts


def similarity(one: Vectors, other: Vectors) -> Vectors:
    """Cosines, row by row."""
    norms = np.linalg.norm(one, axis=-1) * np.linalg.norm(other, axis=-1)
    cosines: Vectors = np.sum(one * other, axis=-1) / norms
    return cosines
