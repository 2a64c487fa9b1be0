"""Failures of the run: their names, their exit codes, and the progress that is kept."""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path

import numpy as np
import pytest

from tests.cli.command import COMMAND, OLDER, PROFILES, Aembed, left_over, rejected
from tests.full_disk import small_files


def test_disk_that_is_full(aembed: Aembed) -> None:
    Path("t.txt").write_text("line\n" * 2000)
    with small_files(100_000):
        outcome = aembed("embed", "t.txt", "-o", "v.npy", "--model", "mock")
    rejected(outcome, "cannot be written", "free some space", "run the same job again", code=3)


def test_disk_that_is_full_from_the_beginning(aembed: Aembed, notes: str) -> None:
    """Nothing was sent, and the same command does everything."""
    command = ["embed", notes, "-o", "v.npy", "--model", "mock"]
    with small_files(10):
        outcome = aembed(*command)
    rejected(outcome, "the output v.npy cannot be written", "free some space", "run the same job again", code=3)
    assert aembed(*command).code == 0


def test_output_stream_that_is_full() -> None:
    if not Path("/dev/full").exists():
        pytest.skip("needs /dev/full")
    with open("/dev/full", "wb") as full:
        result = subprocess.run(
            [*COMMAND, "embed", "--query", "x", "--model", "mock"], stdout=full, stderr=subprocess.PIPE, check=False
        )
    assert result.returncode == 2
    assert result.stderr == (
        b"aembed: standard output cannot be written: No space left on device; check where it goes\n"
    )


def test_output_stream_without_a_reader() -> None:
    """``aembed providers | true``"""
    read, write = os.pipe()
    os.close(read)
    with open(write, "wb") as unread:
        result = subprocess.run([*COMMAND, "providers"], stdout=unread, stderr=subprocess.PIPE, check=False)
    assert (result.returncode, result.stderr) == (141, b"")


def test_too_little_memory(aembed: Aembed) -> None:
    rejected(
        aembed("embed", "--query", "x", "--model", "mock", "--dimensions", f"{10**15}"), "not enough memory", code=3
    )


def test_failure_of_the_provider(aembed: Aembed, notes: str) -> None:
    Path("aembed.toml").write_text(PROFILES)
    rejected(aembed("embed", notes, "-o", "v.npy", "-m", "refused"), "rejects the key", "status 401", code=3)


def test_failure_in_the_middle_leaves_the_older_file(aembed: Aembed) -> None:
    Path("aembed.toml").write_text(PROFILES)
    Path("many.txt").write_text("".join(f"line {i}\n" for i in range(3000)))
    Path("v.npy").write_bytes(OLDER)
    outcome = aembed("embed", "many.txt", "-o", "v.npy", "-m", "unlucky", "--force")
    assert Path("v.npy").read_bytes() == OLDER
    Path("v.npy").unlink()
    assert outcome.code == 3
    assert "overloaded" in outcome.err
    assert "rows are done: run the same job again to resume" in outcome.err
    assert outcome.err.count("\n") == 1
    assert left_over() == ["v.npy.job"]


def test_rejected_row_is_named(aembed: Aembed) -> None:
    pytest.importorskip("onnxruntime", reason="needs the extra local")
    Path("t.txt").write_text("short\n\n" * 200 + "word " * 500)
    code, out, err = aembed("embed", "t.txt", "-o", "v.npy")
    assert (code, err) == (1, "")
    assert "1 of 201 rows rejected (NaN in the output): see v.npy.rejects.jsonl" in out
    reject = json.loads(Path("v.npy.rejects.jsonl").read_text())
    assert (reject["row"], reject["error"]) == (401, "TextTooLongError")
    assert "256" in reject["message"]
    assert np.isnan(np.load("v.npy")).all(axis=1).tolist() == [False] * 200 + [True]
