"""From texts to token ids, cut or split where a text is longer than the model takes."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from aembed._errors import ConfigError, TextTooLongError
from aembed._types import TextSize
from aembed.providers._extra import load_package

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from aembed._types import Overlong

TokenIds = NDArray[np.int64]

CHARACTERS_PER_TOKEN = 8
"""Characters per token, more than most texts have: a beginning of so many per token of the limit is mostly too long
already."""
UNSETTLED_CHARACTERS = 128
"""Tokens at the end of a beginning that the whole text may split otherwise: WordPiece takes words of 100 characters."""

UNKNOWN = ("[UNK]", "<unk>", "<UNK>")
"""Usual names of the token for words that a vocabulary lacks."""


@dataclass(frozen=True, slots=True)
class Tokens:
    """The pieces of a batch: one a text, unless long texts were split.

    Piece ``p`` has the token ids ``ids[p]`` (special tokens included) and belongs to text ``owners[p]``.
    """

    ids: Sequence[TokenIds]
    owners: Sequence[int]
    truncated: Sequence[int] = ()


class TextTokenizer:
    """A tokenizer with the model's limit and the rule for what lies beyond it. Safe to use from several threads."""

    def __init__(
        self, tokenizer: Any, *, max_tokens: int | None, overlong: Overlong, special_tokens: bool = True
    ) -> None:
        padding = tokenizer.padding
        self.pad_id = int(padding["pad_id"]) if padding else _pad_id(tokenizer)
        tokenizer.no_padding()
        tokenizer.no_truncation()
        self._tokenizer = tokenizer
        self._max_tokens = max_tokens
        self._overlong: Overlong = overlong
        self._special = special_tokens
        self._unknown = next((n for name in UNKNOWN if (n := tokenizer.token_to_id(name)) is not None), None)

    def encode(self, texts: Sequence[str], *, prompt: str = "") -> Tokens:
        """Token ids of every text, or :class:`TextTooLongError` for the first one that is too long."""
        limit = self._max_tokens
        if prompt:
            texts = [prompt + text for text in texts]
        if limit is None:
            return Tokens(self._ids(texts), range(len(texts)))
        heads = texts if self._overlong == "split" else [self._beginning(text, limit) for text in texts]
        ids = self._ids(heads)
        too_long = [index for index, row in enumerate(ids) if len(row) > limit]
        if not too_long:
            return Tokens(ids, range(len(ids)))
        if self._overlong == "error":
            first = too_long[0]
            whole = len(heads[first]) == len(texts[first])
            raise TextTooLongError(
                f"a text has {len(ids[first]) if whole else f'more than {limit}'} tokens and the model takes {limit}: "
                'shorten it, or set overlong="truncate" (keep the head) or overlong="split" (average the pieces)',
                index=first,
            )
        return self._shorten(heads, ids, too_long, limit)

    def measure(self, texts: Sequence[str], limit: int | None, *, prompt: str = "") -> list[TextSize]:
        """The length of every text, and its pieces of at most ``limit`` tokens, cut between words."""
        around = self._tokenizer.num_special_tokens_to_add(False) if self._special else 0
        if prompt:
            around += len(self._tokenizer.encode(prompt, add_special_tokens=False).ids)
        room = None if limit is None else max(1, limit - around)
        encodings = self._tokenizer.encode_batch(list(texts), add_special_tokens=False)  # the fast one has no offsets
        return [
            TextSize(len(each.ids) + around, each.ids.count(self._unknown), _pieces(text, each, room))
            for text, each in zip(texts, encodings, strict=True)
        ]

    def encode_whole(self, texts: Sequence[str]) -> list[TokenIds]:
        """Token ids of every text, however long."""
        return self._ids(texts)

    def _ids(self, texts: Sequence[str]) -> list[TokenIds]:
        if len(texts) == 1:
            encodings = [self._tokenizer.encode(texts[0], add_special_tokens=self._special)]
        else:
            encodings = self._tokenizer.encode_batch_fast(list(texts), add_special_tokens=self._special)
        return [np.asarray(encoding.ids, dtype=np.int64) for encoding in encodings]

    def _beginning(self, text: str, limit: int) -> str:
        """A beginning of the text whose first ``limit`` tokens are the text's own, and not its last; or all of it.

        A megabyte takes a second, and a text that is truncated or rejected need not be read to its end.
        """
        size = (limit + UNSETTLED_CHARACTERS) * CHARACTERS_PER_TOKEN
        while size < len(text):
            blank = max(text.rfind(" ", size // 2, size), text.rfind("\n", size // 2, size))
            head = text[: size if blank < 0 else blank]
            if len(self._tokenizer.encode(head, add_special_tokens=self._special).ids) > limit + UNSETTLED_CHARACTERS:
                return head
            size *= 4
        return text

    def _shorten(self, texts: Sequence[str], ids: list[TokenIds], too_long: list[int], limit: int) -> Tokens:
        pieces = {index: self._pieces(texts[index], limit) for index in too_long}
        if self._overlong == "truncate":
            for index, own in pieces.items():
                ids[index] = own[0]
            return Tokens(ids, range(len(ids)), too_long)
        owned = [(piece, index) for index, row in enumerate(ids) for piece in pieces.get(index, [row])]
        return Tokens([piece for piece, _ in owned], [index for _, index in owned])

    def _pieces(self, text: str, limit: int) -> list[TokenIds]:
        """The text in pieces that fit, each with the special tokens around it."""
        room = limit - (self._tokenizer.num_special_tokens_to_add(False) if self._special else 0)
        encoding = self._tokenizer.encode(text, add_special_tokens=False)
        encoding.truncate(room)
        bare = [encoding, *encoding.overflowing]
        whole = (self._tokenizer.post_process(piece, add_special_tokens=self._special) for piece in bare)
        return [np.asarray(piece.ids, dtype=np.int64) for piece in whole]


def _pieces(text: str, encoding: Any, room: int | None) -> list[tuple[int, int]]:
    count = len(encoding.ids)
    if room is None or count <= room:
        return [(0, len(text))]
    offsets, words = encoding.offsets, encoding.word_ids
    spans: list[tuple[int, int]] = []
    first = start = 0
    while count - first > room:
        last = first + room
        while last > first + (room + 1) // 2 and words[last] is not None and words[last] == words[last - 1]:
            last -= 1  # not within a word
        stop = max(offsets[last][0], start + 1)
        if stop >= len(text):
            break  # the last character alone has more tokens than fit
        spans.append((start, stop))
        first, start = last, stop
    return [*spans, (start, len(text))]


def load_tokenizer(path: Path, *, extra: str = "local") -> Any:
    """A ``tokenizers.Tokenizer`` from ``tokenizer.json``, or from an uncased BERT vocabulary, one entry a line."""
    tokenizers = load_package("tokenizers", extra=extra)
    if path.suffix == ".txt":
        return _bert_uncased(tokenizers, path)
    try:
        # `from_file` reports everything as a bare Exception: find out first whether the file can be read as JSON.
        text = path.read_text(encoding="utf-8")
        json.loads(text)
    except ValueError as error:
        raise ConfigError(f"{path} is not a tokenizer: {error}") from error
    return tokenizers.Tokenizer.from_str(text)


def _bert_uncased(tokenizers: Any, vocabulary: Path) -> Any:
    """The tokenizer of uncased BERT and its descendants, part by part as ``tokenizer.json`` would spell it."""
    entries = vocabulary.read_text(encoding="utf-8").rstrip("\n").split("\n")
    vocab = {entry: number for number, entry in enumerate(entries)}
    tokenizer = tokenizers.Tokenizer(tokenizers.models.WordPiece(vocab, unk_token="[UNK]"))  # noqa: S106
    tokenizer.add_special_tokens(["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"])
    tokenizer.normalizer = tokenizers.normalizers.BertNormalizer(lowercase=True)
    tokenizer.pre_tokenizer = tokenizers.pre_tokenizers.BertPreTokenizer()
    tokenizer.post_processor = tokenizers.processors.TemplateProcessing(
        single="[CLS] $A [SEP]", special_tokens=[(name, vocab[name]) for name in ("[CLS]", "[SEP]")]
    )
    return tokenizer


def _pad_id(tokenizer: Any) -> int:
    known = (tokenizer.token_to_id(name) for name in ("[PAD]", "<pad>", "<|endoftext|>"))
    return next((int(number) for number in known if number is not None), 0)
