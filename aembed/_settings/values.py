"""The kinds of values that settings have."""

from __future__ import annotations

from typing import Annotated

from pydantic import BeforeValidator, Field

WORDS: dict[str, bool] = {
    **dict.fromkeys(("true", "t", "yes", "y", "on", "1"), True),
    **dict.fromkeys(("false", "f", "no", "n", "off", "0", "none"), False),
}
"""Words for yes and no in files, variables and flags, in any case."""


def as_bool(value: object) -> object:
    """A word for yes or no, 1 and 0 as a bool; anything else as it is."""
    if isinstance(value, str):
        return WORDS.get(value.strip().lower(), value)
    return bool(value) if type(value) is int and value in (0, 1) else value


Switch = Annotated[bool, BeforeValidator(as_bool)]
Count = Annotated[int, Field(ge=1)]
Rate = Annotated[float, Field(gt=0, allow_inf_nan=False)]
"""A number per minute."""
Seconds = Annotated[float, Field(gt=0, allow_inf_nan=False)]
