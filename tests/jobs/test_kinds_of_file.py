"""The first bytes of a file show that it is no text; text in any language passes."""

from __future__ import annotations

import pytest

from aembed.jobs.foreign import foreign


@pytest.mark.parametrize(
    ("head", "kind"),
    [
        (b"PK\x03\x04", "a ZIP archive or an Office document (.xlsx, .docx)"),
        (b"\xd0\xcf\x11\xe0", "an old Office document (.xls, .doc)"),
        (b"%PDF-1.7", "a PDF"),
        (b"BZh91AY&SY", "compressed by bzip2"),
        (b"\xfd7zXZ\x00", "compressed by xz"),
        (b"7z\xbc\xaf\x27\x1c", "a 7z archive"),
        (b"Rar!\x1a\x07", "a RAR archive"),
        (b"\x1f\x8b", "compressed by gzip"),
        (b"notes.txt".ljust(257, b"\0") + b"ustar", "a tar archive"),
        (b"\x28\xb5\x2f\xfd", "compressed by Zstandard"),
        (b"PAR1", "Parquet"),
        (b"ARROW1\x00", "an Arrow or Feather file"),
        (b"Obj\x01", "an Avro file"),
        (b"\x89HDF", "an HDF5 file"),
        (b"SQLite format 3\x00", "an SQLite database"),
        (b"\x93NUMPY", "a numpy file"),
        (b"\x7fELF", "a program"),
        (b"\x89PNG", "a PNG image"),
        (b"\xff\xd8\xff", "a JPEG image"),
        (b"\xff\xfea\0", "UTF-16"),
        (b"\xff\xfe\0\0a\0\0\0", "UTF-32"),
        (b"\xfe\xff\0a", "UTF-16"),
        (b"\0\0\xfe\xffa", "UTF-32"),
    ],
)
def test_a_kind_is_told_where_its_mark_is_and_nowhere_else(head: bytes, kind: str) -> None:
    assert foreign(head)[0] == kind
    assert foreign(head + b"and more")[0] == kind
    assert foreign(b"x" + head)[0] != kind


def test_each_kind_has_a_remedy() -> None:
    assert foreign(b"%PDF-") == ("a PDF", "Extract its text, as with pdftotext.")
    assert foreign(b"\xff\xfe\0\0") == ("UTF-32", 'Read it with encoding="utf-32".')


@pytest.mark.parametrize("encoding", ["utf-16-le", "utf-16-be"])
@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("ab", True),
        ("a", False),  # two bytes say nothing
        ("seven-e" + "二" * 3, False),
        ("eight-te" + "二" * 3, True),
        ("二つの言葉", False),
        ("x" * 9 + "\0", False),
        ("x" * 10 + "\0", True),
    ],
)
def test_utf_16_without_a_mark_is_told_by_its_zero_bytes(text: str, told: bool, encoding: str) -> None:
    """More than seven in ten of the upper bytes are zero, and fewer than one in ten of the lower."""
    assert foreign(text.encode(encoding))[0] == (encoding.upper() if told else "")


@pytest.mark.parametrize("head", [b"", b"a", b"text\n", "café, 二つ".encode(), b"\0" * 100, b"a\0\0b"])
def test_all_else_is_read_as_text(head: bytes) -> None:
    assert foreign(head) == ("", "")
