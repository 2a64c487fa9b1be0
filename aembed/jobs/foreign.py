"""Files that hold no rows of text, recognised by their first bytes."""

from __future__ import annotations

import codecs

HEAD_BYTES = 4096

MAGIC: tuple[tuple[bytes, int, str, str], ...] = (
    (b"PK\x03\x04", 0, "a ZIP archive or an Office document (.xlsx, .docx)", "Save the sheet as CSV, or unzip it."),
    (b"\xd0\xcf\x11\xe0", 0, "an old Office document (.xls, .doc)", "Save it as CSV."),
    (b"%PDF-", 0, "a PDF", "Extract its text, as with pdftotext."),
    (b"1AY&SY", 4, "compressed by bzip2", "Decompress it: bzip2 -dc FILE | aembed embed -"),
    (b"\xfd7zXZ\x00", 0, "compressed by xz", "Decompress it: xz -dc FILE | aembed embed -"),
    (b"7z\xbc\xaf\x27\x1c", 0, "a 7z archive", "Extract it."),
    (b"Rar!\x1a\x07", 0, "a RAR archive", "Extract it."),
    (b"\x1f\x8b", 0, "compressed by gzip", "Decompress it: gzip -dc FILE | aembed embed -"),
    (b"ustar", 257, "a tar archive", "Extract it."),
    (b"\x28\xb5\x2f\xfd", 0, "compressed by Zstandard", "Decompress it: zstd -dc FILE | aembed embed -"),
    (b"PAR1", 0, "Parquet", 'Read it with input_format="parquet".'),
    (b"ARROW1\x00", 0, "an Arrow or Feather file", "Write it as Parquet."),
    (b"Obj\x01", 0, "an Avro file", "Write it as Parquet."),
    (b"\x89HDF", 0, "an HDF5 file", "Write its texts as JSONL or Parquet."),
    (b"SQLite format 3\x00", 0, "an SQLite database", "Export the table as CSV."),
    (b"\x93NUMPY", 0, "a numpy file", "Give a file of texts."),
    (b"\x7fELF", 0, "a program", "Give a text file."),
    (b"\x89PNG", 0, "a PNG image", "Give a text file."),
    (b"\xff\xd8\xff", 0, "a JPEG image", "Give a text file."),
)
WIDE = (
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)


def foreign(head: bytes) -> tuple[str, str]:
    """Kind and remedy of a file that begins with ``head``; empty for text."""
    for mark, encoding in WIDE:
        if head.startswith(mark):
            return _wide(encoding)
    for magic, offset, kind, remedy in MAGIC:
        if head[offset:].startswith(magic):
            return kind, remedy
    for first, encoding in ((1, "utf-16-le"), (0, "utf-16-be")):
        zeros, others = head[first::2], head[1 - first :: 2]
        if len(zeros) > 1 and zeros.count(0) > len(zeros) * 0.7 and others.count(0) < len(others) * 0.1:
            return _wide(encoding)
    return "", ""


def _wide(encoding: str) -> tuple[str, str]:
    return f"{encoding.upper()}", f'Read it with encoding="{encoding}".'
