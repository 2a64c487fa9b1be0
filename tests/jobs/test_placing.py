"""Finished files in their places: whose a place is, which files are whole, and the order in which they go."""

from __future__ import annotations

import os
import stat
import sys
from collections.abc import Sequence
from pathlib import Path

import pytest

from aembed.jobs import JobOutputError
from aembed.jobs.directory import JobDirectory, opened_directory
from aembed.jobs.keys import HEAD_BYTES, KeysFile, write_head
from aembed.jobs.paths import Output, is_part
from aembed.jobs.placing import check_replaceable, is_whole, put_in_place, state
from aembed.jobs.record import OutputRecord
from aembed.jobs.rejects import RejectsFile
from aembed.jobs.rows import Row, RowBlock

RECORD = OutputRecord(aembed="1", model="a:b", dim=2, identity="i", input="f", rows=1, settings={})
NPY = Output("v.npy", Path("v.npy"), "npy")
JSONL = Output("v.jsonl", Path("v.jsonl"), "jsonl")
PARQUET = Output("v.parquet", Path("v.parquet"), "parquet")


def keys_of(content: Path, keys: Path) -> None:
    with keys.open("w+b") as file, content.open("rb") as output:
        made = KeysFile(file, ids=False)
        made.add(RowBlock(0, [Row(1, 1, "one", {})]))
        made.finish([])
        write_head(file, output)


def ours(output: Output) -> None:
    output.path.write_bytes(b"content")
    keys_of(output.path, output.keys)
    if output.record is not None:
        output.record.write_bytes(RECORD.encoded())


# --- whose a place is


def test_an_empty_place_and_one_of_ours_may_be_taken() -> None:
    check_replaceable([NPY, JSONL], (), force=False)
    ours(NPY)
    check_replaceable([NPY, JSONL], (), force=False)


def test_a_file_of_another_is_replaced_by_force_alone() -> None:
    NPY.path.write_bytes(b"mine")
    with pytest.raises(JobOutputError) as caught:
        check_replaceable([JSONL, NPY], (), force=False)
    assert str(caught.value) == (
        "v.npy exists, and aembed did not write it, or it was changed since; choose another output, or replace it with "
        "force=True"
    )
    check_replaceable([JSONL, NPY], (), force=True)


def test_a_file_that_was_about_to_be_replaced_may_be_replaced() -> None:
    NPY.path.write_bytes(b"mine")
    known = state(NPY)
    assert known == (4, NPY.path.stat().st_mtime_ns)
    assert state(JSONL) == (0, 0)
    check_replaceable([JSONL, NPY], [(0, 0), known], force=False)
    for other in ([(0, 0)], [known], [known, (0, 0)], [(0, 0), (4, 1)], [(0, 0), (5, known[1])]):
        with pytest.raises(JobOutputError, match="exists, and aembed did not write it"):
            check_replaceable([JSONL, NPY], other, force=False)


def companions(output: Output) -> list[Path]:
    return [output.keys, output.rejects, *([] if output.record is None else [output.record])]


@pytest.mark.parametrize("output", [NPY, JSONL, PARQUET], ids=["npy", "jsonl", "parquet"])
@pytest.mark.parametrize("number", [0, 1, 2])
@pytest.mark.parametrize("kind", ["file", "empty", "link", "dangling"])
def test_files_beside_an_output_are_ours_or_it_is_not_written(output: Output, number: int, kind: str) -> None:
    paths = companions(output)
    if number >= len(paths):
        return
    path = paths[number]
    if kind in {"file", "empty"}:
        path.write_bytes(b'{"mine": 1}\n' if kind == "file" else b"")
    else:
        ours(Output("w.npy", Path("w.npy"), "npy"))
        path.symlink_to("w.npy.keys" if kind == "link" else "none")
    for force in (False, True):
        with pytest.raises(JobOutputError) as caught:
            check_replaceable([output], (), force=force)
        assert str(caught.value) == (
            f"{path} belongs to the output {output.name} by its name, and aembed did not write it; move it away, or "
            "choose another output"
        )


def test_our_own_files_beside_an_output_may_stay() -> None:
    ours(NPY)
    with NPY.rejects.open("wb") as file:
        RejectsFile(file).write(Row(1, "a", "", {}, "it is bad"), "InputError", "it is bad")
    NPY.path.unlink()
    check_replaceable([NPY], (), force=False)


# --- which files are whole


def write(directory: JobDirectory, **files: bytes) -> None:
    for name, content in files.items():
        with directory.open(name.replace("_", "-"), "w+b") as file:
            file.write(content)


