"""The root of everything users configure: frozen, validated, and wrong values are errors that teach."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any, Self, cast, dataclass_transform, get_args

from pydantic import BaseModel, ConfigDict, Field, PrivateAttr, ValidationError

from aembed._errors import ConfigError

if TYPE_CHECKING:
    from pydantic._internal._model_construction import ModelMetaclass
    from pydantic_core import ErrorDetails
else:
    ModelMetaclass = type(BaseModel)

SECRETS = {"api_key", "headers", "proxy"}
SECRET_FIELDS = SECRETS | {"base_url"}
"""Their values are not shown; a ``base_url`` may wrongly hold a password."""

TAGS = {"switch", "policy"}
"""What pydantic calls the kinds of an option that takes several; no option has such a name."""


@dataclass_transform(kw_only_default=True, field_specifiers=(Field, PrivateAttr))
class _RaisesConfigError(ModelMetaclass):
    """Makes ``Limits(requests_per_minute=-1)`` raise a ConfigError, as every other wrong setting does."""

    def _validated(cls, /, **fields: Any) -> Any:  # noqa: N805
        try:
            return super().__call__(**fields)
        except ValidationError as error:
            failure = explain(error, cast("type[BaseModel]", cls))
        del fields  # a traceback that shows local variables shows no key
        raise failure

    if not TYPE_CHECKING:  # checkers make each signature from the fields: see dataclass_transform
        __call__ = _validated


class Settings(BaseModel, metaclass=_RaisesConfigError):
    """Root of all settings: frozen, and an unknown field is an error that names the nearest known one.

    A field is one annotated line with a default and a docstring. Its annotation is the type that its keyword takes,
    for pyright and mypy as for pydantic: where more is accepted than is kept (a ``str`` for a key), the annotation is
    the union, and a validator makes one of it.
    """

    model_config = ConfigDict(defer_build=True, extra="forbid", frozen=True, hide_input_in_errors=True)

    @classmethod
    def from_table(cls, table: Mapping[str, object]) -> Self:
        """Made of what a file or ``provider_options`` holds. Raises :class:`ConfigError`."""
        return cast("Self", cls._validated(**table))

    def __getstate__(self) -> dict[Any, Any]:
        """Secrets are not written into bytes that others may keep."""
        secret = next((name for name in sorted(SECRETS) if getattr(self, name, None)), None)
        if secret is not None:
            raise TypeError(
                f"{type(self).__name__} holds {secret} and cannot be pickled; let the other process read it"
            )
        return super().__getstate__()


def explain(error: ValidationError, model: type[BaseModel]) -> ConfigError:
    """One sentence per mistake: the field, the value, and how to mend it. Values of secret fields stay out."""
    return ConfigError("; ".join(_sentence(details, model) for details in error.errors()))


def _sentence(details: ErrorDetails, model: type[BaseModel]) -> str:
    path = [str(part) for part in details["loc"] if part not in TAGS]
    field = ".".join(path) or model.__name__
    if details["type"] == "extra_forbidden":
        return f"unknown option {field!r}{nearest(path[-1], _fields_beside(model, path))}"
    if details["type"] == "missing":
        return f"{field} is missing; give it a value"
    message = details["msg"].removeprefix("Value error, ")
    if details["type"] == "model_type":
        message = f"give a {details.get('ctx', {}).get('class_name')}, or a table of its options"
    message = message[0].lower() + message[1:]
    if SECRET_FIELDS.isdisjoint(path):
        message += f", not {_show(details['input'])}"
    return f"{field}: {message}"


def _show(value: object) -> str:
    """A plain value as it is; of anything that may hold a secret, only what it is."""
    return repr(value) if isinstance(value, (str, int, float, type(None))) else f"a {type(value).__name__}"


def _fields_beside(model: type[BaseModel], path: list[str]) -> Iterable[str]:
    """The known names where ``path`` has an unknown one."""
    for part in path[:-1]:
        field = model.model_fields.get(part)
        annotations = () if field is None else (field.annotation, *get_args(field.annotation))
        types = [getattr(annotation, "__origin__", annotation) for annotation in annotations]  # of Annotated ones too
        model = next((kind for kind in types if isinstance(kind, type) and issubclass(kind, BaseModel)), model)
    return model.model_fields


def nearest(name: str, known: Iterable[str]) -> str:
    """The hint behind an unknown name: the closest known one, or all of them."""
    import difflib

    known = sorted(known)
    close = difflib.get_close_matches(name, known, n=1, cutoff=0.6)
    return f"; did you mean {close[0]!r}?" if close else f"; known are: {', '.join(known)}"
