"""Estimates of a job, without a request."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Unpack

from aembed import Config, Embedder, EventLoopError, TextSize
from aembed.jobs.chunks import Cutter, RowChunk
from aembed.jobs.inputs import Inputs
from aembed.jobs.models import JobModel, open_model
from aembed.jobs.options import JobOptions, split_options
from aembed.jobs.pieces import splitter_for
from aembed.jobs.rows import Row
from aembed.jobs.source import JobSource, open_source
from aembed.jobs.survey import Survey, take_survey
from aembed.jobs.threads import in_thread

CALIBRATED_TOKENS = 8192
"""Tokens of the texts that are embedded to see how fast this machine is: about a second of work."""


@dataclass(slots=True, kw_only=True)
class JobPlan:
    """Estimate of a job.

    Tokens are those of the model's tokenizer where it is in this process; else they, and what follows from them, are
    estimated from the lengths of texts.
    """

    model: str
    dim: int | None
    """Length of the vectors; ``None`` where only a request would show it."""
    language: str | None
    """The language of the model, where it has one."""
    unknown_tokens: float | None
    """The share of tokens that the model does not know, from 0 to 1, in a sample of the input."""
    rows: int
    rejected: int
    """Rows that cannot be embedded, as far as aembed can tell without a request."""
    blank: int
    tokens: int = 0
    exact: bool = False
    """True if a tokenizer counted the tokens."""
    truncated: int = 0
    """Texts that would be cut to the model's length."""
    requests: int = 0
    cost: float | None = None
    """US dollars; ``None`` where the model has no known price."""
    seconds: float | None = None
    """The least time the quota allows, starting with a full minute's quota, or the time this machine takes for a model
    in this process; ``None`` where neither is known."""
    bound_by: str = ""
    """Cause of that time: "requests", "tokens" or "inputs" of the quota, or "machine"."""

    @property
    def bytes(self) -> int | None:
        """Bytes of the vectors, in memory or as ``.npy``."""
        return None if self.dim is None else self.rows * self.dim * 4


async def plan(
    source: Inputs,
    *,
    model: JobModel = None,
    config: Config | None = None,
    **options: Unpack[JobOptions],
) -> JobPlan:
    """Read ``source`` as :func:`run` would, open the model, and say what the job would take.

    Sends nothing and needs no key. A model in this process embeds some of the texts, to see how long all would take.

    Raises:
        JobInputError: as :func:`run`.
        ConfigError: the model cannot be opened.
    """
    EventLoopError.unless_running("aembed.jobs")
    survey = Survey()
    reading, model_options = split_options(options, model)
    async with (
        open_model(model, model_options, config, sends=False) as (embedder, deciding),
        open_source(source, reading) as opened,
    ):
        if reading.in_pieces:
            opened.splitter = splitter_for(embedder)
        await take_survey(survey, opened, embedder)
        spec = embedder.spec
        found = JobPlan(
            model=f"{spec.provider}:{spec.name}",
            dim=spec.dim,
            language=spec.language,
            unknown_tokens=survey.unknown_tokens,
            rows=survey.rows,
            rejected=survey.faulty,
            blank=survey.blank,
        )
        count = _Count(found, embedder, str(deciding.get("overlong", "error")))
        async for _ in in_thread(count.all(opened, survey)):
            pass
        found.cost = spec.cost(found.tokens)
        _time(found, embedder)
        if found.exact and count.sample:
            found.seconds, found.bound_by = await _calibrate(found.tokens, embedder, count.sample), "machine"
        return found


class _Count:
    """Adds up tokens and requests."""

    def __init__(self, plan: JobPlan, embedder: Embedder, overlong: str) -> None:
        self._plan = plan
        self._embedder = embedder
        self._overlong = overlong
        self._limit = embedder.spec.max_text_tokens
        self._cutter = Cutter(embedder.spec, embedder.spec.dim)
        self._sampled = 0
        self.sample: list[str] = []
        """Texts from the beginning of each block."""

    def all(self, source: JobSource, survey: Survey) -> Iterator[None]:
        """Read the input, block by block."""
        for block in source.blocks():
            rows = survey.judge(block).rows
            good = [row for row in rows if not row.fault]
            sizes = self._embedder.measure([row.text for row in good]) if good else []
            room = CALIBRATED_TOKENS // 4 if self.sample else CALIBRATED_TOKENS
            for row, size in zip(good, sizes, strict=True):
                self._plan.exact = size.exact
                tokens = self._add(row, size)
                if 0 < tokens <= min(room, CALIBRATED_TOKENS - self._sampled):
                    self.sample.append(row.text)
                    self._sampled += tokens
                    room -= tokens
            self._count(self._cutter.add(block.start, rows))
            yield
        self._count(self._cutter.flush())

    def _add(self, row: Row, size: TextSize) -> int:
        """Count a text. Returns how many of its tokens would be embedded."""
        tokens = size.tokens
        if size.exact and self._limit is not None and tokens > self._limit:
            if self._overlong == "error":
                self._plan.rejected += 1
                row.fault = "the text is too long"
                return 0
            if self._overlong == "truncate":
                self._plan.truncated += 1
                tokens = self._limit
        self._plan.tokens += tokens
        return tokens

    def _count(self, chunks: Sequence[RowChunk]) -> None:
        self._plan.requests += sum(1 for chunk in chunks if chunk.texts)


async def _calibrate(tokens: int, embedder: Embedder, sample: list[str]) -> float:
    """Seconds that all tokens take, by the pace of a sample."""
    await embedder.embed(sample[:1])  # the first run of a model is slower
    result = await embedder.embed(sample, on_error="return")
    return tokens * result.elapsed / max(1, result.usage.tokens or 0)


def _time(plan: JobPlan, embedder: Embedder) -> None:
    """Set the time that the quota needs: it is full at first, and refills in a minute."""
    now = embedder.statistics()
    needs = {
        "requests": (plan.requests, now.requests_per_minute),
        "tokens": (plan.tokens, now.tokens_per_minute),
        "inputs": (plan.rows - plan.rejected, now.inputs_per_minute),
    }
    times = {name: max(0.0, amount / limit - 1) * 60 for name, (amount, limit) in needs.items() if limit is not None}
    if times:
        plan.bound_by = max(times, key=times.__getitem__)
        plan.seconds = times[plan.bound_by]
