"""Long texts: as rows of their pieces, in a dry run, and in the share of what a model knows."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from aembed import Config, EmbedderFactory, TextSize
from aembed.jobs import JobInputError, JobOutputError, plan, run
from tests.jobs.conftest import mock_vectors, records
from tests.jobs.provider import Remembers

WORDS = 4


class Measures(Remembers):
    """A model that takes four words, each a token; words in capitals are unknown to it."""

    def measure(self, texts: Sequence[str], /) -> list[TextSize]:
        return [self._size(text) for text in texts]

    def _size(self, text: str) -> TextSize:
        words = text.split(" ")
        cuts = [len(" ".join(words[:at])) for at in range(0, len(words), WORDS)]
        spans = list(zip(cuts, [*cuts[1:], len(text)], strict=True))
        return TextSize(len(words), sum(map(str.isupper, words)), spans)


TEXTS = ["one two three four five", "short", "", " ".join(f"w{i}" for i in range(50))]


def write(name: str = "r.jsonl", **columns: Any) -> str:
    rows = [{"key": f"k{i}", "text": text, "n": i, **columns} for i, text in enumerate(TEXTS)]
    if name.endswith(".parquet"):
        pa = pytest.importorskip("pyarrow", reason="needs the extra parquet")
        import pyarrow.parquet as pq

        pq.write_table(pa.Table.from_pylist(rows), name)
    else:
        Path(name).write_text("".join(json.dumps(row) + "\n" for row in rows))
    return name


def rows_of(output: str) -> list[dict[str, Any]]:
    if output.endswith(".jsonl"):
        return records(output)
    import pyarrow.parquet as pq

    rows: list[dict[str, Any]] = pq.read_table(output).to_pylist()
    return rows


@pytest.mark.parametrize("source", ["r.jsonl", "r.parquet"])
@pytest.mark.parametrize("output", ["v.jsonl", "v.parquet"])
async def test_a_row_for_each_piece(source: str, output: str) -> None:
    pytest.importorskip("pyarrow", reason="needs the extra parquet")
    report = await run(write(source), output, model=Measures(), config=Config(), id_column="key", overlong="rows")
    found = rows_of(output)
    assert (report.rows, report.rejected) == (2 + 1 + 1 + 13, 1)
    assert [(row["key"], row["piece"]) for row in found] == [
        ("k0", 0), ("k0", 1), ("k1", 0), *(("k3", piece) for piece in range(13)),
    ]  # fmt: skip
    for row in found:
        text = TEXTS[row["n"]]
        assert row["text"] == text[row["start"] : row["end"]]
    assert "".join(row["text"] for row in found if row["n"] == 3) == TEXTS[3]
    np.testing.assert_array_equal(
        np.array([row["vector"] for row in found], np.float32), await mock_vectors([row["text"] for row in found])
    )
    (reject,) = records(f"{output}.rejects.jsonl")
    assert (reject["row"], reject["id"], reject["piece"]) == (3, "k2", 0)


async def test_pieces_of_a_row_whose_id_is_there_already_are_all_rejected() -> None:
    rows = [{"key": "a", "text": "one"}, {"key": "a", "text": TEXTS[3]}, {"key": "b", "text": "two"}]
    rows += [{"key": f"c{i}", "text": "three"} for i in range(40)]
    Path("r.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    report = await run("r.jsonl", "v.jsonl", model=Measures(), config=Config(), id_column="key", overlong="rows")
    assert report.rejected == 13
    assert [row["key"] for row in records("v.jsonl")] == ["a", "b", *(f"c{i}" for i in range(40))]


async def test_pieces_of_a_template_keep_its_columns() -> None:
    provider = Measures()
    await run(write(), "v.jsonl", model=provider, config=Config(), text="{key} {text}", overlong="rows")
    rows = records("v.jsonl")
    assert [(row["id"], row["piece"], row["text"]) for row in rows[:2]] == [(1, 0, TEXTS[0]), (1, 1, TEXTS[0])]
    assert provider.asked[:2] == ["k0 one two three", " four five"]


async def test_pieces_again_are_complete() -> None:
    await run(write(), "v.jsonl", model=Measures(), config=Config(), id_column="key", overlong="rows")
    provider = Measures()
    await run(write(), "v.jsonl", model=provider, config=Config(), id_column="key", overlong="rows")
    assert provider.asked == []
    await run(write(), "v.jsonl", model=provider, config=Config(), id_column="key", overlong="rows", force=True)
    assert provider.asked


async def test_outputs_that_cannot_hold_pieces() -> None:
    with pytest.raises(JobOutputError, match=r"v\.npy has no place for the id of a piece"):
        await run(write(), "v.npy", model=Measures(), config=Config(), overlong="rows")
    with pytest.raises(JobInputError, match="has a column 'start', which pieces"):
        await run(write(start=1), "v.jsonl", model=Measures(), config=Config(), overlong="rows")


async def test_pieces_by_estimate_where_there_is_no_tokenizer() -> None:
    text = " ".join(f"word{i}" for i in range(1000))
    Path("t.txt").write_text(f"{text}\nshort\n")
    provider = Remembers()
    object.__setattr__(provider.spec, "max_text_tokens", 100)
    await run("t.txt", "v.jsonl", model=provider, config=Config(), overlong="rows")
    rows = records("v.jsonl")
    assert "".join(row["text"] for row in rows[:-1]) == text
    assert all(len(row["text"]) <= 400 for row in rows)
    assert [row["id"] for row in rows] == [1] * (len(rows) - 1) + [2]


# --- a tokenizer in a dry run


async def test_dry_run_counts_with_the_tokenizer() -> None:
    provider = Measures()
    object.__setattr__(provider.spec, "max_text_tokens", WORDS)
    found = await plan(write(), model=provider, config=Config())
    assert (found.tokens, found.exact, found.rows, found.rejected) == (1, True, 4, 3)
    assert (found.bound_by, found.unknown_tokens) == ("machine", 0.0)
    assert found.seconds is not None
    pieces = await plan(write(), model=Measures(), config=Config(), overlong="rows")
    assert pieces.rows == 17


@pytest.mark.parametrize("overlong", ["truncate", "split"])
async def test_dry_run_says_how_long_it_takes_where_every_text_is_too_long(overlong: Any) -> None:
    pytest.importorskip("onnxruntime", reason="needs the extra local")
    Path("long.txt").write_text(f"{'word ' * 500}\n" * 3)
    found = await plan("long.txt", model="local", config=Config(), overlong=overlong)
    assert (found.tokens < 3 * 500) == (overlong == "truncate")
    assert (found.bound_by, found.rejected) == ("machine", 0)
    assert found.seconds is not None


async def test_dry_run_of_the_local_model_rejects_the_same_rows_as_the_job() -> None:
    pytest.importorskip("onnxruntime", reason="needs the extra local")
    Path("t.txt").write_text("short\n" + "word " * 300 + "\nlonger text\n")
    found = await plan("t.txt", model="local", config=Config())
    report = await run("t.txt", "v.npy", model="local", config=Config())
    assert (found.rejected, found.tokens) == (report.rejected, report.tokens) == (1, 3 + 4)
    cut = await plan("t.txt", model="local", config=Config(), overlong="truncate")
    assert (cut.rejected, cut.truncated, cut.tokens) == (0, 1, 3 + 256 + 4)
    assert cut.seconds


async def test_dry_run_needs_no_key(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("OPENAI_API_KEY", raising=False)
    Path("t.txt").write_text("one\n")
    for model in ("openai:text-embedding-3-small", "cohere", "google", "jina", "mistral", "voyage"):
        found = await plan("t.txt", model=model, config=Config())
        assert found.tokens == 1


# --- what a model knows


async def test_share_of_unknown_tokens() -> None:
    Path("t.txt").write_text("one TWO three four\n" * 1000)
    report = await run("t.txt", "v.npy", model=Measures(batch=500), config=Config())
    assert report.unknown_tokens == 0.25
    assert (await run("t.txt", "w.npy", model=Remembers(batch=500), config=Config())).unknown_tokens is None


async def test_local_model_is_english() -> None:
    pytest.importorskip("onnxruntime", reason="needs the extra local")
    Path("thai.txt").write_text("ความรู้เกี่ยวกับดาราศาสตร์เบื้องต้น\n" * 20, encoding="utf-8")
    Path("english.txt").write_text("How to brew tea\n" * 20)
    thai = await run("thai.txt", "v.npy", model="local", config=Config())
    english = await run("english.txt", "w.npy", model="local", config=Config())
    assert (thai.language, english.language) == ("English", "English")
    assert thai.unknown_tokens is not None
    assert thai.unknown_tokens > 0.3
    assert english.unknown_tokens == 0


async def test_pieces_of_the_local_model_fit_it() -> None:
    pytest.importorskip("onnxruntime", reason="needs the extra local")
    text = " ".join(f"unbelievable sentence number {i}, is it not?" for i in range(200))
    async with EmbedderFactory(Config()) as factory:
        embedder = await factory.new_embedder("local")
        (size,) = embedder.measure([text])
        assert size.tokens > 1000
        assert [start for start, _ in size.pieces] == [0, *(end for _, end in size.pieces[:-1])]
        pieces = [text[start:end] for start, end in size.pieces]
        assert "".join(pieces) == text
        assert not any(text[start - 1].isalpha() and text[start].isalpha() for start, _ in size.pieces[1:])
        sizes = embedder.measure(pieces)
        assert max(each.tokens for each in sizes) <= 256
        assert min(each.tokens for each in sizes[:-1]) > 200
        usage = (await embedder.embed(pieces)).usage
        assert usage.tokens == sum(each.tokens for each in sizes)


@pytest.mark.parametrize("text", ["x" * 5000, "二" * 2000, "🙂" * 999, "a\u0301" * 999, "ความรู้" * 500])
async def test_pieces_cover_texts_without_words(text: str) -> None:
    pytest.importorskip("onnxruntime", reason="needs the extra local")
    async with EmbedderFactory(Config()) as factory:
        embedder = await factory.new_embedder("local")
        (size,) = embedder.measure([text])
        assert "".join(text[start:end] for start, end in size.pieces) == text
        assert all(start < end for start, end in size.pieces)
        if size.tokens > 256:
            assert len(size.pieces) > 1


async def test_pieces_need_a_model_whose_length_is_known() -> None:
    """Else a long text would be one row, with the average of pieces that the provider rejected as a whole."""
    made = Remembers()
    for act in (run(write(), "v.jsonl", model=made, overlong="rows"), plan(write(), model=made, overlong="rows")):
        with pytest.raises(JobInputError, match=r'test:remembers takes is not known, and overlong="rows" needs it'):
            await act
    assert made.asked == []
