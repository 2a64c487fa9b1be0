"""Which columns hold text and id, where the file says beforehand what columns there are."""

from __future__ import annotations

from collections.abc import Sequence

from aembed.jobs.errors import JobInputError
from aembed.jobs.rows import Columns


def choose_columns(name: str, there: Sequence[str], text_column: str | None, id_column: str | None) -> Columns:
    """The text stands in ``text`` unless ``text_column`` names another column.

    Raises:
        JobInputError: there is no such column, or two of that name.
    """
    text = "text" if text_column is None else text_column
    for wanted, option in ((text, "text_column"), (id_column, "id_column")):
        if wanted is not None and wanted not in there:
            columns = ", ".join(map(repr, there)) or "none"
            raise JobInputError(f"{name} has no column {wanted!r}; it has {columns}: name one with {option}")
        if wanted is not None and there.count(wanted) > 1:
            raise JobInputError(f"{name} has two columns {wanted!r}; rename one of them")
    return Columns(text, id_column, tuple(unique_names(there)))


def unique_names(names: Sequence[str]) -> list[str]:
    """The names of columns, where a repeated one gets its position: ``a``, ``a_2``."""
    if len(set(names)) == len(names):
        return list(names)
    found: list[str] = []
    for position, name in enumerate(names, 1):
        unique = name
        while unique in found or (unique != name and unique in names):
            unique = f"{unique}_{position}"
        found.append(unique)
    return found
