"""A server may repeat the request; aembed's messages do not."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aembed._wire.redact import MAX_MESSAGE_CHARS, redact

KEY = "sk-made-up-0123456789"
TEXT = "The quick brown fox jumps over the lazy dog, and nobody is told of it."


def test_words_of_the_server_stay() -> None:
    words = "This model's maximum context length is 8192 tokens"
    assert redact(words, [TEXT], [KEY]) == words


def test_keys_and_texts_go() -> None:
    assert redact(f"no such key: {KEY}!", [], [KEY]) == "no such key: [...]!"
    assert redact("no such key: sk-made-****6789.", [], [KEY]) == "no such key: [...]"
    assert redact(f"bad text: {TEXT}", [TEXT], []) == "bad text: [...]"


def test_their_pieces_are_removed_with_the_rest_of_the_word() -> None:
    assert redact(f"no such key: {KEY[:10]}", [], [KEY]) == "no such key: [...]"
    cut = redact(f"too long: '{TEXT[5:40]}...' has 9000 tokens", [TEXT], [])
    assert cut.startswith("too lo")
    assert not any(TEXT[i : i + 16] in cut for i in range(len(TEXT) - 15))


def test_line_breaks_hide_nothing() -> None:
    text = "first line\nsecond\tline   third line of a text"
    assert "second" not in redact("bad: first line second line third line", [text], [])


def test_short_texts_go_where_they_are_words() -> None:
    assert redact("'cat' is in no category", ["cat"], []) == "'[...]' is in no category"
    assert redact("a is in all of it", ["a"], []) == "a is in all of it"


def test_it_is_short() -> None:
    assert len(redact("x" * 10_000, [], [])) == MAX_MESSAGE_CHARS


@given(st.text(min_size=40, max_size=400), st.text(max_size=350), st.text(max_size=30), st.integers(0, 30))
def test_no_longer_piece_is_left(text: str, before: str, after: str, start: int) -> None:
    private = " ".join(text.split())
    left = redact(f"{before}{text[start:]}{after}", [text], [])
    server = " ".join(f"{before} {after}".split())
    for i in range(len(private) - 23):
        piece = private[i : i + 24]
        assert piece not in left or piece in server


@given(st.text(alphabet=st.characters(codec="ascii", categories=["L", "N"]), min_size=12, max_size=60), st.text())
def test_no_piece_of_a_key_is_left(key: str, before: str) -> None:
    left = redact(f"{before} {key}", [], [key])
    assert key not in left or key in before


def test_letters_of_either_case_are_the_same() -> None:
    assert KEY.upper() not in redact(f"no such key: {KEY.upper()}", [], [KEY])
    assert "QUICK BROWN" not in redact(f"bad text: {TEXT.upper()}", [TEXT], [])
    assert redact("İx " + KEY.upper(), [], [KEY]) == "İx [...]"  # whose small letter is two characters


def test_a_key_as_a_url_has_it() -> None:
    assert redact("no such key: a%2Fb%3Dc%20d", [], ["a/b=c d"]) == "no such key: [...]"


def test_nothing_controls_a_terminal_or_the_direction_of_writing() -> None:
    said = redact("a\x1b[31mred\x1b]8;;http://x\x07 \x9b2J c1, \u202eidib\u2066 \u200b, a\nline", [], [])
    assert said.isprintable()
    assert said == "a?[31mred?]8;;http://x? ?2J c1, ?idib? ?, a line"


def test_nothing_is_a_command_to_a_ci_service() -> None:
    said = redact("::set-output name=x::y\n::error::z ##[add-path]/tmp std::vector", [], [])
    assert said == ": :set-output name=x::y : :error::z # #[add-path]/tmp std::vector"
    assert redact("no route to [::1]", [], []) == "no route to [::1]"


@pytest.mark.parametrize(
    ("words", "texts", "secrets", "left"),
    [
        # fewer than four letters of a key, or three of a text, may be any word
        ("abc is wrong", [], ["abc"], "abc is wrong"),
        ("abcd is wrong", [], ["abcd"], "[...] is wrong"),
        ("ab is wrong", ["ab"], [], "ab is wrong"),
        ("abc is wrong", ["abc"], [], "[...] is wrong"),
        # a short one is no part of a longer word, a long one is taken out of it
        ("xabcdefg and abcdefg", [], ["abcdefg"], "xabcdefg and [...]"),
        ("xabcdefgh and abcdefgh", [], ["abcdefgh"], "x[...] and [...]"),
        ("xabcdefghijklmno", ["abcdefghijklmno"], [], "xabcdefghijklmno"),
        ("xabcdefghijklmnop", ["abcdefghijklmnop"], [], "x[...]"),
        # of a longer one, eight letters of a key, or sixteen to twenty-three of a text, end the quotation
        ("no 1234567 key", [], ["123456789"], "no 1234567 key"),
        ("no 12345678 key", [], ["123456789"], "no [...]"),
        ("no 23456789 key", [], ["123456789"], "no [...]"),
        ("12345678", [], ["123456789"], "[...]"),
        ("abcdefghijklmnop!", ["abcdefghijklmnopq"], [], "[...]"),
        ("12abcdefghijklmnopqrstuvw!", ["abcdefghijklmnopqrstuvwxyz"], [], "1[...]"),
        ("abcdefghijklmno!", ["abcdefghijklmnopq"], [], "abcdefghijklmno!"),
        ("no 1234567", [], ["123456789"], "no 1234567"),
        ("abcdefghijklmno", ["abcdefghijklmnopq"], [], "abcdefghijklmno"),
        ("two  blanks", ["two\tblanks, and more of it"], [], "two blanks"),
        ("a** b*** c", [], [], "a** [...] c"),
    ],
)
def test_how_much_of_it_counts(words: str, texts: list[str], secrets: list[str], left: str) -> None:
    assert redact(words, texts, secrets) == left


def test_a_piece_that_begins_at_the_end_of_the_quotation() -> None:
    """The quotation ends there, but not the search."""
    before = "x" * (MAX_MESSAGE_CHARS - 7) + " "
    assert redact(before + KEY, [], [KEY]) == f"{before}[...]"
    assert redact("x" * MAX_MESSAGE_CHARS + KEY, [], [KEY]) == "x" * MAX_MESSAGE_CHARS
    assert redact("word " * 100, [], [], 10) == "word word "


def test_blanks_at_the_beginning_do_not_hide_the_words() -> None:
    assert redact(" " * 2000 + "word", [], []) == "word"
    assert redact(" " * 3000 + "word", [], []) == ""
