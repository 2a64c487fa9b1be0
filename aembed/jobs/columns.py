"""Which columns hold text and id."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from aembed.jobs.errors import JobInputError
from aembed.jobs.reading import Reading
from aembed.jobs.template import Template


@dataclass(frozen=True, slots=True)
class Columns:
    """Columns of text and id. Without an id column a row's number is its id."""

    text: str = "text"
    id: str | None = None
    names: tuple[str, ...] = ()
    """All columns, where the file names them at its beginning."""
    template: Template | None = None
    """The text's pattern, where it comes from several columns; ``text`` says nothing then."""

    @property
    def texts(self) -> tuple[str, ...]:
        """The columns that a text is made of."""
        return (self.text,) if self.template is None else self.template.names

    @property
    def used(self) -> tuple[str, ...]:
        """The columns that texts and ids are made of."""
        return tuple(dict.fromkeys((*self.texts, *(() if self.id is None else (self.id,)))))


def columns_of_rows(reading: Reading) -> Columns:
    """The columns of a file whose rows name their fields."""
    text = "text" if reading.text_column is None else reading.text_column
    return Columns(text, reading.id_column, (), reading.template)


def columns_of_file(name: str, there: Sequence[str], reading: Reading) -> Columns:
    """The columns of a file that has the columns ``there``.

    Raises:
        JobInputError: a column that is used is missing, or there twice.
    """
    columns = columns_of_rows(reading)
    for wanted in columns.used:
        is_id = wanted == reading.id_column
        option = "with id_column" if is_id else "with text_column" if reading.text is None else "in the template"
        if wanted not in there:
            listed = ", ".join(map(repr, there)) or "none"
            raise JobInputError(f"{name} has no column {wanted!r}; it has {listed}: name one {option}")
        if there.count(wanted) > 1:
            raise JobInputError(f"{name} has two columns {wanted!r}; rename one of them")
    return Columns(columns.text, columns.id, tuple(unique_names(there)), columns.template)


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
