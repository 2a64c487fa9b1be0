"""Requests out of bytes: the largest that are taken, what lies just beyond, and whether the connection stays."""

from __future__ import annotations

import pytest

from aembed.testing.server.parse import MAX_HEAD_BYTES, Malformed, Parser, Request

CHUNKED = b"POST / HTTP/1.1\r\ntransfer-encoding: chunked\r\n\r\n"


def parsed(*pieces: bytes, most: int = 1000) -> list[Request | None]:
    """What there is after each piece."""
    parser, found = Parser(most), list[Request | None]()
    for piece in pieces:
        parser.feed(piece)
        found.append(parser.next())
    return found


def body(*pieces: bytes, most: int = 1000) -> bytes:
    *before, last = parsed(*pieces, most=most)
    assert before == [None] * len(before)
    assert last is not None
    return last.body


def rejected(*pieces: bytes, most: int = 1000) -> tuple[int, str]:
    with pytest.raises(Malformed) as caught:
        parsed(*pieces, most=most)
    return caught.value.status, str(caught.value)


def test_blank_lines_may_come_before_a_request() -> None:
    (found,) = parsed(b"\r\n\r\n\r\nGET /a HTTP/1.1\r\n\r\n")
    assert found is not None
    assert (found.head.method, found.head.path, found.body) == ("GET", "/a", b"")


@pytest.mark.parametrize(
    ("target", "path", "query"),
    [("/a", "/a", ""), ("/a?", "/a", ""), ("/a?b=c", "/a", "b=c"), ("/a?b?c", "/a", "b?c"), ("*", "*", "")],
)
def test_a_target_has_a_path_and_a_query(target: str, path: str, query: str) -> None:
    (found,) = parsed(f"GET {target} HTTP/1.1\r\n\r\n".encode())
    assert found is not None
    assert (found.head.path, found.head.query) == (path, query)


@pytest.mark.parametrize(
    ("version", "connection", "stays"),
    [
        ("1.1", None, True),
        ("1.1", "close", False),
        ("1.1", "Close", False),
        ("1.1", "keep-alive", True),
        ("1.0", None, False),
        ("1.0", "Keep-Alive", True),
        ("1.0", "close", False),
    ],
)
def test_whether_the_connection_stays(version: str, connection: str | None, stays: bool) -> None:
    header = "" if connection is None else f"Connection:  {connection} \r\n"
    (found,) = parsed(f"GET / HTTP/{version}\r\n{header}\r\n".encode())
    assert found is not None
    assert found.head.keep_alive == stays


def test_a_header_given_twice_is_the_last() -> None:
    (found,) = parsed(b"GET / HTTP/1.1\r\nA: 1\r\na:2\r\nb:\r\n\r\n")
    assert found is not None
    assert found.head.headers == {"a": "2", "b": ""}


@pytest.mark.parametrize(
    ("head", "words"),
    [
        (b"GET /\r\n\r\n", "the first line is not an HTTP/1.1 request"),
        (b"GET / HTTP/1.2\r\n\r\n", "the first line is not an HTTP/1.1 request"),
        (b"GET / a HTTP/1.1\r\n\r\n", "the first line is not an HTTP/1.1 request"),
        (b"GET / HTTP/1.1\r\n: value\r\n\r\n", "a header has no name or no colon"),
        (b"GET / HTTP/1.1\r\n name: value\r\n\r\n", "a header has no name or no colon"),
        (b"GET / HTTP/1.1\r\nname\r\n\r\n", "a header has no name or no colon"),
        (b"GET / HTTP/1.1\r\ncontent-length: 1\r\nContent-Length: 1\r\n\r\n", "content-length is given twice"),
        (CHUNKED[:-2] + b"transfer-encoding: chunked\r\n\r\n", "transfer-encoding is given twice"),
        (b"GET / HTTP/1.1\r\ncontent-length: 1.5\r\n\r\n", "content-length is not a number"),
        (b"GET / HTTP/1.1\r\ncontent-length: \xb2\r\n\r\n", "content-length is not a number"),
        (b"GET / HTTP/1.1\r\ncontent-length:\r\n\r\n", "content-length is not a number"),
        (
            CHUNKED[:-2] + b"content-length: 1\r\n\r\n",
            "transfer-encoding must be chunked, and without content-length",
        ),
    ],
)
def test_heads_that_are_rejected(head: bytes, words: str) -> None:
    assert rejected(head) == (400, words)


