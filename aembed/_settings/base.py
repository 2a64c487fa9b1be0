"""The root of all settings: frozen and validated; an error names the field, the value and the remedy."""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from types import UnionType
from typing import (
    TYPE_CHECKING,
    Annotated,
    Any,
    Self,
    TypeAlias,
    Union,
    cast,
    dataclass_transform,
    get_args,
    get_origin,
)

import numpy as np
from pydantic import BaseModel, ConfigDict, Field, PrivateAttr, ValidationError

from aembed._errors import ConfigError, nearest
from aembed._settings.secrets import MASK, may_be_secret

if TYPE_CHECKING:
    from pydantic._internal._model_construction import ModelMetaclass
    from pydantic_core import ErrorDetails
else:
    ModelMetaclass = type(BaseModel)

SECRETS = {"api_key", "headers", "proxy"}
SECRET_FIELDS = SECRETS | {"base_url"}
"""Fields whose values errors do not show; a ``base_url`` may wrongly hold a password."""

TABLE_TYPES = {"model_type", "dict_type", "mapping_type"}
"""Types of pydantic's errors for a value in the place of a table."""

OriginOf: TypeAlias = Callable[[tuple[str, ...]], str]
"""Says where the field at a path was set: a keyword, a file and table, a variable; "" if that is not known."""


@dataclass_transform(kw_only_default=True, field_specifiers=(Field, PrivateAttr))
class _RaisesConfigError(ModelMetaclass):
    """Makes ``Limits(requests_per_minute=-1)`` raise a ConfigError, as every other wrong setting does."""

    def _validated(cls, /, *, origin_of: OriginOf | None = None, **fields: Any) -> Any:  # noqa: N805
        try:
            return super().__call__(**{name: plain(value) for name, value in fields.items()})
        except ValidationError as error:
            failure = explain(error, cast("type[BaseModel]", cls), origin_of)
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
    def from_table(cls, table: Mapping[str, object], origin_of: OriginOf | None = None) -> Self:
        """Settings from a table: of a file, variables or ``provider_options``. An error names the origin of the value.

        Raises:
            ConfigError: an unknown field, or a wrong value.
        """
        return cast("Self", cls._validated(origin_of=origin_of, **table))

    def table(self) -> dict[str, object]:
        """The fields that were set, by name; nested settings are tables too."""
        fields = {name: getattr(self, name) for name in self.model_fields_set}
        return {name: value.table() if isinstance(value, Settings) else value for name, value in fields.items()}

    def __getstate__(self) -> dict[Any, Any]:
        """Raises TypeError for settings with secrets: pickled bytes may be stored anywhere."""
        secret = next((name for name in sorted(SECRETS) if getattr(self, name, None)), None)
        if secret is not None:
            raise TypeError(
                f"{type(self).__name__} holds {secret} and cannot be pickled; let the other process read it"
            )
        return super().__getstate__()


def plain(value: object) -> object:
    """A numpy number as a Python number; anything else unchanged."""
    return value.item() if isinstance(value, np.generic) else value


def explain(error: ValidationError, model: type[BaseModel], origin_of: OriginOf | None = None) -> ConfigError:
    """One sentence for each wrong field: field, value, remedy. Values of secret fields stay out."""
    sentences: dict[tuple[str, ...], str] = {}
    for details in error.errors():
        path = _path(details, model)
        sentences.setdefault(path, _sentence(details, path, model, origin_of))  # a union has an error for each type
    return ConfigError("; ".join(sentences.values()))


def _path(details: ErrorDetails, model: type[BaseModel]) -> tuple[str, ...]:
    """Names of the fields that lead to the wrong one, without pydantic's names for the types of a union."""
    path: list[str] = []
    kind: object = model
    for part in map(str, details["loc"]):
        below = field_type(kind, part)
        if below is not None:
            path.append(part)
            kind = below
        elif details["type"] == "extra_forbidden" and part == str(details["loc"][-1]):
            path.append(part)
    return tuple(path)


def _sentence(details: ErrorDetails, path: tuple[str, ...], model: type[BaseModel], origin_of: OriginOf | None) -> str:
    origin = origin_of(path) if origin_of is not None and path else ""
    return _problem(details, path, model) + (f" ({origin})" if origin else "")


def _problem(details: ErrorDetails, path: tuple[str, ...], model: type[BaseModel]) -> str:
    field = ".".join(path) or model.__name__
    if details["type"] == "extra_forbidden":
        return f"unknown option {field!r}{nearest(path[-1], _fields_beside(model, path))}"
    if details["type"] == "missing":
        return f"{field} is missing; give it a value"
    message = details["msg"].removeprefix("Value error, ")
    if details["type"] == "model_type":
        message = f"give a {details.get('ctx', {}).get('class_name')}, or a table of its options"
    message = message[0].lower() + message[1:]
    if details["type"] == "value_error" and isinstance(details["input"], dict):
        return f"{field}: {message}" if path else message  # about several options; the message names them
    if details["type"] in TABLE_TYPES:
        message += f", not {_kind(details['input'])}"
    elif SECRET_FIELDS.isdisjoint(path):
        message += f", not {shown(details['input'])}"
    return f"{field}: {message}"


def shown(value: object) -> str:
    """The repr of a plain value; only the kind of anything that may hold a secret."""
    if isinstance(value, str) and may_be_secret(value):
        return f"{MASK} (it looks like a secret)"
    return repr(value) if isinstance(value, (str, int, float, type(None))) else f"a {type(value).__name__}"


def _kind(value: object) -> str:
    """Like ``shown``, but a str in the place of a table may be a proxy's address or a key, and is not shown."""
    return "a str" if isinstance(value, str) else shown(value)


def _fields_beside(model: type[BaseModel], path: Sequence[str]) -> Iterable[str]:
    """The known names in the place of an unknown one at the end of ``path``."""
    kind: object = model
    for name in path[:-1]:
        kind = field_type(kind, name)
    return next(iter(tables(kind)), model).model_fields


def tables(kind: object) -> Iterator[type[BaseModel]]:
    """The settings that an annotation names, within unions and ``Annotated``."""
    if isinstance(kind, type) and issubclass(kind, BaseModel):
        yield kind
    elif get_origin(kind) in {Annotated, Union, UnionType}:
        for part in get_args(kind):
            yield from tables(part)
    elif (origin := get_origin(kind)) is not None and issubclass(origin, Mapping):
        yield from tables(get_args(kind)[1])


def field_type(kind: object, name: str) -> object:
    """The annotation of a field of a table, or ``None`` if there is no such field. A mapping has every name."""
    if isinstance(kind, type) and issubclass(kind, BaseModel):
        return kind.model_fields[name].annotation if name in kind.model_fields else None
    origin = get_origin(kind)
    if origin in {Annotated, Union, UnionType}:
        found = (field_type(part, name) for part in get_args(kind))
        return next((type_ for type_ in found if type_ is not None), None)
    if isinstance(origin, type) and issubclass(origin, Mapping):
        return get_args(kind)[1]
    return None


@contextmanager
def named_in_errors(where: str) -> Generator[None]:
    """Errors about settings within also name where these come from."""
    try:
        yield
    except ConfigError as error:
        if where and where not in str(error):
            error.args = (f"{error.args[0]} ({where})", *error.args[1:])
        raise
