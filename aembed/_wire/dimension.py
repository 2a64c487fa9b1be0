"""The dimension that the user chose, on vectors of a server that does not offer the choice."""

from __future__ import annotations

from aembed._errors import BadRequestError
from aembed._types import ModelSpec, Vectors
from aembed._vectors import shorten
from aembed._wire.decode import Decoded
from aembed._wire.matryoshka import open_model


class ChosenDimension:
    """``wanted`` is the dimension that requests ask for; ``None`` if the user or the model leaves no choice."""

    def __init__(self, spec: ModelSpec, wanted: int | None) -> None:
        self._spec = spec
        self.wanted = wanted

    def may_be_doubles(self, decoded: Decoded) -> bool:
        """True if the vectors are as requested, or base64 of twice the length: that of doubles proves nothing."""
        wanted = self.wanted
        return decoded.vectors.shape[1] in (wanted, 2 * wanted if decoded.base64 and wanted is not None else None)

    def fit(self, vectors: Vectors) -> Vectors:
        """Vectors of the wanted dimension; those of a Matryoshka model are shortened here.

        Raises:
            BadRequestError: the server gives another dimension, and the model cannot be shortened.
        """
        wanted, given = self.wanted, vectors.shape[1]
        if wanted is None or given == wanted:
            return vectors
        model = open_model(self._spec.name)
        if model is not None and model.dim == given:
            return shorten(vectors, wanted)  # find_endpoint has checked that the model offers this dimension
        raise BadRequestError(
            f"the server does not let this dimension be chosen: it gives {given}, not {wanted}; "
            "leave dimensions out, or ask for one that its model offers",
            provider=self._spec.provider,
        )
