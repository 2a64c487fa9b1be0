"""The files of a run: rows, histogram log, OpenMetrics. Nothing is written before the run is over."""

from __future__ import annotations

from collections.abc import Callable, Coroutine, Sequence
from functools import wraps
from pathlib import Path
from typing import Any, ParamSpec, TypeVar, cast

from aembed import InputError
from aembed.bench.environment import off_loop
from aembed.bench.model.result import Report
from aembed.bench.rows.columns import RunRows
from aembed.bench.rows.hlog import write_hlog
from aembed.bench.rows.openmetrics import openmetrics
from aembed.bench.rows.table import writer_of

P = ParamSpec("P")
R = TypeVar("R", bound=Report | tuple[Report, ...])
FILES = ("rows", "hlog", "openmetrics")
"""Options that name a file."""


class Files:
    """Files to write after a run, or after several. Checks their places beforehand: raises InputError."""

    def __init__(
        self,
        *,
        rows: str | Path | None = None,
        hlog: str | Path | None = None,
        openmetrics: str | Path | None = None,
    ) -> None:
        self.runs: list[RunRows] = []
        self._rows, self._hlog, self._openmetrics = (
            None if path is None else _checked(name, Path(path))
            for name, path in zip(FILES, (rows, hlog, openmetrics), strict=True)
        )
        self._write_rows = None if self._rows is None else writer_of(self._rows)

    @property
    def wants_rows(self) -> bool:
        """One of the files is made of rows."""
        return self._rows is not None or self._hlog is not None

    def write(self, reports: Sequence[Report]) -> None:
        """Write them. Raises InputError where a file cannot be written; the others are."""
        problems = []
        for path, content in (
            (self._rows, lambda path: self._write_rows and self._write_rows(path, self.runs)),
            (self._hlog, lambda path: write_hlog(path, self.runs)),
            (self._openmetrics, lambda path: path.write_text(openmetrics(reports), encoding="utf-8")),
        ):
            if path is None:
                continue
            try:
                content(path)
            except OSError as error:
                problems.append(f"{path} cannot be written: {error.strerror or error}")
        if problems:
            raise InputError("; ".join(problems))


def writes_files(measure: Callable[P, Coroutine[Any, Any, R]]) -> Callable[P, Coroutine[Any, Any, R]]:
    """``measure``, which writes the files of its options ``rows``, ``hlog`` and ``openmetrics`` when it is over."""

    @wraps(measure)
    async def run(*args: P.args, **kwargs: P.kwargs) -> R:
        options = cast("dict[str, object]", kwargs)
        files = Files(**{name: cast("Path | None", options.get(name)) for name in FILES})
        if files.wants_rows:
            others = cast("Callable[[RunRows], None] | None", options.get("keep"))

            def keep(run: RunRows) -> None:
                files.runs.append(run)
                if others is not None:
                    others(run)

            options["keep"] = keep
        result = await measure(*args, **kwargs)
        await off_loop(files.write, result if isinstance(result, tuple) else (result,))
        return result

    return run


def _checked(name: str, path: Path) -> Path:
    if not path.parent.is_dir():
        raise InputError(f"{name}={str(path)!r}: the directory {path.parent} does not exist. Make it first")
    return path
