"""The model a caller asks for: checks, and the setting that named it."""

from __future__ import annotations

from collections.abc import Mapping

from pydantic import SecretStr

from aembed._errors import ConfigError
from aembed._settings.config import Config
from aembed._settings.options import EmbedderOptions
from aembed._settings.secrets import SecretHeaders, SecretText
from aembed._types import ModelSpec, Provider

OF_THE_INSTANCE = (
    "base_url",
    "api_key",
    "api_key_file",
    "headers",
    "dimensions",
    "overlong",
    "provider_options",
)
"""Options that are used to open a provider: too late for one that is handed in."""


def masked(options: EmbedderOptions) -> EmbedderOptions:
    """The same options, in a form that shows no key where a traceback shows local variables."""
    masked = options.copy()
    key, headers = options.get("api_key"), options.get("headers")
    if isinstance(key, str):
        masked["api_key"] = SecretStr(key)
    if isinstance(headers, dict):
        masked["headers"] = SecretHeaders(headers)
    url = options.get("base_url")
    if isinstance(url, str):
        masked["base_url"] = SecretText(url)  # it may hold a password, and is then about to be rejected for it
    return masked


def check_config(config: object) -> None:
    if isinstance(config, str):
        raise ConfigError(f"config is the string {config!r}; give the model to new_embedder({config!r}) instead")
    if config is not None and not isinstance(config, Config):
        raise ConfigError(f"config is a {type(config).__name__}; give a Config, or leave it out to read one")


def check_instance(model: object, options: Mapping[str, object]) -> None:
    if isinstance(model, type):
        raise ConfigError(f"model is the class {model.__name__}; give an instance of it: {model.__name__}(...)")
    if not isinstance(model, Provider):
        wanted = "give 'provider:model' or a Provider, an object with spec, embed and aclose"
        raise ConfigError(f"model is a {type(model).__name__}; {wanted}")
    if not isinstance(model.spec, ModelSpec):
        raise ConfigError(f"{type(model).__name__}.spec is a {type(model.spec).__name__}; give an aembed.ModelSpec")
    for name in OF_THE_INSTANCE:
        if name in options:
            raise ConfigError(f"{name} cannot be given with a Provider instance; configure the instance itself")


def named_by(config: Config, model: str, *, is_default: bool) -> str:
    """The profile, or the setting of the default model, for errors; "" if the call names the model itself."""
    if model in config.profiles:
        return ", ".join(filter(None, [f"profile {model!r}", config.origin("profiles", model)]))
    return config.origin("model") if is_default else ""
