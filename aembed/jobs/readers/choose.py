"""Which columns hold text and id, where the file says beforehand what columns there are."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from aembed.jobs.errors import JobInputError
from aembed.jobs.rows import Columns


def choose_columns(name: str, there: Sequence[str], text_column: str | None, id_column: str | None) -> Columns:
    """Without a word from the user: ``text``, and ``id`` if there is one.

    Raises:
        JobInputError: there is no such column, or two of one name.
    """
    twice = [column for column, times in Counter(there).items() if times > 1]
    if twice:
        raise JobInputError(f"{name} has two columns {twice[0]!r}; rename one of them")
    text = "text" if text_column is None else text_column
    for wanted, option in ((text, "text_column"), (id_column, "id_column")):
        if wanted is not None and wanted not in there:
            columns = ", ".join(map(repr, there)) or "none"
            raise JobInputError(f"{name} has no column {wanted!r}; it has {columns}: name one with {option}")
    if id_column is None and "id" in there:
        id_column = "id"
    return Columns(text, id_column, tuple(there))
