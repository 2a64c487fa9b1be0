"""Outputs that are there before a job: complete, good for their vectors, or in its way."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest

from aembed.jobs import JobChangedError, JobOutputError
from aembed.jobs.existing import Existing, look_at_outputs
from aembed.jobs.keys import KeysFile, write_head
from aembed.jobs.paths import JobPaths, choose_paths
from aembed.jobs.record import OutputRecord
from aembed.jobs.rows import Row, RowBlock
from aembed.jobs.wanted import UpdateOptions

SETTINGS = {"model": "a:b", "identity": "i", "overlong": "error", "text_column": "text"}


def made(name: str, *, rejected: bool = False, **changed: Any) -> None:
    """An output of the input ``f``, with the record of a job."""
    settings = {**SETTINGS, "vector_column": "vector", **changed.pop("settings", {})}
    record = OutputRecord(
        **{"aembed": "1", "model": "a:b", "dim": 2, "identity": "i", "rows": 2, "input": "f", **changed},
        settings=settings,
    )
    Path(name).write_bytes(b"content")
    Path(f"{name}.json").write_bytes(record.encoded())
    with Path(f"{name}.keys").open("w+b") as file, Path(name).open("rb") as content:
        keys = KeysFile(file, ids=False)
        keys.add(RowBlock(0, [Row(1, 1, "one", {}), Row(2, 2, "two", {})]))
        keys.finish([[1]] if rejected else [])
        write_head(file, content)


def look(*names: str, settings: dict[str, Any] | None = None, rows: int = 5, **wanted: Any) -> tuple[Any, ...]:
    """Names of the complete outputs, of the one that vectors are taken from, and of those whose rows are kept."""
    paths = choose_paths(names or ["v.npy"])
    found = look_at_outputs(paths, "f", {**SETTINGS, **(settings or {})}, UpdateOptions(**wanted), rows=rows)
    return shown(found, paths)


def shown(found: Existing, paths: JobPaths) -> tuple[Any, ...]:
    complete = [old.output.name for old in found.complete]
    assert [output.name for output in paths.outputs if found.has(output)] == complete
    return complete, found.origin and found.origin.output.name, [old.output.name for old in found.kept]


NOTHING: tuple[Any, ...] = ([], None, [])


def test_where_nothing_is_all_is_made() -> None:
    assert look() == NOTHING
    assert look(update=True) == NOTHING


def test_an_output_of_the_same_job_is_complete() -> None:
    made("v.npy")
    assert look() == look(update=True) == (["v.npy"], None, [])
    assert look(force=True) == NOTHING


def test_while_a_job_is_unfinished_nothing_is_complete() -> None:
    made("v.npy")
    Path("v.npy.job").mkdir()
    assert look() == ([], "v.npy", [])
    made("v.npy", input="other")
    assert look() == NOTHING, "it was to be replaced"


def test_the_name_of_the_vectors_counts_where_they_have_one() -> None:
    made("v.npy")
    made("v.jsonl")
    assert look("v.npy", vector_column="x") == (["v.npy"], None, [])
    assert look("v.jsonl", vector_column="x") == ([], "v.jsonl", [])


def test_a_further_output_takes_its_vectors_from_one_that_is_there() -> None:
    made("v.npy")
    assert look("w.jsonl", "v.npy") == (["v.npy"], "v.npy", [])
    made("x.npy", dtype="int8")
    assert look("v.npy", "w.jsonl", "x.npy", dtype="int8") == (["v.npy", "x.npy"], "v.npy", [])
    assert look("x.npy", "w.jsonl", dtype="int8") == (["x.npy"], "x.npy", [])


def test_one_that_is_smaller_is_made_anew_from_one_that_is_whole() -> None:
    made("v.npy")
    made("x.npy", dtype="float16")
    assert look("x.npy", "v.npy", dtype="int8") == (["v.npy"], "v.npy", [])
    assert look("v.npy", dtype="int8") == ([], "v.npy", [])


@pytest.mark.parametrize(
    ("rows", "changes", "wanted", "words"),
    [
        (
            5,
            {"input": "g"},
            {},
            "the input has changed since v.npy was made, and 5 rows would be embedded and paid for again: embed only "
            "new texts with update=True, or everything with force=True",
        ),
        (
            1,
            {"settings": {"overlong": "split"}},
            {},
            "v.npy was made otherwise (overlong was 'split' and is 'error'), and 1 row would be embedded and paid for "
            "again: choose another output, or make it anew with force=True",
        ),
        (
            1234,
            {"dtype": "int8", "settings": {"text_column": "body"}},
            {},
            "v.npy was made otherwise (text_column was 'body' and is 'text'; dtype was 'int8' and is 'float32'), and "
            "1,234 rows would be embedded and paid for again: choose another output, or make it anew with force=True",
        ),
        (
            5,
            {"settings": {"identity": "j"}},
            {},
            "v.npy was made otherwise (the model's files or the provider's options have changed), and 5 rows would be "
            "embedded and paid for again: choose another output, or make it anew with force=True",
        ),
        (
            5,
            {"settings": {"model": "a:c"}, "dtype": "int8"},
            {"update": True},
            "v.npy cannot be updated, for model was 'a:c' and is 'a:b'; dtype was 'int8' and is 'float32': use the "
            "same settings, or make it anew with force=True",
        ),
    ],
)
def test_no_vector_is_paid_for_twice_unasked(rows: int, changes: Any, wanted: Any, words: str) -> None:
    made("v.npy", **changes)
    with pytest.raises(JobChangedError) as caught:
        look(rows=rows, **wanted)
    assert str(caught.value) == words
    assert look(rows=rows, force=True) == NOTHING


def test_an_update_takes_vectors_of_another_input() -> None:
    made("v.npy", input="g", settings={"text_column": "body"})
    assert look(update=True) == ([], "v.npy", [])
    assert look(update=True, keep=True) == ([], "v.npy", ["v.npy"])
    made("w.npy", input="g")
    assert look("w.npy", "v.npy", update=True, keep=True) == ([], "w.npy", ["w.npy", "v.npy"])


def test_rows_that_were_kept_go_with_an_update_that_keeps_none() -> None:
    made("v.npy", kept=1)
    assert look() == look(update=True, keep=True) == (["v.npy"], None, [])
    assert look(update=True) == ([], "v.npy", [])


@pytest.mark.parametrize(
    ("name", "changes", "words"),
    [
        ("v.jsonl", {"settings": {"vector_column": "x"}}, "vector_column was 'x' and is 'vector'"),
        ("v.npy", {"limit": 2.0}, "its scale of int8 is not that of w.npy"),
    ],
)
def test_rows_that_are_stored_otherwise_cannot_be_kept(name: str, changes: Any, words: str) -> None:
    made("w.npy", input="g")
    made(name, input="g", **changes)
    assert look("w.npy", name, update=True) == ([], "w.npy", [])
    with pytest.raises(JobChangedError) as caught:
        look("w.npy", name, update=True, keep=True)
    assert str(caught.value) == (
        f"{name} has rows that cannot be kept, for {words}: use the same settings, or update without keep=True"
    )


def test_rows_of_an_array_are_kept_by_any_name() -> None:
    made("v.npy", input="g", settings={"vector_column": "x"})
    assert look(update=True, keep=True) == ([], "v.npy", ["v.npy"])


@pytest.mark.parametrize("missing", ["v.npy.json", "v.npy.keys"])
def test_only_what_aembed_wrote_is_updated(missing: str) -> None:
    made("v.npy")
    Path(missing).unlink()
    assert look() == NOTHING
    with pytest.raises(JobOutputError) as caught:
        look(update=True)
    assert str(caught.value) == (
        "v.npy cannot be updated: aembed did not write it, or it was changed since; choose another output, or replace "
        "it with force=True"
    )
    Path("v.npy.job").mkdir()
    assert look(update=True) == NOTHING, "the job may have been about to replace it"


# --- rows that were rejected


def test_rejected_rows_are_retried_where_there_are_any() -> None:
    made("v.npy")
    assert look(retry=True, keep=True) == (["v.npy"], None, [])
    made("v.npy", rejected=True)
    assert look(retry=True, keep=True) == ([], "v.npy", ["v.npy"])
    made("v.npy")
    Path("v.npy.job").mkdir()
    assert look(retry=True, keep=True) == ([], "v.npy", ["v.npy"])


def test_a_retry_that_died_at_its_end_resumes() -> None:
    Path("v.npy.job").mkdir()
    assert look(retry=True, keep=True) == NOTHING


def test_an_output_that_was_changed_is_not_retried() -> None:
    made("v.npy")
    Path("v.npy").write_bytes(b"another")
    os.utime("v.npy", ns=(1, 1))
    with pytest.raises(JobOutputError, match=r"^v\.npy was changed since aembed wrote it; make it anew with force"):
        look(retry=True, keep=True)


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"input": "g"}, "the input has changed"),
        ({"settings": {"normalize": True}}, "normalize was True and is not set"),
        ({"input": "g", "settings": {"model": "x:y"}}, "the input has changed; model was 'x:y' and is 'a:b'"),
    ],
)
def test_another_input_or_model_is_not_retried(changes: Any, words: str) -> None:
    made("v.npy", rejected=True, **changes)
    with pytest.raises(JobChangedError) as caught:
        look(retry=True, keep=True)
    assert str(caught.value) == f"rejected rows of v.npy cannot be retried, for {words}"


def test_a_retry_may_treat_long_texts_otherwise() -> None:
    made("v.npy", rejected=True)
    assert look(settings={"overlong": "split"}, retry=True, keep=True) == ([], "v.npy", ["v.npy"])
    made("v.npy", retried=["split"])
    assert look(settings={"overlong": "split"}) == (["v.npy"], None, [])
    with pytest.raises(JobChangedError, match="overlong was 'error' and is 'truncate'"):
        look(settings={"overlong": "truncate"})
