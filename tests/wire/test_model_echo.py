"""Which model an answer says it is of, and whether that is the one that was asked for."""

from __future__ import annotations

import pytest

from aembed._wire.model_echo import SEARCHED_BYTES, Echo, ModelCheck, echoed_model, is_same

FIELD = b'"model":"m"'


@pytest.mark.parametrize(
    ("body", "echo"),
    [
        (b'{"model":"m"}', Echo("m", FIELD)),
        (b'{"data": [], "model" : "m"}', Echo("m", b'"model" : "m"')),
        (b'{"model":"first","x":1,"model":"second"}', Echo("first", b'"model":"first"')),
        (b'{"model":1,"model":"m"}', Echo("m", FIELD)),
        (b'{"model":"\xff"}', Echo("\N{REPLACEMENT CHARACTER}", b'"model":"\xff"')),
        (b'{"model":"' + b"n" * 200 + b'"}', Echo("n" * 200, b'"model":"' + b"n" * 200 + b'"')),
        (b'{"model":"' + b"n" * 201 + b'"}', None),
        (b'{"model":""}', None),
        (b'{"model":"a\\"b"}', None),
        (b'{"model":null}', None),
        (b'{"models":"m"}', None),
        (b"", None),
    ],
)
def test_the_model_of_an_answer(body: bytes, echo: Echo | None) -> None:
    assert echoed_model(body) == echo


@pytest.mark.parametrize(("before", "after", "is_found"), [(0, 5000, True), (5000, 0, True), (5000, 5000, False)])
def test_it_is_looked_for_at_both_ends(before: int, after: int, is_found: bool) -> None:
    body = b" " * before + FIELD + b" " * after
    assert (echoed_model(body) is not None) is is_found


def test_the_ends_have_a_thousand_bytes() -> None:
    room = SEARCHED_BYTES - len(FIELD)
    far = b" " * 5000
    assert SEARCHED_BYTES == 1000
    assert [echoed_model(b" " * n + FIELD + far) is not None for n in (room, room + 1)] == [True, False]
    assert [echoed_model(far + FIELD + b" " * n) is not None for n in (room, room + 1)] == [True, False]


def test_the_end_goes_before_the_beginning() -> None:
    body = b'{"model":"first",' + b" " * 5000 + b'"model":"last"}'
    assert echoed_model(body) == Echo("last", b'"model":"last"')


def test_each_reply_is_compared_with_the_requested_model() -> None:
    check = ModelCheck("m", ["secret"])
    bodies = [FIELD, b'"model":"n"', b'"model":"n"', b"{}", FIELD, b'"model":"n-secret"']
    assert [check.other_model(body, ()) for body in bodies] == [None, "n", "n", None, None, "n-[...]"]


@pytest.mark.parametrize(
    ("asked", "said", "same"),
    [
        ("m", "m", True),
        ("Ada-002", "ada-002-V2", True),
        ("ada-002-v2", "ada-002", True),
        ("BAAI/bge-m3", "bge-m3", True),
        ("bge-m3", "BAAI/bge-m3", True),
        ("ada-002", "ada-003", False),
        ("my-bge-m3", "bge-m3", False),
        ("bge-m3", "my-bge-m3", False),
    ],
)
def test_names_of_one_model(asked: str, said: str, same: bool) -> None:
    assert is_same(asked, said) is same
