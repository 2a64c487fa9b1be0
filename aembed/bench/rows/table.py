"""Rows as a table in a file: CSV, which needs no package, and Parquet by pyarrow.

A row for each request. Times are nanoseconds since the start of the run, and empty where a request did not start or was
not done.
"""

from __future__ import annotations

import csv
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np

from aembed import InputError
from aembed.bench.needs import need
from aembed.bench.rows.columns import NEVER, OUTCOMES, Ints, Rows, RunRows

COLUMNS = (
    "case",
    "label",
    "valid",
    "started_unix_s",
    "intended_ns",
    "started_ns",
    "done_ns",
    "outcome",
    "texts",
    "characters",
)
NUMBERS = ("intended_ns", "started_ns", "done_ns", "texts", "characters")
"""Columns of whole numbers; an empty cell is :data:`NEVER`."""
ColumnLists: TypeAlias = dict[str, list[Any]]


def writer_of(path: Path) -> Callable[[Path, Sequence[RunRows]], None]:
    """The function that writes ``path``. InputError for an unknown suffix, MissingExtraError without pyarrow."""
    if path.suffix == ".csv":
        return _write_csv
    if path.suffix == ".parquet":
        need("pyarrow", "parquet", f"rows={path.name}")
        return _write_parquet
    raise InputError(f"rows={str(path)!r} has no known format. Name a file that ends in .csv or .parquet")


def is_table(path: Path) -> bool:
    """The name is one of a table."""
    return path.suffix in {".csv", ".parquet"}


def read_rows(path: Path | str) -> tuple[RunRows, ...]:
    """The runs of a file that ``rows=`` or ``--rows`` wrote.

    Raises InputError for another file, MissingExtraError for Parquet without pyarrow.
    """
    path = Path(path)
    if not is_table(path):
        raise InputError(f"{str(path)!r} is not a file of rows. Name one that ends in .csv or .parquet")
    if path.suffix == ".parquet":
        need("pyarrow", "parquet", f"reading {path.name}")
    try:
        table = _read_csv(path) if path.suffix == ".csv" else _read_parquet(path)
        return tuple(_runs(table))
    except OSError as error:
        raise InputError(f"{path} cannot be read: {error.strerror or error}") from None
    except (KeyError, ValueError, csv.Error) as error:  # pyarrow's errors are ValueErrors
        raise InputError(f"{path} is not a file of rows that aembed wrote: {error}") from None


def _write_csv(path: Path, runs: Sequence[RunRows]) -> None:
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(COLUMNS)
        for run in runs:
            columns = _columns(run)
            for name in NUMBERS:
                columns[name] = ["" if value == NEVER else value for value in columns[name]]
            writer.writerows(zip(*columns.values(), strict=True))


def _write_parquet(path: Path, runs: Sequence[RunRows]) -> None:
    import pyarrow as pa
    import pyarrow.parquet as pq

    words, number = pa.dictionary(pa.int32(), pa.string()), pa.int64()
    kinds = {"case": words, "label": words, "outcome": words, "valid": pa.bool_(), "started_unix_s": pa.float64()}
    schema = pa.schema([(name, kinds.get(name, number)) for name in COLUMNS])
    with pq.ParquetWriter(path, schema, compression="zstd") as writer:
        for run in runs:
            columns = _columns(run)
            arrays = [
                pa.array(values, number, mask=np.asarray(values) == NEVER)
                if name in NUMBERS
                else pa.array(values, kinds[name].value_type if name in {"case", "label", "outcome"} else kinds[name])
                for name, values in columns.items()
            ]
            coded = [
                array.dictionary_encode() if schema.field(i).type == words else array for i, array in enumerate(arrays)
            ]
            writer.write_table(pa.Table.from_arrays(coded, schema=schema))


def _columns(run: RunRows) -> ColumnLists:
    """By name, in the order of the file."""
    rows, n = run.rows, len(run.rows)
    missing = [NEVER] * n
    return {
        "case": [run.case] * n,
        "label": [run.label] * n,
        "valid": [run.valid] * n,
        "started_unix_s": [run.started] * n,
        "intended_ns": rows.intended.tolist(),
        "started_ns": rows.started.tolist(),
        "done_ns": rows.done.tolist(),
        "outcome": [OUTCOMES[number] for number in rows.outcome.tolist()],
        "texts": missing if run.texts is None else run.texts.tolist(),
        "characters": missing if run.characters is None else run.characters.tolist(),
    }


def _read_csv(path: Path) -> ColumnLists:
    with path.open(newline="", encoding="utf-8") as file:
        reader = csv.reader(file)
        header = next(reader, [])
        columns = dict(zip(header, zip(*reader, strict=True), strict=False))
    table: ColumnLists = {name: list(columns.get(name, ())) for name in header}
    for name in NUMBERS:
        table[name] = [int(value) if value else NEVER for value in table[name]]
    table["valid"] = [value == "True" for value in table["valid"]]
    table["started_unix_s"] = list(map(float, table["started_unix_s"]))
    return table


def _read_parquet(path: Path) -> ColumnLists:
    import pyarrow.parquet as pq

    table: ColumnLists = pq.read_table(path, columns=list(COLUMNS)).to_pydict()
    for name in NUMBERS:
        table[name] = [NEVER if value is None else value for value in table[name]]
    return table


def _runs(table: ColumnLists) -> Iterator[RunRows]:
    """The runs, each where its first row is."""
    keys = list(zip(table["case"], table["label"], table["valid"], table["started_unix_s"], strict=True))
    numbers = {key: number for number, key in enumerate(dict.fromkeys(keys))}
    which = np.array([numbers[key] for key in keys], dtype=np.int64)
    columns = {name: np.array(table[name], dtype=np.int64) for name in NUMBERS}
    outcome = np.array([OUTCOMES.index(word) for word in table["outcome"]], dtype=np.int64)
    for (case, label, valid, started), number in numbers.items():
        mine = np.flatnonzero(which == number)
        intended, begun, done, texts, characters = (columns[name][mine] for name in NUMBERS)
        rows = Rows(intended=intended, started=begun, done=done, outcome=outcome[mine])
        yield RunRows(
            case=case,
            label=label,
            valid=valid,
            started=started,
            rows=rows,
            texts=_if_known(texts),
            characters=_if_known(characters),
        )


def _if_known(values: Ints) -> Ints | None:
    return values if (values != NEVER).any() else None
