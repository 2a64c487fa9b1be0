"""Failures of the hub's client as errors of ours, each with its remedy. No token and no signed address is quoted."""

from __future__ import annotations

from collections.abc import Generator
from contextlib import contextmanager
from typing import Any

from aembed._errors import (
    AembedError,
    AuthenticationError,
    ConfigError,
    ConnectError,
    MissingExtraError,
    ModelNotFoundError,
    OverloadedError,
    ProviderError,
    RateLimitError,
)
from aembed.providers._extra import load_package
from aembed.providers._hub_name import HubName


@contextmanager
def hub_errors(name: HubName) -> Generator[None]:
    """Translate everything that ``huggingface_hub`` raises inside the block."""
    failure: AembedError
    try:
        yield
    except (AembedError, MemoryError):
        raise
    except Exception as error:  # noqa: BLE001  # those of its HTTP library, which changes with each major version
        failure = _translated(error, name)
    else:
        return
    raise failure


def _translated(error: BaseException, name: HubName) -> AembedError:
    errors = load_package("huggingface_hub.errors", extra="hub")
    cause = error.__cause__  # why the hub did not deliver
    if cause is not None and isinstance(error, errors.LocalEntryNotFoundError):
        error = cause if isinstance(cause, errors.HfHubHTTPError) else error
    if isinstance(error, AttributeError | TypeError):
        return MissingExtraError('the installed huggingface_hub is too old or too new: pip install -U "aembed[hub]"')
    if isinstance(error, errors.GatedRepoError):
        return AuthenticationError(
            f"{name.repo} is gated: accept its terms on the model's page, and set HF_TOKEN to a token of that account",
            provider=name.provider,
            status=_status(error),
        )
    if isinstance(error, errors.RepositoryNotFoundError):
        return ModelNotFoundError(
            f"the hub has no model {name.repo}, or it is private: check the name, or set HF_TOKEN; "
            f"a directory on this disk is written {name.provider}:./{name.repo}",
            provider=name.provider,
            status=_status(error),
        )
    if isinstance(error, errors.RevisionNotFoundError):
        return ModelNotFoundError(
            f"{name.repo} has no revision {name.revision!r}: name a branch, a tag or a whole commit, or leave it out",
            provider=name.provider,
            status=_status(error),
        )
    if isinstance(error, errors.HfHubHTTPError):
        return _of_status(_status(error), name)
    if isinstance(error, OSError) and error.errno is not None:
        return ConfigError(
            f"{name.repo} cannot be written to the hub's cache ({error.strerror}): make room, or set HF_HOME"
        )
    return _unreachable(error, name)


def _of_status(status: int | None, name: HubName) -> AembedError:
    facts: Any = {"provider": name.provider, "status": status}
    if status in {401, 403}:
        return AuthenticationError("the hub rejects HF_TOKEN: make another at huggingface.co/settings/tokens", **facts)
    if status == 429:
        return RateLimitError(f"the hub limits requests for {name.repo}: try later, or set HF_TOKEN", **facts)
    if status is not None and status >= 500:
        return OverloadedError(f"the hub fails at {name.repo}: try later", **facts)
    return ProviderError(f"the hub rejects the request for {name.repo}; check HF_ENDPOINT", **facts)


def _unreachable(error: BaseException, name: HubName) -> ConnectError:
    return ConnectError(
        f"{name} cannot be downloaded ({type(error.__cause__ or error).__name__}): check the network, proxies and "
        f"HF_ENDPOINT, and try again; or run `aembed download {name.model}` elsewhere and copy its HF_HOME",
        provider=name.provider,
    )


def _status(error: BaseException) -> int | None:
    status: int | None = getattr(getattr(error, "response", None), "status_code", None)
    return status