def test_files_that_are_not_in_their_places_are_as_they_were_written() -> None:
    with opened_directory(Path("v.job"), "v", is_part) as directory:
        assert is_whole([NPY, JSONL], directory, RECORD), "all are in their places"
        (directory.path / "vectors.npy").write_bytes(b"vectors")
        assert not is_whole([NPY, JSONL], directory, RECORD), "without keys"
        keys_of(directory.path / "vectors.npy", directory.path / "keys")
        assert is_whole([NPY, JSONL], directory, RECORD)
        write(directory, output_1=b"lines")
        assert not is_whole([NPY, JSONL], directory, RECORD)
        keys_of(directory.path / "output-1", directory.path / "keys-1")
        assert is_whole([NPY, JSONL], directory, RECORD)
        (directory.path / "output-1").write_bytes(b"lineS")
        os.utime(directory.path / "output-1", ns=(1, 1))
        assert not is_whole([NPY, JSONL], directory, RECORD)
        for name in directory.names():
            directory.unlink(name)


def test_the_keys_may_be_in_their_place_already() -> None:
    with opened_directory(Path("v.job"), "v", is_part) as directory:
        (directory.path / "vectors.npy").write_bytes(b"vectors")
        keys_of(directory.path / "vectors.npy", NPY.keys)
        assert is_whole([NPY], directory, RECORD)
        directory.unlink("vectors.npy")


# --- the order


def placed(outputs: Sequence[Output], names: Sequence[str], record: OutputRecord = RECORD) -> list[tuple[str, str]]:
    order: list[tuple[str, str]] = []
    with opened_directory(Path("v.job"), "v", is_part) as directory, pytest.MonkeyPatch.context() as patch:
        write(directory, **{name.replace("-", "_"): name.encode() for name in names})
        place = JobDirectory.place

        def noted(self: JobDirectory, name: str, target: Path, mode: int) -> None:
            order.append((name, target.name))
            place(self, name, target, mode)

        patch.setattr(JobDirectory, "place", noted)
        put_in_place(outputs, directory, record)
        assert directory.names() == []
    for name, target in order:
        assert Path(target).read_text() == name
    return order


def test_each_output_comes_after_its_own_files_and_vectors_last() -> None:
    names = ["vectors.npy", "output-1", "keys", "keys-1", "record-0", "record-1"]
    assert placed([NPY, JSONL], names) == [
        ("keys", "v.npy.keys"),
        ("record-0", "v.npy.json"),
        ("keys-1", "v.jsonl.keys"),
        ("record-1", "v.jsonl.json"),
        ("output-1", "v.jsonl"),
        ("vectors.npy", "v.npy"),
    ]
    assert placed([JSONL], ["output-0"]) == [("output-0", "v.jsonl")]


@pytest.mark.parametrize("rejected", [0, 1])
def test_a_list_of_rejects_goes_when_there_are_none_any_more(rejected: int) -> None:
    NPY.rejects.write_bytes(b"old")
    record = OutputRecord(
        aembed="1", model="a:b", dim=2, identity="i", input="f", rows=2, settings={}, rejected=rejected
    )
    placed([NPY], ["vectors.npy"], record)
    assert NPY.rejects.exists() == bool(rejected)


@pytest.mark.skipif(sys.platform == "win32", reason="has no such modes")
def test_an_output_keeps_the_permissions_of_the_file_it_replaces() -> None:
    before = os.umask(0o027)
    try:
        placed([NPY, JSONL], ["vectors.npy", "keys", "output-1"])
        modes = {path.name: stat.S_IMODE(path.stat().st_mode) for path in (NPY.path, NPY.keys, JSONL.path)}
        assert modes == {"v.npy": 0o640, "v.npy.keys": 0o640, "v.jsonl": 0o640}
        NPY.path.chmod(0o604)
        JSONL.path.chmod(0o444)
        placed([NPY, JSONL], ["vectors.npy", "keys", "output-1"])
        modes = {path.name: stat.S_IMODE(path.stat().st_mode) for path in (NPY.path, NPY.keys, JSONL.path)}
        assert modes == {"v.npy": 0o604, "v.npy.keys": 0o640, "v.jsonl": 0o444}
        assert os.umask(0o027) == 0o027, "the process has its own again"
    finally:
        os.umask(before)


def test_keys_have_a_head_of_so_many_bytes() -> None:
    ours(NPY)
    assert NPY.keys.stat().st_size == HEAD_BYTES + 33
