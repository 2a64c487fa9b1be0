"""Texts to embed: built-in corpora with varied lengths, scripts and duplicates, or the lines of a file.

Equal texts make any cache look like a fast model, and equal lengths hide what long texts cost. So every text differs,
except for the share of copies that is asked for. A pool is made before the run; during it a text costs some hundred
nanoseconds, because the generator runs in the loop that is measured.
"""

from __future__ import annotations

import itertools
import math
import random
import re
from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TypeAlias

from aembed import InputError
from aembed.bench.requests import lines

POOL = 1024
"""Texts that are made beforehand; each text of a run is one of them behind two words that number it."""
TOKENS_PER_WORD = 1.3
"""Approximate tokens per English word in subword vocabularies; the report has the real lengths and tokens."""
RECENT = 1000
"""A copy repeats one of so many latest texts, as a chunk that is embedded again, or a popular query."""
MOST_TOKENS = 8192
"""Tokens of a made-up text: what most models read."""

LATIN = (
    "a about after and answer before between book build change city day every field find for from garden green "
    "house idea in is it journey light line long machine model morning music night of on open order paper people "
    "place question rain read river road sea season signal small sound station story summer table text that the "
    "through time to tree under village water week wind window with word work world year"
)
SCRIPTS = (
    (0.55, LATIN),
    (0.12, "и в не на что день город вода книга работа слово вопрос дорога время человек река ответ свет зима море"),
    (0.13, "我们 时间 城市 工作 问题 学习 天气 河流 早晨 音乐 花园 世界 书籍 窗户 道路 答案 海洋 故事 夏天 机器"),
    (0.08, "في من على الى كتاب مدينة ماء يوم سؤال عمل طريق وقت ليل بحر كلمة عالم نهر ضوء قصة صيف"),
    (0.07, "और में से है दिन शहर पानी किताब काम शब्द सवाल सड़क समय रात नदी जवाब रोशनी कहानी दुनिया मौसम"),
    (0.05, "très où déjà größe über mañana niño água coração straße żółty çok 👍 🙂 café naïve €20 50 % β=0.3"),
)
"""Shares of scripts in the multilingual corpus, and words of each."""

LengthSampler: TypeAlias = Callable[[random.Random], float]
"""Draws the tokens of one text."""


@dataclass(frozen=True, slots=True)
class Corpus:
    """Texts without end for a seed. ``copies`` is the share of texts that repeat an earlier one."""

    name: str
    pool: tuple[str, ...]
    copies: float = 0.0
    numbered: bool = True
    """Texts are made different by two words in front; those of a file are sent as they are, each once a round."""

    def __str__(self) -> str:
        return self.name

    def texts(self, seed: int = 0) -> Iterator[str]:
        """The texts of a run: the same seed gives the same texts in the same order."""
        dice = random.Random(seed)  # noqa: S311 - a workload is no secret
        order = list(self.pool)
        dice.shuffle(order)
        fresh = _numbered(order) if self.numbered else itertools.cycle(order)
        if not self.copies:
            yield from fresh
        recent: deque[str] = deque(maxlen=RECENT)
        while True:
            text = dice.choice(recent) if recent and dice.random() < self.copies else next(fresh)
            recent.append(text)
            yield text


def _numbered(order: list[str]) -> Iterator[str]:
    words = LATIN.split()
    for number, text in enumerate(itertools.cycle(order)):
        yield f"{words[number % len(words)]} {words[number // len(words) % len(words)]} {number} {text}"


def corpus(name: str = "passages", *, tokens: str | None = None, copies: float | None = None, seed: int = 0) -> Corpus:
    """A built-in corpus: "queries", "passages", "documents" or "multilingual".

    ``tokens`` replaces its lengths: "120", "20..500", or "lognormal(120, 0.8)" with median and sigma. ``copies`` is
    the share of texts that repeat an earlier one. The defaults are assumptions about usual workloads.
    """
    if name not in KINDS:
        raise InputError(f"there is no corpus {name!r}; there are {', '.join(KINDS)}")
    lengths, usual_copies, scripts = KINDS[name]
    draw = lengths_from(tokens or lengths)
    dice = random.Random(f"{name} {seed}")  # noqa: S311 - a workload is no secret
    shares, words = [share for share, _ in scripts], [text.split() for _, text in scripts]
    pool = tuple(_text(dice, draw(dice), dice.choices(words, shares)[0]) for _ in range(POOL))
    label = name if tokens is None else f"{name}, {tokens} tokens"
    return Corpus(label, pool, usual_copies if copies is None else _share(copies))


def corpus_of(path: Path, *, copies: float = 0.0) -> Corpus:
    """Every line of a file that is not blank, each once before any is repeated."""
    return Corpus(path.name, tuple(lines(path)), _share(copies), numbered=False)


def with_copies(made: Corpus, copies: float | None) -> Corpus:
    """The same texts, with another share of copies."""
    return made if copies is None else replace(made, copies=_share(copies))


def lengths_from(text: str) -> LengthSampler:
    """The distribution of lengths that ``text`` describes; InputError for one that cannot be read."""
    if match := re.fullmatch(r"\s*lognormal\(\s*([0-9.]+)\s*,\s*([0-9.]+)\s*\)\s*", text):
        median, sigma = float(match[1]), float(match[2])
        return lambda dice: median * math.exp(dice.gauss(0, sigma))
    if match := re.fullmatch(r"\s*([0-9]+)\s*(?:\.\.\s*([0-9]+))?\s*", text):
        low, high = int(match[1]), int(match[2] or match[1])
        if 0 < low <= high:
            return lambda dice: dice.uniform(low, high)
    raise InputError(f"tokens={text!r} is not a distribution of lengths; write 120, 20..500 or lognormal(120, 0.8)")


def _text(dice: random.Random, tokens: float, words: list[str]) -> str:
    count = max(1, round(min(tokens, MOST_TOKENS) / TOKENS_PER_WORD) - 3)  # the three words of its number
    return " ".join(dice.choices(words, k=count))


def _share(copies: float) -> float:
    if not 0 <= copies < 1:
        raise InputError(f"copies={copies!r} must be a share from 0 to below 1, such as 0.05")
    return copies


ENGLISH = ((1.0, LATIN),)
KINDS: dict[str, tuple[str, float, tuple[tuple[float, str], ...]]] = {
    "queries": ("lognormal(9, 0.5)", 0.1, ENGLISH),
    "passages": ("lognormal(120, 0.5)", 0.02, ENGLISH),
    "documents": ("lognormal(400, 0.9)", 0.02, ENGLISH),
    "multilingual": ("lognormal(80, 0.7)", 0.02, SCRIPTS),
}
"""Lengths in tokens, share of copies, and scripts of the built-in corpora."""
