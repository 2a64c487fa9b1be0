"""The keys of an output: a digest of each row, and whose output they belong to."""

from __future__ import annotations

import os
from pathlib import Path

import msgspec
import pytest

from aembed.jobs.keys import (
    EMBEDDED,
    HEAD_BYTES,
    REJECTED,
    ROW,
    KeysFile,
    RowKeys,
    belong_to,
    has_rejected_texts,
    id_bytes,
    is_keys_file,
    is_written,
    keys_in,
    read_keys,
    write_head,
)
from aembed.jobs.paths import Output
from aembed.jobs.rows import Row, RowBlock

OUTPUT = Output("v.npy", Path("v.npy"), "npy")
GOOD, TWICE, FAULTY = Row(1, "a", "one", {}), Row(2, "b", "one", {}), Row(3, "c", "", {}, "it is bad")


def written(*rows: Row, ids: bool = True, rejected: tuple[list[int], ...] = (), content: bytes = b"vectors") -> RowKeys:
    """The keys of an output, which is in its place; returned as they were added."""
    Path("v.npy").write_bytes(content)
    with Path("v.npy.keys").open("w+b") as file:
        keys = KeysFile(file, ids=ids)
        added = keys.add(RowBlock(0, list(rows)))
        keys.finish(rejected)
        with Path("v.npy").open("rb") as output:
            write_head(file, output)
    return added


def test_rows_with_one_text_have_one_digest_of_it() -> None:
    added = written(GOOD, TWICE, FAULTY, Row(4, "d", "two", {}))
    assert added["text"][0].tolist() == added["text"][1].tolist() != added["text"][3].tolist()
    assert added["text"][2].tolist() == [0, 0]
    assert added["state"].tolist() == [EMBEDDED, EMBEDDED, REJECTED, EMBEDDED] == [0, 0, 1, 0]
    assert len({tuple(pair) for pair in added["id"].tolist()}) == 4
    assert read_keys(OUTPUT).tobytes() == added.tobytes()


def test_without_a_column_of_ids_there_are_none() -> None:
    assert not written(GOOD, TWICE, ids=False)["id"].any()


def test_an_id_has_its_type() -> None:
    assert id_bytes(1) != id_bytes("1")
    assert id_bytes("a\ud800") == b"str:a?"


@pytest.mark.parametrize("rejected", [([0],), ([1],), ([0], [3]), ([0, 1], [3])])
def test_rows_that_the_provider_rejected_are_noted(rejected: tuple[list[int], ...]) -> None:
    added = written(GOOD, TWICE, FAULTY, Row(4, "d", "two", {}), rejected=rejected)
    found = read_keys(OUTPUT)
    numbers = {2, *(number for some in rejected for number in some)}
    assert found["state"].tolist() == [REJECTED if number in numbers else EMBEDDED for number in range(4)]
    assert found["text"].tolist() == added["text"].tolist()
    assert found["id"].tolist() == added["id"].tolist()
    assert has_rejected_texts(OUTPUT)


def test_a_row_without_a_text_is_no_rejected_text() -> None:
    written(GOOD, FAULTY)
    assert not has_rejected_texts(OUTPUT)


def test_keys_of_nothing() -> None:
    written()
    assert len(read_keys(OUTPUT)) == 0
    assert is_written(OUTPUT)
    Path("short").write_bytes(bytes(HEAD_BYTES - 1))
    assert len(keys_in(Path("short"))) == 0


def test_a_row_takes_so_many_bytes() -> None:
    written(GOOD)
    assert Path("v.npy.keys").stat().st_size == HEAD_BYTES + ROW.itemsize == 512 + 33
    assert len(read_keys(OUTPUT)) == 1


def test_an_output_that_was_just_written_is_read_from_its_start() -> None:
    written(GOOD)
    with Path("v.npy.keys").open("r+b") as file, Path("v.npy").open("r+b") as output:
        output.seek(0, os.SEEK_END)
        write_head(file, output)
    os.utime("v.npy", ns=(1, 1))
    assert is_written(OUTPUT)


# --- whose they are


def test_an_output_is_ours_until_it_is_changed() -> None:
    written(GOOD, content=b"x" * 200_000)
    assert is_written(OUTPUT)
    os.utime("v.npy", ns=(1, 1))
    assert is_written(OUTPUT), "the content is the same"
    os.truncate("v.npy", 199_999)
    assert not is_written(OUTPUT)


@pytest.mark.parametrize("at", [0, 2**16 - 1, 2**16, 199_999])
def test_a_change_is_found_anywhere_in_the_output(at: int) -> None:
    written(GOOD, content=b"x" * 200_000)
    with Path("v.npy").open("r+b") as file:
        file.seek(at)
        file.write(b"y")
    os.utime("v.npy", ns=(1, 1))
    assert not is_written(OUTPUT)
    with Path("v.npy").open("rb") as content:
        assert not belong_to(Path("v.npy.keys"), content)


def test_keys_belong_to_one_content_wherever_it_is() -> None:
    written(GOOD)
    Path("moved").write_bytes(b"vectors")
    Path("other").write_bytes(b"vector!")
    for name, belongs in (("moved", True), ("other", False)):
        with Path(name).open("rb") as content:
            assert belong_to(Path("v.npy.keys"), content) == belongs
            assert not belong_to(Path("none.keys"), content)


def test_without_keys_no_output_is_ours() -> None:
    Path("v.npy").write_bytes(b"vectors")
    assert not is_written(OUTPUT)
    assert not is_keys_file(Path("v.npy.keys"))


@pytest.mark.parametrize("name", ["longer", "shorter", "empty", "other version", "no head"])
def test_a_file_that_no_job_writes(name: str) -> None:
    written(GOOD)
    path = Path("v.npy.keys")
    assert is_keys_file(path)
    content = path.read_bytes()
    head = msgspec.json.decode(content[:HEAD_BYTES])
    path.write_bytes(
        {
            "longer": content + b"x",
            "shorter": content[:-1],
            "empty": b"",
            "other version": msgspec.json.encode({**head, "aembed_keys": 2}).ljust(HEAD_BYTES) + content[HEAD_BYTES:],
            "no head": b"[" * HEAD_BYTES + content[HEAD_BYTES:],
        }[name]
    )
    assert not is_keys_file(path)
    assert not is_written(OUTPUT)
