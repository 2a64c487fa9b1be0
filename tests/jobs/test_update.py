"""Outputs that are there: the same job again, updates, further outputs, rejected rows, other precisions."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from aembed import Config, EmbedderFactory, Limits, quantize
from aembed.jobs import (
    Dtype,
    JobBudgetError,
    JobChangedError,
    JobInputError,
    JobOutputError,
    JobReport,
    JobStoppedError,
    open_like,
    read_record,
    retry_rejects,
    run,
)
from tests.jobs.conftest import expected, mock_vectors, records
from tests.jobs.provider import Remembers

FORMATS = ["v.npy", "v.jsonl", "v.parquet"]


async def job(output: Any, provider: Any = None, source: str = "r.jsonl", **options: Any) -> JobReport:
    if "parquet" in str(output):
        pytest.importorskip("pyarrow", reason="needs the extra parquet")
    if source == "rows.jsonl":
        options.setdefault("id_column", "id")
    return await run(source, output, model=provider or Remembers(), config=Config(), **options)


def write(*texts: str, name: str = "r.jsonl") -> None:
    Path(name).write_text("".join(json.dumps({"key": f"k{i}", "text": text}) + "\n" for i, text in enumerate(texts)))


def vectors_of(output: str) -> Any:
    if output.endswith(".npy"):
        return np.load(output)
    if output.endswith(".jsonl"):
        return np.array([row["vector"] for row in records(output)])
    import pyarrow.parquet as pq

    return np.stack(pq.read_table(output)["vector"].to_numpy(zero_copy_only=False))


# --- 123: the finished command again


@pytest.mark.parametrize("output", FORMATS)
async def test_fault_123_finished_job_does_nothing(output: str, rows: str) -> None:
    first = await job(output, source=rows)
    before = Path(output).stat().st_mtime_ns
    provider = Remembers()
    again = await job(output, provider, source=rows)
    assert provider.asked == []
    assert Path(output).stat().st_mtime_ns == before
    assert (again.was_complete, again.rows, again.rejected, again.tokens) == (True, 30, 4, first.tokens)
    forced = Remembers()
    assert not (await job(output, forced, source=rows, force=True)).was_complete
    assert len(forced.asked) == 26


@pytest.mark.parametrize("output", FORMATS)
async def test_fault_123_another_input_is_paid_for_only_if_asked(output: str) -> None:
    write("one", "four", "five")
    await job(output)
    before = Path(output).read_bytes()
    write("one", "two", "", "one", "three")
    provider = Remembers()
    with pytest.raises(JobChangedError, match=r"input has changed since .*4 rows .*again: .*update=True.*force=True"):
        await job(output, provider)
    assert provider.asked == []
    assert Path(output).read_bytes() == before
    assert not Path(f"{output}.job").exists()
    await job(output, provider, update=True)
    write("four", "one")
    await job(output, provider, force=True)
    assert provider.asked == ["two", "three", "four", "one"]


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"provider": Remembers(dim=16)}, "the model's files or the provider's options have changed"),
        ({"provider": "mock"}, "model was 'test:remembers' and is 'mock:mock'"),
        ({"normalize": True}, "normalize was None and is True"),
    ],
)
async def test_fault_123_another_model_replaces_an_output_only_by_force(options: dict[str, Any], words: str) -> None:
    write("one", "")
    await job("v.npy")
    with pytest.raises(JobChangedError, match=rf"otherwise \({words}\), and 1 row .*another output.*force=True"):
        await job("v.npy", **options)
    assert (await job("v.npy", force=True, **options)).embedded == 1


async def test_fault_123_output_that_vectors_cannot_be_taken_from_is_kept(rows: str) -> None:
    await job("v.npy", source=rows, dtype="int8")
    with pytest.raises(JobChangedError, match="dtype was 'int8' and is 'float32'"):
        await job("v.npy", source=rows)


@pytest.mark.parametrize("output", FORMATS)
async def test_output_that_was_changed_is_not_replaced(output: str, rows: str) -> None:
    await job(output, source=rows)
    content = bytearray(Path(output).read_bytes())
    content[-3] ^= 1
    Path(output).write_bytes(content)
    with pytest.raises(JobOutputError, match=r"did not write it, or it was changed since; .*force"):
        await job(output, source=rows)
    assert Path(output).read_bytes() == content
    await job(output, source=rows, force=True)


@pytest.mark.parametrize("output", FORMATS)
async def test_output_that_was_moved_is_still_ours(output: str, rows: str) -> None:
    """Its time says nothing then; its content does."""
    await job(output, source=rows)
    content = Path(output).read_bytes()
    Path(output).unlink()
    Path(output).write_bytes(content)
    assert (await job(output, source=rows)).was_complete


# --- updates


@pytest.mark.parametrize("output", FORMATS)
async def test_update_embeds_only_new_texts(output: str) -> None:
    write("one", "two", "", "unspeakable", "three", "four")
    await job(output, id_column="key")
    write("zero", "four", "one", "unspeakable", "", "changed", "three")
    provider = Remembers()
    report = await job(output, provider, id_column="key", update=True)
    assert provider.asked == ["zero", "changed"]
    assert (report.rows, report.rejected, report.reused, report.embedded) == (7, 2, 4, 5)
    whole = f"whole-{output}"
    await job(whole, id_column="key")
    np.testing.assert_array_equal(vectors_of(output), vectors_of(whole))
    assert records(f"{output}.rejects.jsonl") == records(f"{whole}.rejects.jsonl")
    if not output.endswith(".npy"):
        assert Path(output).stat().st_size  # the rows, too, are those of the input
    again = Remembers()
    assert (await job(output, again, id_column="key", update=True)).was_complete
    assert again.asked == []


@pytest.mark.parametrize("dtype", ["float16", "int8", "binary"])
@pytest.mark.parametrize("output", FORMATS)
async def test_update_leaves_the_rest_as_it_is_stored(output: str, dtype: Dtype) -> None:
    write("one", "two", "three")
    await job(output, dtype=dtype)
    before = vectors_of(output)
    write("three", "new", "one")
    await job(output, dtype=dtype, update=True)
    after = vectors_of(output)
    np.testing.assert_array_equal(after[[0, 2]], before[[2, 0]])
    assert len(after) == 3


async def test_update_of_nothing_is_a_job() -> None:
    write("one")
    provider = Remembers()
    await job("v.npy", provider, update=True)
    assert provider.asked == ["one"]


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"provider": Remembers(dim=16)}, "the model's files or the provider's options have changed"),
        ({"normalize": True}, "normalize was None and is True"),
        ({"dtype": "int8"}, "dtype was 'float32' and is 'int8'"),
        ({"provider": "mock"}, "model was 'test:remembers' and is 'mock:mock'"),
    ],
)
async def test_update_with_another_model_is_rejected(options: dict[str, Any], words: str) -> None:
    write("one")
    await job("v.npy")
    write("one", "two")
    with pytest.raises(JobChangedError, match=words):
        await job("v.npy", **options, update=True)
    assert np.load("v.npy").shape == (1, 8)


async def test_update_of_a_foreign_file() -> None:
    write("one")
    np.save("v.npy", np.zeros((1, 8), np.float32))
    with pytest.raises(JobOutputError, match="did not write it"):
        await job("v.npy", update=True)


async def test_stopped_update_is_resumed() -> None:
    from aembed import AuthenticationError

    write(*(f"row {i}" for i in range(20)))
    await job("v.npy")
    write(*(f"row {i}" for i in range(10, 40)))
    first = Remembers(good=2, failure=AuthenticationError("the key is rejected"))
    with pytest.raises(JobStoppedError):
        await job("v.npy", first, update=True, limits=Limits(max_concurrency=1))
    second = Remembers()
    report = await job("v.npy", second, update=True)
    assert set(first.asked).isdisjoint(second.asked)
    assert len(first.asked) + len(second.asked) == 20
    assert report.resumed
    np.testing.assert_array_equal(np.load("v.npy"), await mock_vectors([f"row {i}" for i in range(10, 40)]))


# --- rows that the input no longer has


@pytest.mark.parametrize("ids", [True, False], ids=["ids", "texts"])
@pytest.mark.parametrize("output", FORMATS)
async def test_update_keeps_rows_that_are_gone(output: str, ids: bool) -> None:
    options: dict[str, Any] = {"id_column": "key"} if ids else {}
    write("zero", "one", "", "unspeakable", "four", "five")
    await job(output, **options)
    Path("r.jsonl").write_text('{"key": "k1", "text": "changed"}\n{"key": "new", "text": "four"}\n')
    provider = Remembers()
    report = await job(output, provider, **options, update=True, keep=True)
    assert provider.asked == ["changed"]
    # with ids the row k1 has another text now, and k4 is gone although its text is not
    last = ["zero", "four", "five"] if ids else ["zero", "one", "five"]
    assert (report.rows, report.rejected, report.reused, report.kept) == (2, 0, 1, 3)
    wanted = await mock_vectors(["changed", "four", *last])
    np.testing.assert_array_equal(vectors_of(output).astype(np.float32), wanted)
    record = read_record(output)
    assert (record.rows, record.kept) == (5, 3)
    if output == "v.jsonl":
        assert [row["text"] for row in records(output)] == ["changed", "four", *last]
    if output == "v.parquet":
        import pyarrow.parquet as pq

        assert pq.read_table(output)["text"].to_pylist() == ["changed", "four", *last]
        assert pq.read_table(output)["key"].to_pylist()[2] == "k0"

    again = Remembers()
    assert (await job(output, again, **options, update=True, keep=True)).kept == 3
    write("five", "six")
    await job(output, again, **options, update=True, keep=True)
    assert again.asked == ["six"]
    assert read_record(output).kept == (3 if ids else 4)
    dropped = await job(output, again, **options, update=True)
    assert (dropped.kept, dropped.was_complete, read_record(output).rows) == (0, False, 2)
    np.testing.assert_array_equal(vectors_of(output).astype(np.float32), await mock_vectors(["five", "six"]))
    assert again.asked == ["six"]


@pytest.mark.parametrize("dtype", ["float16", "int8", "binary"])
@pytest.mark.parametrize("output", FORMATS)
async def test_kept_rows_stay_as_they_are_stored(output: str, dtype: Dtype) -> None:
    write("one", "two", "three")
    await job(output, dtype=dtype)
    before = vectors_of(output)
    write("three", "new")
    await job(output, dtype=dtype, update=True, keep=True)
    np.testing.assert_array_equal(vectors_of(output)[[0, 2, 3]], before[[2, 0, 1]])


async def test_several_outputs_keep_their_rows() -> None:
    write("one", "unspeakable", "three")
    await job(FORMATS)
    write("two", "three")
    provider = Remembers()
    await job(FORMATS, provider, update=True, keep=True)
    assert provider.asked == ["two"]
    for output in FORMATS:
        np.testing.assert_array_equal(
            vectors_of(output).astype(np.float32), await mock_vectors(["two", "three", "one"])
        )


async def test_retried_rejects_leave_kept_rows() -> None:
    write("one", "two")
    await job("v.jsonl")
    write("two", "unspeakable")
    await job("v.jsonl", update=True, keep=True)
    report = await retry_rejects("v.jsonl", model=Remembers(speaks=True), config=Config())
    assert (report.kept, report.rejected) == (1, 0)
    assert [row["text"] for row in records("v.jsonl")] == ["two", "unspeakable", "one"]


async def test_kept_rows_have_columns_that_the_input_lost() -> None:
    pytest.importorskip("pyarrow", reason="needs the extra parquet")
    import pyarrow.parquet as pq

    Path("r.jsonl").write_text('{"text": "one", "year": 1999, "by": "A"}\n')
    await job("v.parquet")
    Path("r.jsonl").write_text('{"text": "two", "year": 2.5, "page": 3}\n')
    await job("v.parquet", update=True, keep=True)
    rows = pq.read_table("v.parquet").drop_columns("vector").to_pylist()
    assert [{"id": row.pop("id"), **row} for row in rows] == [
        {"id": 1, "text": "two", "year": 2.5, "page": 3, "by": None},
        {"id": 1, "text": "one", "year": 1999.0, "page": None, "by": "A"},
    ]
    before = Path("v.parquet").read_bytes()
    Path("r.jsonl").write_text('{"text": "three", "year": "long ago"}\n')
    provider = Remembers()
    with pytest.raises(JobOutputError, match="columns that do not go together"):
        await job("v.parquet", provider, update=True, keep=True)
    assert provider.asked == []
    assert Path("v.parquet").read_bytes() == before


async def test_kept_rows_of_a_parquet_input() -> None:
    pytest.importorskip("pyarrow", reason="needs the extra parquet")
    import pyarrow as pa
    import pyarrow.parquet as pq

    pq.write_table(pa.table({"text": ["one", "two"], "n": [1, 2], "by": ["A", "B"]}), "r.parquet")
    await job("v.parquet", source="r.parquet")
    pq.write_table(pa.table({"text": ["two"], "n": [3]}), "r.parquet")
    await job("v.parquet", source="r.parquet", update=True, keep=True)
    rows = pq.read_table("v.parquet").drop_columns(["vector", "id"]).to_pylist()
    assert rows == [{"text": "two", "n": 3, "by": None}, {"text": "one", "n": 1, "by": "A"}]


async def test_rows_that_cannot_be_kept() -> None:
    write("one", "two")
    await job("v.jsonl")
    with pytest.raises(JobOutputError, match="keep=True is for updates"):
        await job("v.jsonl", keep=True)
    write("two")
    with pytest.raises(JobChangedError, match="vector_column was 'vector' and is 'v'"):
        await job("v.jsonl", update=True, keep=True, vector_column="v")
    assert len(records("v.jsonl")) == 2


# --- several outputs


async def test_several_outputs_are_made_at_once(rows: str) -> None:
    provider = Remembers()
    report = await job(FORMATS, provider, source=rows)
    assert len(provider.asked) == 26
    assert report.outputs == tuple(FORMATS)
    wanted = (await expected())[~np.isnan(await expected())[:, 0]]
    for output in FORMATS[1:]:
        np.testing.assert_array_equal(vectors_of(output).astype(np.float32), wanted)
    np.testing.assert_array_equal(np.load("v.npy"), await expected())
    assert len({Path(f"{output}.rejects.jsonl").read_text() for output in FORMATS}) == 1
    again = Remembers()
    assert (await job(FORMATS, again, source=rows)).was_complete
    assert not Path("v.npy.job").exists()


@pytest.mark.parametrize("first", FORMATS)
@pytest.mark.parametrize("further", ["w.npy", "w.jsonl", "w.parquet"])
async def test_further_output_costs_no_request(first: str, further: str, rows: str) -> None:
    await job(first, source=rows)
    provider = Remembers()
    before = Path(first).read_bytes()
    report = await job([first, further], provider, source=rows)
    assert provider.asked == []
    assert Path(first).read_bytes() == before
    assert (report.rejected, report.requests) == (4, 0)
    await job(f"whole-{further}", source=rows)
    np.testing.assert_array_equal(vectors_of(further), vectors_of(f"whole-{further}"))
    rejects = [Path(f"{output}.rejects.jsonl").read_text() for output in (further, f"whole-{further}")]
    assert rejects[0] == rejects[1]


@pytest.mark.parametrize("dtype", ["float16", "int8", "binary"])
async def test_other_precision_of_a_complete_job_costs_nothing(dtype: Any, rows: str) -> None:
    await job("v.npy", source=rows)
    provider = Remembers()
    for output in ("small.npy", "small.jsonl", "small.parquet"):
        await job([output, "v.npy"], provider, source=rows, dtype=dtype)
    assert provider.asked == []
    np.testing.assert_array_equal(np.load("v.npy"), await expected())
    whole = await expected()
    good = ~np.isnan(whole[:, 0])
    stored = quantize(whole[good], dtype)
    np.testing.assert_array_equal(np.load("small.npy")[good], stored)
    np.testing.assert_array_equal(vectors_of("small.parquet"), stored)
    np.testing.assert_array_equal(vectors_of("small.jsonl").astype(stored.dtype), stored)
    assert read_record("small.parquet").dtype == dtype


@pytest.mark.parametrize(
    ("outputs", "words"),
    [
        ([], "there is no output"),
        (["v.npy", "v.npy"], "is written for v.npy and for v.npy"),
        (["v.npy", "v.npy.rejects.jsonl"], "is written for v.npy and for v.npy.rejects.jsonl"),
    ],
)
async def test_outputs_that_get_in_each_others_way(outputs: Sequence[str], words: str) -> None:
    write("one")
    with pytest.raises(JobOutputError, match=words):
        await job(outputs)


# --- records


@pytest.mark.parametrize("output", FORMATS)
async def test_record_says_how_an_output_was_made(output: str, rows: str) -> None:
    await job(output, source=rows, id_column="id")
    record = read_record(output)
    assert (record.model, record.dim, record.rows, record.rejected) == ("test:remembers", 8, 30, 4)
    assert record.settings["text_column"] == "text"
    async with EmbedderFactory(Config()) as factory:
        assert (await factory.new_embedder(Remembers())).identity == record.identity


async def test_record_of_something_else() -> None:
    np.save("v.npy", np.zeros((1, 8)))
    Path("v.npy.json").write_text('{"mine": 1}')
    for name, words in (("v.npy", "does not say how"), ("none.npy", "does not exist"), ("t.txt", "does not end in")):
        with pytest.raises(JobOutputError, match=words):
            read_record(name)


async def test_the_model_of_an_output_for_its_queries() -> None:
    write("one")
    await job("v.npy", "mock", dimensions=12)
    async with open_like("v.npy", config=Config()) as embedder:
        assert (await embedder.embed_query("where?")).shape == (12,)


# --- rejected rows


@pytest.mark.parametrize("output", FORMATS)
async def test_rejected_rows_are_put_in_their_places(output: str) -> None:
    write("one", "unspeakable", "", "four", "unspeakable too")
    await job(output)

    provider = Remembers(speaks=True)
    report = await retry_rejects(output, model=provider, config=Config())
    assert provider.asked == ["unspeakable", "unspeakable too"]
    assert (report.rejected, report.reused, report.rows) == (1, 2, 5)
    whole = f"whole-{output}"
    await job(whole, Remembers(speaks=True))
    np.testing.assert_array_equal(vectors_of(output), vectors_of(whole))
    assert records(f"{output}.rejects.jsonl") == records(f"{whole}.rejects.jsonl")
    assert (await job(output)).was_complete


async def test_rejected_rows_of_another_input_or_model() -> None:
    write("one", "unspeakable")
    await job("v.npy")
    with pytest.raises(JobChangedError, match="cannot be retried"):
        await retry_rejects("v.npy", model=Remembers(dim=16), config=Config())
    write("one", "else")
    with pytest.raises(JobChangedError, match="the input has changed"):
        await retry_rejects("v.npy", model=Remembers(), config=Config())


async def test_rejected_rows_of_standard_input(monkeypatch: pytest.MonkeyPatch) -> None:
    import io
    import sys

    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(b"one\nunspeakable\n")))
    await job("v.npy", source="-")
    with pytest.raises(JobInputError, match="does not name files"):
        await retry_rejects("v.npy", model=Remembers(), config=Config())


async def test_overlong_texts_are_retried_truncated() -> None:
    pytest.importorskip("onnxruntime", reason="needs the extra local")
    write("short", "word " * 500)
    await job("v.npy", "local")
    assert np.isnan(np.load("v.npy")[1]).all()
    report = await retry_rejects("v.npy", overlong="truncate", config=Config())
    assert (report.rejected, report.truncated) == (0, 1)
    assert not np.isnan(np.load("v.npy")).any()
    await retry_rejects("v.npy", overlong="truncate", config=Config())
    assert read_record("v.npy").retried == ["truncate"], "once, however often it is asked for"
    assert (await job("v.npy", "local")).was_complete


# --- cost


async def test_job_stops_before_its_cost_passes_the_limit() -> None:
    write(*(f"{'word ' * 40}{i}" for i in range(40)))
    first = Remembers(price=1e6)  # a dollar a token
    with pytest.raises(JobStoppedError, match=r"would pass max_cost=\$1000 .* rows are done") as caught:
        await job("v.npy", first, max_cost=1000)
    assert isinstance(caught.value.__cause__, JobBudgetError)
    assert 0 < caught.value.done < 40
    billed = (await Remembers(price=1e6).count(first.asked)) * 1.0
    assert billed <= 1000
    second = Remembers(price=1e6)
    report = await job("v.npy", second, max_cost=1e9)
    assert set(first.asked).isdisjoint(second.asked)
    assert report.resumed == caught.value.done


async def test_cost_of_earlier_runs_counts() -> None:
    write(*(f"{'word ' * 40}{i}" for i in range(40)))
    first, second = Remembers(price=1e6), Remembers(price=1e6)
    for provider in (first, second):
        with pytest.raises(JobStoppedError):
            await job("v.npy", provider, max_cost=1000)
    assert first.asked
    assert second.asked == []


async def test_cost_limit_that_nothing_can_be_compared_with() -> None:
    from aembed import ConfigError

    write("one")
    with pytest.raises(ConfigError, match="price of test:remembers is not known"):
        await job("v.npy", max_cost=1)
    with pytest.raises(ConfigError, match="positive"):
        await job("v.npy", Remembers(price=1.0), max_cost=0)
