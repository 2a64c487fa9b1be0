"""A name, a directory or a pattern selects files, but none of the job's own."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Any

import pytest

from aembed.jobs import JobInputError, OpenInput
from aembed.jobs.inputs import HASH_BYTES, InputFile, names_of, open_inputs


def touch(*names: str) -> None:
    for name in names:
        Path(name).parent.mkdir(parents=True, exist_ok=True)
        Path(name).write_text("one\n")


async def names(given: Any, *, outputs: tuple[str, ...] = (), asked: str | None = None) -> list[str]:
    places = [Path(os.path.realpath(name)) for name in outputs]
    files = await open_inputs(given, outputs=places, asked=asked)
    try:
        assert all(file.size == 4 for file in files)
        return [file.name for file in files]
    finally:
        for file in files:
            file.close()


async def test_a_directory_is_searched_for_files_of_rows() -> None:
    touch("d/b.txt", "d/a.jsonl", "d/deep/er/c.CSV", "d/m.md", "d/p.pq", "d/x.ndjson", "d/t.tsv.gz", "d/u.text")
    touch("d/image.png", "d/README", "d/.hidden.txt", "d/_draft.txt", "d/.git/a.txt", "d/_old/a.txt", "d/a.txt.zip")
    touch("d/v.npy.job/a.txt", "d/v.npy.rejects.jsonl")
    found = ["d/a.jsonl", "d/b.txt", "d/deep/er/c.CSV", "d/m.md", "d/p.pq", "d/t.tsv.gz", "d/u.text", "d/x.ndjson"]
    assert await names("d") == found
    assert await names("d", asked="text") == sorted([*found, "d/README", "d/image.png", "d/a.txt.zip"])


async def test_the_files_of_an_output_are_no_input() -> None:
    touch("d/a.jsonl", "d/v.jsonl", "d/v.jsonl.json", "d/v.jsonl.keys.txt", "d/v.jsonl2.txt", "d/e/v.jsonl")
    assert await names("d", outputs=("d/v.jsonl",)) == ["d/a.jsonl", "d/e/v.jsonl", "d/v.jsonl2.txt"]
    assert await names("d/*", outputs=("d/v.jsonl",)) == ["d/a.jsonl", "d/v.jsonl2.txt"]
    assert await names("d", outputs=("w.npy", "d/v.jsonl")) == ["d/a.jsonl", "d/e/v.jsonl", "d/v.jsonl2.txt"]


@pytest.mark.skipif(sys.platform == "win32", reason="needs links")
async def test_an_output_is_known_by_a_link_to_it() -> None:
    touch("d/v.jsonl", "d/a.jsonl")
    Path("d/link.jsonl").symlink_to("v.jsonl")
    assert await names("d", outputs=("d/v.jsonl",)) == ["d/a.jsonl"]


async def test_a_pattern_matches_files_alone() -> None:
    touch("a1.txt", "a2.txt", "b.txt", "d/a3.txt", "a4.txt/inner.txt")
    assert await names("a*.txt") == ["a1.txt", "a2.txt"]
    assert await names("**/a?.txt") == ["a1.txt", "a2.txt", "d/a3.txt"]
    assert await names(["b.txt", "a*.txt"]) == ["b.txt", "a1.txt", "a2.txt"]


async def test_a_file_may_have_the_name_of_a_pattern() -> None:
    touch("a[1].txt", "a1.txt")
    assert await names("a[1].txt") == ["a[1].txt"]


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ([], "no input is given; name a file, or - for standard input"),
        ("none.txt", "none.txt does not exist; check the path, or give - to read standard input"),
        ("a*.txt", "no file matches a*.txt; check the pattern"),
        ("d", "d is a directory without a file to read; name a file, or give input_format"),
        (os.devnull, f"{os.devnull} is neither a file nor a pipe; name a file, or - for standard input"),
    ],
)
async def test_names_that_stand_for_nothing(given: Any, words: str) -> None:
    touch("d/image.png")
    Path("a1.txt").mkdir()
    with pytest.raises(JobInputError) as caught:
        await names(given)
    assert str(caught.value) == words


def test_names_as_they_were_given(tmp_path: Path) -> None:
    with (tmp_path / "open").open("w+b") as file:
        assert names_of([Path("d"), "a*.txt", OpenInput("mine", file)]) == ["d", "a*.txt", "mine"]
        assert names_of(OpenInput("mine", file)) == ["mine"]
    assert names_of("-") == ["-"]


async def test_a_file_is_open_only_if_it_is_the_only_one() -> None:
    touch("a.txt", "b.txt")
    (only,) = await open_inputs("a.txt", outputs=(), asked=None)
    assert only.file is not None
    only.close()
    assert only.file.closed
    several = await open_inputs(["a.txt", "b.txt"], outputs=(), asked=None)
    assert [file.file for file in several] == [None, None]


async def test_a_file_that_is_open_already_is_not_closed(tmp_path: Path) -> None:
    with (tmp_path / "open").open("w+b") as opened:
        opened.write(b"one\n")
        (file,) = await open_inputs(OpenInput("mine", opened), outputs=(), asked=None)
        assert (file.name, file.size) == ("mine", 4)
        with file.opened() as again:
            assert again.read() == b"one\n", "from its start"
        file.close()
        assert not opened.closed


@pytest.mark.parametrize("size", [0, 1, HASH_BYTES, HASH_BYTES + 1, 64 * HASH_BYTES, 130 * HASH_BYTES + 5])
def test_a_fingerprint_is_of_the_first_bytes(size: int) -> None:
    Path("a").write_bytes(bytes(size) + b"appended")
    Path("b").write_bytes(bytes(size))
    Path("c").write_bytes(bytes(max(0, size - 1)) + b"x")
    a, b, c = (list(InputFile(name, Path(name)).fingerprint(size))[-1] for name in "abc")
    assert len(a) == 32
    assert a == b
    assert (a == c) == (size == 0)


def test_the_fingerprint_of_a_large_file_takes_several_steps() -> None:
    Path("a").write_bytes(bytes(130 * HASH_BYTES))
    *steps, found = InputFile("a", Path("a")).fingerprint(130 * HASH_BYTES)
    assert steps == ["", ""], "one every four mebibytes"
    assert found
