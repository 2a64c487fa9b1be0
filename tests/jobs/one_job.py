"""A job over the file ``rows.jsonl``."""

from __future__ import annotations

from typing import Any

from aembed import Config
from aembed.jobs import JobReport, run
from tests.jobs.provider import Remembers


async def job(source: str, output: str, provider: Remembers | None = None, **options: Any) -> JobReport:
    if source == "rows.jsonl":
        options.setdefault("id_column", "id")
    return await run(source, output, model=provider or Remembers(), config=Config(), **options)
