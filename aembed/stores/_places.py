"""Key -> row in the SQLite file of a cache.

Keys are random, so that a few thousand new ones change nearly every page of a large index, and each page is written
again. New keys therefore go into a small index, and from there into the large one when they are many:
the bytes written for a row hardly grow with the file.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Sequence
from typing import TypeAlias

from xxhash import xxh3_64_intdigest

RowPlace: TypeAlias = tuple[int, int]
"""The digest of a key, and the id of its row."""

MAX_RECENT_KEYS = 2**16
"""Keys in the small index, about, when they go into the large one: a mebibyte or two."""


def digest(key: bytes) -> int:
    """64 bits of a key, signed as SQLite has them. A reader compares the whole key with that of the row."""
    return xxh3_64_intdigest(key) - 2**63


def rows_at(count: int) -> str:
    """SQL for the rows of so many digests, each with its digest; of a key written again also the older row.

    It takes the digests twice, once for each index.
    """
    marks = ", ".join("?" * count)
    return f"""SELECT digest, vectors.* FROM (
            SELECT digest, id FROM places WHERE digest IN ({marks})
            UNION ALL SELECT digest, id FROM recent_places WHERE digest IN ({marks})
        ) JOIN vectors USING (id)"""  # noqa: S608


def add_places(db: sqlite3.Connection, places: Sequence[RowPlace]) -> None:
    """Note where new rows are, and delete older rows of the same keys: now, or when they leave the small index."""
    made = db.executemany("INSERT OR IGNORE INTO recent_places VALUES (?, ?)", places)
    if made.rowcount == len(places):
        return
    db.executemany("DELETE FROM vectors WHERE id = (SELECT id FROM recent_places WHERE digest = ? AND id <> ?)", places)
    db.executemany("INSERT OR REPLACE INTO recent_places VALUES (?, ?)", places)


def settle_places(db: sqlite3.Connection) -> None:
    """Move the recent keys into the large index, in its order, if they are many."""
    if db.execute("SELECT count(*) FROM recent_places").fetchone()[0] < MAX_RECENT_KEYS:
        return
    db.execute(
        """DELETE FROM vectors WHERE id IN (
            SELECT places.id FROM recent_places AS recent CROSS JOIN places USING (digest) WHERE places.id <> recent.id
        )"""
    )
    db.execute("INSERT OR REPLACE INTO places SELECT digest, id FROM recent_places ORDER BY digest")
    db.execute("DELETE FROM recent_places")


def remove_rows(db: sqlite3.Connection, places: Iterable[RowPlace]) -> None:
    """Delete rows, and their keys."""
    ordered = sorted(places)
    for table in ("places", "recent_places"):
        db.executemany(f"DELETE FROM {table} WHERE digest = ? AND id = ?", ordered)  # noqa: S608
    db.executemany("DELETE FROM vectors WHERE id = ?", [(number,) for _, number in ordered])
