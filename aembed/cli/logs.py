"""Log records of the library on standard error: ``--log-level`` and ``--log-json``."""

from __future__ import annotations

import logging
import sys
from collections.abc import Generator
from contextlib import contextmanager
from enum import StrEnum
from typing import Annotated, TextIO

import typer

from aembed import EmbedderOptions, telemetry
from aembed.cli.options import SPEED

logger = logging.getLogger("aembed")

AS_TEXT = "%(asctime)s %(levelname)s %(message)s"


class LogLevel(StrEnum):
    """Levels that can be asked for."""

    debug = "debug"
    info = "info"
    warning = "warning"


LogLevelOption = Annotated[
    LogLevel | None,
    typer.Option(
        "--log-level",
        help="Log to standard error: failures (warning), retries and pauses (info), every request (debug).",
        rich_help_panel=SPEED,
    ),
]
LogJsonOption = Annotated[
    bool,
    typer.Option(
        "--log-json", help="Log as one JSON object per line; the level is info if not given.", rich_help_panel=SPEED
    ),
]


class _StandardError(logging.StreamHandler[TextIO]):
    """Writes to ``sys.stderr`` as it is at that moment: a progress bar replaces it, to stay below the lines."""

    def emit(self, record: logging.LogRecord) -> None:
        self.stream = sys.stderr
        super().emit(record)


@contextmanager
def logged(level: LogLevel | None, *, as_json: bool) -> Generator[EmbedderOptions, None, None]:
    """Options with a listener that logs while the block runs; none if no logs are wanted, when warnings are shown."""
    is_wanted = level is not None or as_json
    handler = _StandardError()
    if as_json:
        handler.setFormatter(telemetry.JsonFormatter())
    else:
        handler.setFormatter(logging.Formatter(AS_TEXT if is_wanted else "aembed: %(message)s"))
    before = logger.level
    logger.addHandler(handler)
    logger.setLevel((level.value if level else "info" if as_json else "warning").upper())
    try:
        yield {"on_event": telemetry.logging()} if is_wanted else {}
    finally:
        logger.removeHandler(handler)
        logger.setLevel(before)
