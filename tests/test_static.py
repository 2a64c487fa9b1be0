"""Static tables: the vectors of the libraries that trained them, without those libraries."""

from __future__ import annotations

import json
import logging
import sys
import threading
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from tokenizers import Tokenizer, models, pre_tokenizers

from aembed import BadTextError, ClosedError, ConfigError, MissingExtraError, Source, TextTooLongError
from aembed.providers import static
from tests.test_local import PAIRS

TEXTS = ["hello world", "The cat sat on the mat, and so on.", "\u65e5\u672c\u8a9e \U0001f600", "a", "tab\tand\nnewline"]
WORDS = ("[PAD]", "[UNK]", "red", "green", "blue", "dark", "light")


async def open_directory(directory: Path, **settings: Any) -> static.StaticProvider:
    return await static.open_provider(Source(provider="static", model=str(directory), **settings))


def save_model2vec(directory: Path, *, quantised: bool = False, unigram: bool = False, **config: Any) -> Any:
    """A tiny model as model2vec itself saves it."""
    model2vec = pytest.importorskip("model2vec")
    vocabulary = [(word, 0.0) for word in WORDS]
    model: Any = models.Unigram(vocabulary, unk_id=1) if unigram else None
    tokenizer = Tokenizer(model or models.WordLevel({word: i for i, word in enumerate(WORDS)}, unk_token="[UNK]"))
    tokenizer.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    rng = np.random.default_rng(3)
    rows = 3 if quantised else len(WORDS)
    saved = model2vec.StaticModel(
        rng.normal(size=(rows, 8)).astype(np.float32),
        tokenizer,
        token_mapping=np.array([0, 0, 1, 2, 1, 2, 0]) if quantised else None,
        weights=rng.random(len(WORDS)).astype(np.float32) if quantised else None,
        **config,
    )
    saved.save_pretrained(directory)
    return saved


async def test_wordllama_vectors_without_wordllama(monkeypatch: pytest.MonkeyPatch) -> None:
    level = logging.getLogger().level
    wordllama = pytest.importorskip("wordllama")
    logging.getLogger().setLevel(level)
    here = Path(wordllama.__file__).parent
    expected = wordllama.WordLlama.load(cache_dir=here, disable_download=True).embed(TEXTS, norm=True)
    for name in [name for name in sys.modules if name.split(".")[0] == "wordllama"]:
        monkeypatch.delitem(sys.modules, name)
    provider = await static.open_provider(Source(provider="static"))
    reply = await provider.embed(TEXTS, kind="document")
    np.testing.assert_allclose(reply.vectors, expected, atol=1e-6)
    assert provider.spec.dim == 256
    assert "wordllama" not in sys.modules


async def test_nearly_every_query_finds_its_document() -> None:
    provider = await static.open_provider(Source(provider="static"))
    queries = await provider.embed([query for query, _ in PAIRS], kind="query")
    documents = await provider.embed([document for _, document in PAIRS], kind="document")
    found = (queries.vectors @ documents.vectors.T).argmax(axis=1) == np.arange(len(PAIRS))
    assert found.sum() >= 17


@pytest.mark.parametrize("normalize", [False, True])
@pytest.mark.parametrize("quantised", [False, True])
@pytest.mark.parametrize("unigram", [False, True])
async def test_model2vec_vectors_without_model2vec(
    tmp_path: Path, *, normalize: bool, quantised: bool, unigram: bool
) -> None:
    saved = save_model2vec(tmp_path, quantised=quantised, unigram=unigram, normalize=normalize)
    texts = ["red", "dark red unheard of blue", "light green dark", "blue blue"]
    reply = await (await open_directory(tmp_path)).embed(texts, kind="document")
    np.testing.assert_allclose(reply.vectors, saved.encode(texts), rtol=1e-5)
    assert reply.vectors.dtype == np.float32
    assert reply.vectors.flags.c_contiguous


async def test_the_option_overrules_the_directory(tmp_path: Path) -> None:
    save_model2vec(tmp_path, normalize=False)
    provider = await open_directory(tmp_path, options={"normalize": True})
    reply = await provider.embed(["red green"], kind="query")
    np.testing.assert_allclose(np.linalg.norm(reply.vectors), 1, rtol=1e-6)


@pytest.mark.parametrize("texts", [["red", "unheard of"], ["red " * 100, "unheard " * 100]])
async def test_a_text_without_a_known_token_is_rejected_by_position(tmp_path: Path, texts: list[str]) -> None:
    save_model2vec(tmp_path)
    with pytest.raises(BadTextError, match="none of the text's tokens") as caught:
        await (await open_directory(tmp_path)).embed(texts, kind="document")
    assert caught.value.index == 1
    assert "unheard" not in str(caught.value)


