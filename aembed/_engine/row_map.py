"""Rows of the result against texts of the call, where these are not one to one: repeated and rejected texts."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from aembed._errors import AembedError
from aembed._types import Vectors

ROWS_PER_COPY = 65_536
"""The result may be a file larger than memory, so copies of repeated texts are made piece by piece."""


class RowMap:
    """Maps each row to its text and back.

    A text that occurs several times is embedded once, into the row of its first occurrence; the other rows are copied
    from there. A row that was rejected has no text.
    """

    def __init__(self, texts: Sequence[str], rejected: Mapping[int, AembedError]) -> None:
        distinct: dict[str, int] = {}
        self.index = np.array(
            [-1 if row in rejected else distinct.setdefault(text, len(distinct)) for row, text in enumerate(texts)],
            np.intp,
        )
        """Index of the text in each row; -1 where it was rejected."""
        self.texts = list(distinct)
        self._with_text = np.flatnonzero(self.index >= 0)
        self.occurrences = np.bincount(self.index[self._with_text], minlength=len(distinct))
        """Number of rows that hold each text."""
        self.first = self._with_text[np.unique(self.index[self._with_text], return_index=True)[1]]
        """First row of each text."""
        self._rejected = rejected

    def fill(self, out: Vectors) -> None:
        """Copy the first row of each repeated text into its other rows; NaN into rejected rows."""
        later = self._with_text[self.first[self.index[self._with_text]] != self._with_text]
        for start in range(0, len(later), ROWS_PER_COPY):
            rows = later[start : start + ROWS_PER_COPY]
            out[rows] = out[self.first[self.index[rows]]]
        out[list(self._rejected)] = np.nan

    def expand(self, flags: NDArray[np.bool_]) -> NDArray[np.bool_]:
        """Flags of texts -> flags of rows; false for rejected rows."""
        rows = np.zeros(len(self.index), np.bool_)
        rows[self._with_text] = flags[self.index[self._with_text]]
        return rows

    def rows(self, indices: Iterable[int]) -> set[int]:
        """All rows that hold one of these texts."""
        return set(np.flatnonzero(np.isin(self.index, list(indices))).tolist())

    def failures(self, failures: Mapping[int, AembedError]) -> dict[int, AembedError]:
        """Failures by row, rejected rows included. An error that names its text names each of its rows."""
        by_row: dict[int, AembedError] = {}
        for row in sorted(self.rows(failures)):
            error = failures[int(self.index[row])]
            first = int(self.first[self.index[row]])
            by_row[row] = error.copy_for(row) if error.index == first != row else error
        return dict(sorted({**by_row, **self._rejected}.items())) if self._rejected else by_row
