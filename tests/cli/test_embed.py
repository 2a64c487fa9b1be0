"""Vectors in a file, or on standard output."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from tests.cli.command import COMMAND, OLDER, PROFILES, Aembed, left_over
from tests.scripted import expected


def test_file_is_embedded_line_by_line(aembed: Aembed, notes: str) -> None:
    code, out, err = aembed("embed", notes, "-o", "v.npy", "--model", "mock")
    assert (code, err) == (0, "")
    assert re.fullmatch(
        r"v\.npy: shape \(3, 128\) float32 from mock:mock, 2 blank lines skipped, \d+ tokens, "
        r"in \d+\.\d\d s \([\d,]+ rows/s\)\n",
        out,
    )
    vectors = np.load("v.npy")
    assert vectors.dtype == np.float32
    assert vectors.flags.c_contiguous
    assert left_over() == ["v.npy", "v.npy.json", "v.npy.keys"]


async def test_rows_are_in_line_order(notes: str) -> None:
    result = subprocess.run(  # noqa: ASYNC221 (nothing else is going on)
        [*COMMAND, "embed", notes, "-o", "v.npy", "--model", "mock"], capture_output=True, check=True
    )
    assert result.stderr == b""
    np.testing.assert_array_equal(np.load("v.npy"), await expected(["one", "zwei — 二", "three"], 128))


def test_many_chunks_fill_the_file_to_its_end(aembed: Aembed) -> None:
    Path("many.txt").write_text("".join(f"line {i}\n" for i in range(10_000)))
    Path("last.txt").write_text("line 9999")
    assert aembed("embed", "many.txt", "-o", "many.npy", "--model", "mock").code == 0
    assert aembed("embed", "last.txt", "-o", "last.npy", "--model", "mock").code == 0
    many = np.load("many.npy", mmap_mode="r")
    assert many.shape == (10_000, 128)
    np.testing.assert_array_equal(many[-1:], np.load("last.npy"))


def test_local_model_is_the_default(aembed: Aembed, notes: str) -> None:
    pytest.importorskip("onnxruntime", reason="needs the extra local")
    code, out, _ = aembed("embed", notes, "-o", "v.npy")
    assert code == 0
    assert "local:all-MiniLM-L6-v2 (English only; " in out
    assert "% of tokens unknown to it)" in out
    assert np.load("v.npy").shape == (3, 384)


def test_standard_input(aembed: Aembed, stdin: Callable[[bytes], None]) -> None:
    stdin(b"one\n\ntwo\n")
    assert aembed("embed", "-", "-o", "v.npy", "--model", "mock").code == 0
    assert np.load("v.npy").shape == (2, 128)


def test_named_pipe(tmp_path: Path) -> None:
    os.mkfifo("pipe.txt")
    with subprocess.Popen([*COMMAND, "embed", "pipe.txt", "-o", "v.npy", "--model", "mock"]) as process:
        (tmp_path / "pipe.txt").write_text("one\ntwo\n")
    assert process.returncode == 0
    assert np.load("v.npy").shape == (2, 128)


def test_profile_dimensions_and_an_older_output(aembed: Aembed, notes: str) -> None:
    Path("aembed.toml").write_text(PROFILES)
    Path("v.npy").write_bytes(OLDER)
    rejected = aembed("embed", notes, "-o", "v.npy", "-m", "small")
    assert (rejected.code, Path("v.npy").read_bytes()) == (2, OLDER)
    assert "aembed did not write it" in rejected.err
    assert "--force" in rejected.err
    assert aembed("embed", notes, "-o", "v.npy", "-m", "small", "--force").code == 0
    assert np.load("v.npy").shape == (3, 4)
    assert aembed("embed", notes, "-o", "v.npy", "-m", "small", "--dimensions", "7", "--force").code == 0
    assert np.load("v.npy").shape == (3, 7)


def test_fault_123_changed_input_without_update(aembed: Aembed, notes: str) -> None:
    assert aembed("embed", notes, "-o", "v.npy", "-m", "mock").code == 0
    Path(notes).write_text("one\ntwo\n\nfour\n")
    before = Path("v.npy").read_bytes()
    ended = aembed("embed", notes, "-o", "v.npy", "-m", "mock")
    assert (ended.code, Path("v.npy").read_bytes()) == (2, before)
    assert "3 rows would be embedded and paid for again" in ended.err
    assert "with --update, or everything with --force" in ended.err


def test_output_may_be_a_link(aembed: Aembed, notes: str, tmp_path: Path) -> None:
    (tmp_path / "place").mkdir()
    assert aembed("embed", notes, "-o", "place/real.npy", "--model", "mock").code == 0
    Path("v.npy").symlink_to("place/real.npy")
    notes = shutil.copy(notes, "other.txt")
    Path(notes).write_text("one\ntwo\nthree\n")
    assert aembed("embed", notes, "-o", "v.npy", "--model", "mock", "--update").code == 0
    assert Path("v.npy").is_symlink()
    assert np.load("place/real.npy").shape == (3, 128)


def test_output_gets_ordinary_permissions(aembed: Aembed, notes: str) -> None:
    before = os.umask(0o027)
    try:
        aembed("embed", notes, "-o", "v.npy", "--model", "mock")
    finally:
        os.umask(before)
    assert Path("v.npy").stat().st_mode & 0o777 == 0o640


def test_cut_texts_are_counted(aembed: Aembed) -> None:
    pytest.importorskip("onnxruntime", reason="needs the extra local")
    Path("long.txt").write_text("short\n" + "word " * 500)
    code, out, _ = aembed("embed", "long.txt", "-o", "v.npy", "--overlong", "truncate")
    assert code == 0
    assert "1 cut to the model's length" in out


def test_query_prints_one_vector(aembed: Aembed) -> None:
    code, out, err = aembed("embed", "--query", "where?", "--model", "mock", "--dimensions", "16")
    assert (code, err) == (0, "")
    vector = np.array(json.loads(out), np.float32)
    assert vector.shape == (16,)
    assert np.linalg.norm(vector) == pytest.approx(1.0, abs=1e-6)
    assert out.count("\n") == 1


def test_one_row_is_singular(aembed: Aembed) -> None:
    Path("one.txt").write_text("a")
    assert (
        "1 row with 2 dimensions from mock:mock, 1 token, in"
        in aembed("embed", "one.txt", "-o", "v.jsonl", "-m", "mock", "--dimensions", "2").out
    )


def test_cache_is_asked_instead_of_the_provider(aembed: Aembed, notes: str) -> None:
    arguments = ("embed", notes, "-m", "mock", "--cache", "vectors.db")
    assert aembed(*arguments, "-o", "a.npy").code == 0
    assert "tokens" not in aembed(*arguments, "-o", "b.npy").out
    np.testing.assert_array_equal(np.load("a.npy"), np.load("b.npy"))
