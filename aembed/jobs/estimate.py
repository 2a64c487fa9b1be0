"""What a job would take, without sending anything."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Unpack

from aembed import Config, Embedder, estimate_tokens
from aembed.jobs.chunks import Cutter
from aembed.jobs.inputs import Inputs
from aembed.jobs.models import Model, open_model
from aembed.jobs.monitor import cost
from aembed.jobs.options import JobOptions, split_options
from aembed.jobs.source import Source, open_source
from aembed.jobs.steps import in_thread
from aembed.jobs.survey import Survey, take_survey


@dataclass(slots=True, kw_only=True)
class JobPlan:
    """What a job would take. Tokens are estimated from the lengths of texts, and so is what follows from them."""

    model: str
    dim: int | None
    """Length of the vectors; ``None`` where only a request would tell."""
    rows: int
    rejected: int
    """Rows that cannot be embedded, as far as can be seen without asking the provider."""
    blank: int
    tokens: int = 0
    requests: int = 0
    cost: float | None = None
    """US dollars; ``None`` where the model has no known price."""
    seconds: float | None = None
    """The least time the quota allows, starting with a full minute's quota; ``None`` where no quota is known."""
    bound_by: str = ""
    """What takes that time: "requests", "tokens" or "inputs"."""

    @property
    def bytes(self) -> int | None:
        """Of the vectors, in memory or as ``.npy``."""
        return None if self.dim is None else self.rows * self.dim * 4


async def plan(
    source: Inputs,
    *,
    model: Model = None,
    config: Config | None = None,
    **options: Unpack[JobOptions],
) -> JobPlan:
    """Read ``source`` as :func:`run` would, open the model, and say what the job would take. Sends nothing.

    Raises:
        JobInputError: as :func:`run`.
        ConfigError: the model cannot be opened.
    """
    survey = Survey()
    reading, model_options = split_options(options)
    async with (
        open_model(model, model_options, config) as (embedder, _),
        open_source(source, reading) as opened,
    ):
        await take_survey(survey, opened)
        spec = embedder.spec
        found = JobPlan(
            model=f"{spec.provider}:{spec.name}",
            dim=spec.dim,
            rows=survey.rows,
            rejected=survey.faulty,
            blank=survey.blank,
        )
        async for _ in in_thread(_count(found, opened, survey, Cutter(spec))):
            pass
        found.cost = cost(found.tokens, spec.price)
        _time(found, embedder)
        return found


def _count(plan: JobPlan, source: Source, survey: Survey, cutter: Cutter) -> Iterator[None]:
    for block in source.blocks():
        for index, row in enumerate(survey.judge(block).rows, block.start):
            if not row.fault:
                plan.tokens += estimate_tokens(row.text)
            chunk = cutter.add(index, row)
            plan.requests += chunk is not None and bool(chunk.texts)
        yield
    last = cutter.flush()
    plan.requests += last is not None and bool(last.texts)


def _time(plan: JobPlan, embedder: Embedder) -> None:
    """A quota is spent to its last and refills in a minute: what is beyond the first minute's has to wait."""
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