async def test_tokens_counts_the_known_ones(tmp_path: Path) -> None:
    save_model2vec(tmp_path)
    reply = await (await open_directory(tmp_path)).embed(["red unheard green", "blue"], kind="document")
    assert reply.tokens == 3


LONG = "red green blue dark light"


async def test_overlong_in_its_three_forms(tmp_path: Path) -> None:
    saved = save_model2vec(tmp_path, max_length=3)
    rejecting = await open_directory(tmp_path)
    assert rejecting.spec.max_text_tokens == 3
    with pytest.raises(TextTooLongError, match="5 tokens and the model takes 3") as caught:
        await rejecting.embed(["red", LONG], kind="document")
    assert caught.value.index == 1
    cut = await (await open_directory(tmp_path, overlong="truncate")).embed(["red", LONG], kind="document")
    np.testing.assert_allclose(cut.vectors, saved.encode(["red", "red green blue"]), rtol=1e-5)
    assert list(cut.truncated) == [1]
    whole = await (await open_directory(tmp_path, overlong="split")).embed(["red", LONG], kind="document")
    np.testing.assert_allclose(whole.vectors, saved.encode(["red", LONG], max_length=None), rtol=1e-5)


async def test_a_short_text_runs_here_and_everything_else_in_a_thread(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    threads: list[int] = []
    embed = static.StaticProvider._embed

    def noting(*arguments: Any) -> Any:
        threads.append(threading.get_ident())
        return embed(*arguments)

    monkeypatch.setattr(static.StaticProvider, "_embed", noting)
    save_model2vec(tmp_path, max_length=None)
    provider = await open_directory(tmp_path)
    await provider.embed(["red"], kind="query")
    await provider.embed(["red", "green"], kind="document")
    await provider.embed(["red " * 200], kind="query")
    here = threading.get_ident()
    assert [thread == here for thread in threads] == [True, False, False]


async def test_a_closed_provider_says_so(tmp_path: Path) -> None:
    save_model2vec(tmp_path)
    provider = await open_directory(tmp_path)
    await provider.aclose()
    await provider.aclose()
    with pytest.raises(ClosedError, match="closed"):
        await provider.embed(["red"], kind="query")


async def test_a_bad_directory_is_named_with_its_missing_parts(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="no model directory at"):
        await open_directory(tmp_path / "nowhere")
    save_model2vec(tmp_path)
    for name in ("config.json", "tokenizer.json", "model.safetensors"):
        (tmp_path / name).rename(tmp_path / "aside")
        with pytest.raises(ConfigError, match=f"has no {name}"):
            await open_directory(tmp_path)
        (tmp_path / "aside").rename(tmp_path / name)
    (tmp_path / "model.safetensors").write_bytes(b"broken")
    with pytest.raises(ConfigError, match=r"cannot read .*model\.safetensors"):
        await open_directory(tmp_path)


async def test_a_table_under_another_name_is_rejected(tmp_path: Path) -> None:
    from safetensors.numpy import save_file

    save_model2vec(tmp_path)
    save_file({"vectors": np.zeros((7, 8), dtype=np.float32)}, tmp_path / "model.safetensors")
    with pytest.raises(ConfigError, match=r"no tensor named embeddings or embedding\.weight"):
        await open_directory(tmp_path)


async def test_settings_that_mean_nothing_here_are_rejected(tmp_path: Path) -> None:
    save_model2vec(tmp_path)
    with pytest.raises(ConfigError, match="takes no base_url"):
        await open_directory(tmp_path, base_url="http://localhost")
    with pytest.raises(ConfigError, match="did you mean 'normalize'"):
        await open_directory(tmp_path, options={"normalise": True})
    with pytest.raises(ConfigError, match=r"normalize: .*boolean"):
        await open_directory(tmp_path, options={"normalize": "perhaps"})
    with pytest.raises(ConfigError, match="answers 8 and cannot be shortened"):
        await open_directory(tmp_path, dimensions=4)
    assert json.loads((tmp_path / "config.json").read_text())["normalize"] is False


async def test_a_missing_package_comes_with_the_command(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "safetensors", None)
    with pytest.raises(MissingExtraError, match=r'pip install "aembed\[static\]"'):
        await static.open_provider(Source(provider="static"))


async def test_a_changed_directory_is_another_revision(tmp_path: Path) -> None:
    revisions: list[str | None] = []
    for normalize in (False, True):
        save_model2vec(tmp_path, normalize=normalize)
        provider = await open_directory(tmp_path)
        await provider.aclose()
        revisions.append(provider.spec.revision)
    assert None not in revisions
    assert revisions[0] != revisions[1]
