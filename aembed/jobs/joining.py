"""The outputs of all shards of a job, joined to what one job without shards would have made."""

from __future__ import annotations

import re
import shutil
from collections.abc import Sequence
from contextlib import closing
from os import PathLike, fspath
from pathlib import Path
from typing import Any, BinaryIO

import anyio.to_thread
import msgspec
import numpy as np
from msgspec import structs

from aembed import EventLoopError
from aembed.jobs.assembly import content
from aembed.jobs.directory import JobDirectory, opened_directory
from aembed.jobs.errors import JobOutputError
from aembed.jobs.keys import HEAD_BYTES, is_written, write_head
from aembed.jobs.paths import JOURNAL, KEYS, REJECTS, Output, choose_paths, is_part, output_errors
from aembed.jobs.placing import check_replaceable, put_in_place
from aembed.jobs.quantized import Scale
from aembed.jobs.record import METADATA, OutputRecord, read_record

COPIED_BYTES = 2**20


async def join(
    shards: Sequence[str | PathLike[str]], output: str | PathLike[str], *, force: bool = False
) -> OutputRecord:
    """Join the outputs of ``run(..., shard=(k, n))`` for all ``k`` from 1 to ``n``, given in any order.

    Shards in int8 have a scale each. Joined, all have the largest of them, so that no number is cut; the others
    are rounded once more, and may differ by 1 from those of one job.

    The output, its rejects and its record are those of one job without shards, so that ``update`` takes it up. It is
    complete once it is in its place; a join that is killed is run again. ``force`` replaces an output that aembed did
    not write.

    Raises:
        JobOutputError: a shard is missing, given twice, changed since it was written, or of another job or format; or
            the output cannot be written.
    """
    EventLoopError.unless_running("aembed.jobs")
    return await anyio.to_thread.run_sync(lambda: _join([fspath(shard) for shard in shards], fspath(output), force))


def _join(names: Sequence[str], name: str, force: bool) -> OutputRecord:
    paths = choose_paths([name], names)
    output = paths.outputs[0]
    shards, limits, record = _matched([choose_paths([shard]).outputs[0] for shard in names], output)
    check_replaceable(paths.outputs, (), force=force)
    with output_errors(name), opened_directory(paths.directory, name, is_part) as directory:
        if directory.has(JOURNAL):
            raise JobOutputError(f"{paths.directory} holds an unfinished job; finish it, or choose another output")
        made = content(paths.outputs, 0, record)
        with directory.open(made, "w+b", buffered=True) as file:
            _join_content(shards, limits, output, record, file)
            file.flush()
            with directory.open(KEYS, "w+b", buffered=True) as keys:
                _join_keys(shards, file, keys)
        if record.rejected:
            with directory.open(REJECTS, "w+b", buffered=True) as rejects:
                _append([shard.rejects for shard in shards if shard.rejects.exists()], rejects)
        if output.record is not None:
            with directory.open("record-0", "w+b") as written:
                written.write(record.encoded())
        put_in_place(paths.outputs, directory, record)
        _clear(directory)
    return record


def _matched(shards: Sequence[Output], output: Output) -> tuple[list[Output], list[float | None], OutputRecord]:
    """The shards in their order, the scale of each, and the record of the whole."""
    found: dict[int, tuple[Output, OutputRecord]] = {}
    parts, counts = 0, set[int]()
    for shard in shards:
        record = read_record(shard.path)
        number, parts = _shard_of(shard, record)
        counts.add(parts)
        if len(counts) > 1:
            raise JobOutputError(f"{shard.name} is one of {parts} shards, and others are not; join shards of one job")
        if number in found:
            raise JobOutputError(f"{shard.name} and {found[number][0].name} are both shard {number}; give each once")
        if shard.format != output.format:
            raise JobOutputError(
                f"{shard.name} and {output.name} have different formats; name the output like the shards"
            )
        if not is_written(shard):
            raise JobOutputError(f"{shard.name} was changed since aembed wrote it; embed that shard again")
        found[number] = shard, record
    missing = [number for number in range(1, parts + 1) if number not in found]
    if missing or not found:
        raise JobOutputError(f"shard {', '.join(map(str, missing)) or '1'} of {parts} is missing; give all of them")
    ordered = [found[number] for number in sorted(found)]
    first, whole = ordered[0][0], _whole(ordered[0][1])
    for shard, record in ordered[1:]:
        _check_same(first, whole, shard, _whole(record))
    records = [record for _, record in ordered]
    return [shard for shard, _ in ordered], [record.limit for record in records], _sum(whole, records)


def _sum(whole: OutputRecord, records: Sequence[OutputRecord]) -> OutputRecord:
    """``whole`` with the counts of all shards."""
    tokens = [record.tokens for record in records if record.tokens is not None]
    used = [record.limit for record in records if record.limit is not None and record.rejected < record.rows]
    return structs.replace(
        whole,
        limit=max(used) if used else records[0].limit,
        rows=sum(record.rows for record in records),
        kept=sum(record.kept for record in records),
        rejected=sum(record.rejected for record in records),
        truncated=sum(record.truncated for record in records),
        requests=sum(record.requests for record in records),
        tokens=sum(tokens) if len(tokens) == len(records) else None,
    )