def test_a_head_may_have_sixty_four_kibibytes() -> None:
    assert MAX_HEAD_BYTES == 2**16
    start = b"GET / HTTP/1.1\r\nlong: "
    assert parsed(start + b"x" * (MAX_HEAD_BYTES - len(start))) == [None]
    assert rejected(start + b"x" * (MAX_HEAD_BYTES - len(start) + 1)) == (431, "the headers are too long")


# --- bodies


@pytest.mark.parametrize("length", [0, 1, 999, 1000])
def test_a_body_has_its_length(length: int) -> None:
    head = f"POST / HTTP/1.1\r\ncontent-length: {length}\r\n\r\n".encode()
    content = b"y" * length
    assert body(head + content) == content
    if length:
        assert body(head, content[:-1], b"y") == content
    parser = Parser(1000)
    parser.feed(head + content + b"GET")
    assert parser.next() is not None
    assert parser.buffered == 3
    assert parser.waits_for_body is None


def test_the_head_of_a_body_that_is_to_come_is_known() -> None:
    parser = Parser(1000)
    parser.feed(b"POST /a HTTP/1.1\r\ncontent-length: 2\r\n\r\nx")
    assert parser.next() is None
    assert parser.waits_for_body is not None
    assert parser.waits_for_body.path == "/a"


def test_a_body_that_is_too_large_is_not_waited_for() -> None:
    head = b"POST / HTTP/1.1\r\ncontent-length: 1001\r\n\r\n"
    assert rejected(head) == (413, "a body of 1001 bytes is too large; at most 1000")
    chunks = b"3e8\r\n" + b"x" * 1000 + b"\r\n"
    assert len(body(CHUNKED, chunks, b"0\r\n\r\n")) == 1000
    assert rejected(CHUNKED, chunks, b"1\r\n") == (413, "the body is too large; at most 1000 bytes")
    assert rejected(CHUNKED, b"3e9\r\n") == (413, "the body is too large; at most 1000 bytes")


@pytest.mark.parametrize(
    "pieces",
    [
        [b"3\r\nabc\r\n2\r\nde\r\n0\r\n\r\n"],
        [b"3\r\nabc\r\n2\r\nde\r\n0\r\nTrailer: t\r\nOther: o\r\n\r\n"],
        [b"3\r\nabc\r", b"\n2\r\nde\r\n0\r\n", b"\r\n"],
        [b"3", b"\r\n", b"ab", b"c\r\n2\r\nd", b"e\r\n0", b"\r\nTrailer: t", b"\r\n\r", b"\n"],
        [b"03;name=value\r\nabc\r\n2 \r\nde\r\n000\r\n\r\n"],
        [b"000000000005\r\nabcde\r\n0\r\n\r\n"],
    ],
)
def test_chunks_in_any_pieces(pieces: list[bytes]) -> None:
    assert body(CHUNKED, *pieces) == b"abcde"


def test_what_follows_the_last_chunk_is_the_next_request() -> None:
    for end in (b"0\r\n\r\n", b"0\r\nTrailer: t\r\n\r\n"):
        parser = Parser(1000)
        parser.feed(CHUNKED + b"1\r\na\r\n" + end + CHUNKED + b"1\r\nb\r\n" + end + b"GET")
        first, second = parser.next(), parser.next()
        assert first is not None
        assert second is not None
        assert (first.body, second.body, parser.buffered) == (b"a", b"b", 3)


@pytest.mark.parametrize(
    "chunk",
    [b"\r\n", b";a=b\r\n", b"-1\r\n", b"0x1\r\n", b"1_0\r\n", b"g\r\n", b"0000000000005\r\nabcde\r\n"],
)
def test_sizes_of_chunks_that_are_none(chunk: bytes) -> None:
    assert rejected(CHUNKED, chunk) == (400, "a chunk does not start with its size")


@pytest.mark.parametrize("chunk", [b"2\r\nabc\r\n", b"2\r\nab\n\n", b"1\r\na\rb"])
def test_a_chunk_is_as_long_as_it_says(chunk: bytes) -> None:
    assert rejected(CHUNKED, chunk) == (400, "a chunk is not as long as it says")
