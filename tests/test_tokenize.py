"""From texts to token ids: only the beginning of a long text is read, and its tokens are those of the whole."""

from __future__ import annotations

import itertools
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tokenizers import Tokenizer, decoders, models, normalizers, pre_tokenizers, processors, trainers

from aembed import TextTooLongError
from aembed.providers import _packaged
from aembed.providers._tokenize import TextTokenizer, load_tokenizer

LIMIT = 12
CORPUS = [
    "the quick brown fox jumps over the lazy dog",
    "caf\u00e9 na\u00efve \u65e5\u672c\u8a9e",
    "x = [1, 22, 333];\n\n\ty",
] * 9


def word_pieces() -> Any:
    return load_tokenizer(Path(_packaged.__file__).parent / "data" / "all-MiniLM-L6-v2.vocab.txt")


def byte_pairs() -> Any:
    """GPT-2 and its descendants: a word begins with its blank."""
    made = Tokenizer(models.BPE())
    made.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    made.decoder = decoders.ByteLevel()
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    made.train_from_iterator(
        CORPUS, trainers.BpeTrainer(vocab_size=400, initial_alphabet=alphabet, show_progress=False)
    )
    return made


def unigrams() -> Any:
    """SentencePiece, with special tokens: the likeliest way to part the whole text."""
    made = Tokenizer(models.Unigram())
    made.normalizer = normalizers.Sequence([normalizers.NFKC(), normalizers.Replace(" ", "\u2581")])
    trainer = trainers.UnigramTrainer(
        vocab_size=120, special_tokens=["<s>", "</s>", "<unk>"], unk_token="<unk>", show_progress=False
    )
    made.train_from_iterator(CORPUS, trainer)
    special = [(name, made.token_to_id(name)) for name in ("<s>", "</s>")]
    made.post_processor = processors.TemplateProcessing(single="<s> $A </s>", special_tokens=special)
    return made


KINDS = {"word pieces": word_pieces(), "byte pairs": byte_pairs(), "unigrams": unigrams()}
fragments = st.sampled_from(
    [*CORPUS, " ", "\n", "a", "\u4e16\u754c", "\u0301", "\U0001f600", "Supercalifragilistic", "-", "[SEP]", "\x00"]
) | st.text(max_size=5)
repeated = st.lists(st.tuples(fragments, st.integers(1, 900)), min_size=1, max_size=6)
texts = repeated.map(lambda parts: "".join(fragment * count for fragment, count in parts)[:20_000])


@pytest.mark.parametrize("kind", KINDS)
@given(text=texts)
def test_the_kept_part_of_a_text_is_an_own_object(kind: str, text: str) -> None:
    tokenizer = KINDS[kind]
    cut = TextTokenizer(tokenizer, max_tokens=LIMIT, overlong="truncate").encode([text, "a"])
    whole = tokenizer.encode(text)
    if len(whole.ids) > LIMIT:
        whole = tokenizer.encode(text, add_special_tokens=False)
        whole.truncate(LIMIT - tokenizer.num_special_tokens_to_add(False))
        whole = tokenizer.post_process(whole)
        assert cut.truncated == [0]
    assert cut.ids[0].tolist() == whole.ids


@pytest.mark.parametrize("kind", KINDS)
@given(text=texts)
def test_a_text_is_rejected_if_all_of_it_is_too_long(kind: str, text: str) -> None:
    tokens = len(KINDS[kind].encode(text).ids)
    encode = TextTokenizer(KINDS[kind], max_tokens=LIMIT, overlong="error").encode
    if tokens <= LIMIT:
        assert len(encode([text]).ids[0]) == tokens
        return
    with pytest.raises(TextTooLongError) as caught:
        encode(["a", text])
    assert caught.value.index == 1
    assert f"a text has {tokens} tokens and" in str(caught.value) or f"more than {LIMIT} tokens and" in str(
        caught.value
    )


class Counting:
    """A tokenizer, and how many characters it was given."""

    def __init__(self, tokenizer: Any) -> None:
        self._tokenizer = tokenizer
        self.characters = 0

    def __getattr__(self, name: str) -> Any:
        return getattr(self._tokenizer, name)

    def encode(self, text: str, **options: Any) -> Any:
        self.characters += len(text)
        return self._tokenizer.encode(text, **options)


@pytest.mark.parametrize("text", ["some words of it, " * 60_000, "\u4e16\u754c" * 500_000, "a.b," * 250_000])
def test_a_megabyte_is_not_read_to_its_end(text: str) -> None:
    counting = Counting(KINDS["word pieces"])
    with pytest.raises(TextTooLongError, match=r"more than 256 tokens and the model takes 256: shorten it"):
        TextTokenizer(counting, max_tokens=256, overlong="error").encode([text])
    assert len(TextTokenizer(counting, max_tokens=256, overlong="truncate").encode([text]).ids[0]) == 256
    assert counting.characters < 20_000


def test_a_text_of_blanks_with_a_word_at_its_end_fits() -> None:
    text = " " * 100_000 + "word"
    assert len(TextTokenizer(KINDS["word pieces"], max_tokens=256, overlong="error").encode([text]).ids[0]) == 3


def measured(kind: str, text: str, limit: int | None, **options: Any) -> Any:
    (size,) = TextTokenizer(KINDS[kind], max_tokens=None, overlong="error").measure([text], limit, **options)
    return size