def _shard_of(shard: Output, record: OutputRecord) -> tuple[int, int]:
    found = re.fullmatch(r"(\d+)/(\d+)", str(record.settings.get("shard")))
    if found is None:
        raise JobOutputError(f"{shard.name} is not the output of a shard; embed with shard=(1, 2) and so on")
    return int(found[1]), int(found[2])


def _whole(record: OutputRecord) -> OutputRecord:
    """The record without what may differ between shards."""
    settings = {name: value for name, value in record.settings.items() if name != "shard"}
    source = {name: value for name, value in record.source.items() if name != "shard"}
    return structs.replace(
        record,
        settings=settings,
        source=source,
        limit=None,
        rows=0,
        kept=0,
        rejected=0,
        truncated=0,
        requests=0,
        tokens=0,
    )


def _check_same(first: Output, whole: OutputRecord, shard: Output, other: OutputRecord) -> None:
    for field in ("input", "model", "revision", "identity", "dim", "dtype", "settings"):
        mine, its = getattr(whole, field), getattr(other, field)
        if mine != its:
            called = {"identity": "identities", "settings": "settings"}.get(field, f"{field}s")
            raise JobOutputError(f"{first.name} and {shard.name} have different {called}; join shards of one job")


def _join_content(
    shards: Sequence[Output], limits: Sequence[float | None], output: Output, record: OutputRecord, file: BinaryIO
) -> None:
    scales = [Scale(limit, record.limit) for limit in limits]
    if output.format == "jsonl":
        _join_lines(shards, scales, record, file)
    elif output.format == "parquet":
        _join_parquet(shards, scales, record, file)
    else:
        _join_arrays(shards, scales, file)


def _join_lines(shards: Sequence[Output], scales: Sequence[Scale], record: OutputRecord, file: BinaryIO) -> None:
    before = msgspec.json.encode(record.vector_column) + b":"  # the last of all fields; in strings quotes are escaped
    for shard, scale in zip(shards, scales, strict=True):
        if scale.is_same:
            _append([shard.path], file)
            continue
        with shard.path.open("rb") as source:
            for line in source:
                at = line.rindex(before) + len(before)
                numbers = np.array(msgspec.json.decode(line[at : line.rindex(b"}")], type=list[int]), np.int8)
                file.write(line[:at] + msgspec.json.encode(scale.applied(numbers).tolist()) + b"}\n")


def _join_arrays(shards: Sequence[Output], scales: Sequence[Scale], file: BinaryIO) -> None:
    arrays = [np.load(shard.path, mmap_mode="r") for shard in shards]
    descr = np.lib.format.dtype_to_descr(arrays[0].dtype)
    shape = (sum(len(array) for array in arrays), arrays[0].shape[1])
    np.lib.format.write_array_header_1_0(file, {"descr": descr, "fortran_order": False, "shape": shape})
    for array, shard, scale in zip(arrays, shards, scales, strict=True):
        with shard.path.open("rb") as source:
            source.seek(shard.path.stat().st_size - array.nbytes)
            if scale.is_same:
                shutil.copyfileobj(source, file, COPIED_BYTES)
            else:
                while part := source.read(COPIED_BYTES):
                    file.write(scale.applied(np.frombuffer(part, np.int8)).data)


def _join_parquet(shards: Sequence[Output], scales: Sequence[Scale], record: OutputRecord, file: BinaryIO) -> None:
    from aembed.jobs.arrow import the_parquet

    pq = the_parquet()
    with closing(pq.ParquetFile(shards[0].path)) as first:
        schema = first.schema_arrow
    schema = schema.with_metadata((schema.metadata or {}) | {METADATA: record.encoded()})
    repeating = [name for name in schema.names if name != schema.names[-1]]  # no two vectors are the same
    with closing(pq.ParquetWriter(file, schema, use_dictionary=repeating)) as writer:
        for shard, scale in zip(shards, scales, strict=True):
            with closing(pq.ParquetFile(shard.path)) as source:
                for group in range(source.num_row_groups):
                    table = source.read_row_group(group).replace_schema_metadata(schema.metadata)
                    if not scale.is_same:
                        table = _rescaled(table, scale)
                    writer.write_table(table, row_group_size=max(1, len(table)))


def _rescaled(table: Any, scale: Scale) -> Any:
    """The same with other vectors, which are the last column."""
    from aembed.jobs.arrow import lists_of, numbers_of

    at = table.num_columns - 1
    field = table.schema.field(at)
    numbers = numbers_of(table.column(at).combine_chunks().flatten())
    return table.set_column(at, field, lists_of(scale.applied(numbers).reshape(-1, field.type.list_size)))


def _join_keys(shards: Sequence[Output], output: BinaryIO, keys: BinaryIO) -> None:
    keys.write(bytes(HEAD_BYTES))
    for shard in shards:
        with shard.keys.open("rb") as source:
            source.seek(HEAD_BYTES)
            shutil.copyfileobj(source, keys, COPIED_BYTES)
    keys.flush()
    write_head(keys, output)


def _append(paths: Sequence[Path], file: BinaryIO) -> None:
    for path in paths:
        with path.open("rb") as source:
            shutil.copyfileobj(source, file, COPIED_BYTES)


def _clear(directory: JobDirectory) -> None:
    directory.unlink(*(name for name in directory.names() if is_part(name)))