@pytest.mark.parametrize("kind", KINDS)
@given(text=texts, limit=st.integers(1, 40))
def test_pieces_of_a_measured_text_cover_it_in_order(kind: str, text: str, limit: int) -> None:
    size = measured(kind, text, limit)
    assert size.tokens == len(KINDS[kind].encode(text).ids)
    assert (size.pieces[0][0], size.pieces[-1][1]) == (0, len(text))
    assert all(one[1] == other[0] for one, other in itertools.pairwise(size.pieces))
    assert all(start < stop for start, stop in size.pieces) or not text
    assert (len(size.pieces) == 1) >= (size.tokens <= limit)
    assert measured(kind, text, None).pieces == [(0, len(text))]


@pytest.mark.parametrize("kind", ["word pieces", "byte pairs"])
@pytest.mark.parametrize("word", ["fox", "Supercalifragilistic", "caf\u00e9s"])
def test_a_piece_holds_as_many_whole_words_as_fit(kind: str, word: str) -> None:
    text = f" {word}" * 7
    around = KINDS[kind].num_special_tokens_to_add(False)
    each = (measured(kind, text, None).tokens - around) // 7
    for words, spare in ((2, 0), (2, each - 1), (3, 0), (7, 0)):
        pieces = measured(kind, text, words * each + spare + around).pieces
        held = [text[start:stop].split() for start, stop in pieces]
        assert held == [[word] * words] * (7 // words) + [[word]] * (7 % words > 0)


def test_a_word_longer_than_half_a_piece_is_cut() -> None:
    text = "a " + "supercalifragilistic" * 4
    pieces = measured("word pieces", text, 12).pieces
    tokens = [len(KINDS["word pieces"].encode(text[start:stop]).ids) for start, stop in pieces]
    assert max(tokens) <= 12 + 1, "a word that is cut in two may have one token more"
    assert min(tokens[:-1]) > 12 // 2


def test_special_tokens_prompts_and_unknown_words_are_counted() -> None:
    assert measured("word pieces", "the fox", None).tokens == 4
    assert measured("word pieces", "the fox", None, prompt="query: ").tokens == 6
    assert [measured("word pieces", text, None).unknown for text in ("the fox", "\U0001f600 fox \U0001f600")] == [0, 2]
    assert [len(measured("word pieces", "the fox", limit).pieces) for limit in (4, 3, 1)] == [1, 2, 2]
    assert [len(measured("word pieces", "the fox", limit, prompt="query: ").pieces) for limit in (6, 5)] == [1, 2]


def test_without_special_tokens_none_are_counted() -> None:
    assert measured("byte pairs", "fox", None).tokens == len(KINDS["byte pairs"].encode("fox").ids)


def of_words(*words: str, unknown: str = "[NO]") -> Any:
    made = Tokenizer(models.WordLevel({word: number for number, word in enumerate(words)}, unk_token=unknown))
    made.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    return made


@pytest.mark.parametrize(
    ("words", "pad_id"),
    [
        (("red", "[PAD]"), 1),
        (("red", "<pad>", "[PAD]"), 2),
        (("red", "<|endoftext|>", "<pad>"), 2),
        (("red", "<|endoftext|>"), 1),
        (("red", "green"), 0),
    ],
)
def test_the_token_that_fills_up_a_row(words: tuple[str, ...], pad_id: int) -> None:
    assert TextTokenizer(of_words(*words), max_tokens=None, overlong="error").pad_id == pad_id


def test_a_file_that_pads_and_cuts_by_itself_does_neither() -> None:
    """Padding is the encoder's, and nothing is cut silently."""
    filed = of_words("red", "green", "[PAD]")
    filed.enable_padding(length=9, pad_id=7, pad_token="green")
    filed.enable_truncation(2)
    texts = TextTokenizer(filed, max_tokens=None, overlong="error")
    assert texts.pad_id == 7
    assert [ids.tolist() for ids in texts.encode(["red green red", "red"]).ids] == [[0, 1, 0], [0]]
    assert texts.encode(["red green red"]).ids[0].tolist() == [0, 1, 0]


@pytest.mark.parametrize(
    ("words", "unknown"), [(("[UNK]", "red"), 2), (("<unk>", "red"), 2), (("<UNK>", "red"), 2), (("[NO]", "red"), 0)]
)
def test_words_outside_of_the_vocabulary_are_counted_by_the_usual_names(words: tuple[str, ...], unknown: int) -> None:
    texts = TextTokenizer(of_words(*words, unknown=words[0]), max_tokens=None, overlong="error")
    (size,) = texts.measure(["red blue pink"], None)
    assert (size.tokens, size.unknown) == (3, unknown)


@pytest.mark.parametrize(("limit", "pieces"), [(None, 1), (3, 1), (2, 2), (1, 3)])
def test_a_text_at_the_limit_is_whole(limit: int | None, pieces: int) -> None:
    texts = TextTokenizer(of_words("red"), max_tokens=limit, overlong="split")
    encoded = texts.encode(["red", "red red red"])
    assert (len(encoded.ids), list(encoded.owners)) == (1 + pieces, [0] + [1] * pieces)
    assert sum(map(len, encoded.ids)) == 4


@pytest.mark.parametrize(("words", "is_cut"), [(3, False), (4, True)])
def test_only_a_text_beyond_the_limit_is_cut(words: int, is_cut: bool) -> None:
    cut = TextTokenizer(of_words("red"), max_tokens=3, overlong="truncate").encode(["red " * words, "red"])
    assert [len(ids) for ids in cut.ids] == [3, 1]
    assert list(cut.truncated) == ([0] if is_cut else [])
