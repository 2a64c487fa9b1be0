"""Defaults as a table, and the first invalid values."""

from __future__ import annotations

import math
from typing import Any

import pytest

from aembed import Config, ConfigError, HttpSettings, Limits, MergePolicy, RetryPolicy
from aembed._settings.options import Options
from aembed._settings.sources import MAX_FILE_BYTES


def test_policies() -> None:
    assert RetryPolicy().model_dump() == {
        "max_attempts": 5,
        "initial_delay": 0.5,
        "max_delay": 30.0,
        "max_retry_after": 120.0,
    }
    assert MergePolicy().model_dump() == {"max_texts": 128, "window": 0.01}
    assert HttpSettings().model_dump() == {
        "ca_file": None,
        "proxy": None,
        "trust_env": False,
        "public_only": False,
        "allow_key_over_http": False,
        "connect_timeout": 10.0,
        "read_timeout": 60.0,
    }
    assert set(Limits().model_dump().values()) == {None}


def test_options() -> None:
    options = Options()
    assert {name: getattr(options, name) for name in Options.model_fields} == {
        "limits": Limits(),
        "retry": RetryPolicy(),
        "http": HttpSettings(),
        "timeout": None,
        "deadline": None,
        "overlong": "error",
        "strict": False,
        "normalize": False,
        "cache": False,
        "cache_namespace": "",
        "merge": False,
        "base_url": None,
        "api_key": None,
        "api_key_file": None,
        "headers": {},
        "dimensions": None,
        "batch_size": None,
        "provider_options": {},
        "on_event": None,
    }
    assert (Config().model, Config().profiles) == ("local", {})


@pytest.mark.parametrize(
    ("make", "good", "bad"),
    [
        (Limits, {"max_concurrency": 1}, {"max_concurrency": 0}),
        (Limits, {"requests_per_minute": 1e-9}, {"requests_per_minute": 0}),
        (Limits, {"tokens_per_minute": 1e300}, {"tokens_per_minute": math.inf}),
        (Limits, {"query_share": 0}, {"query_share": -0.01}),
        (Limits, {"query_share": 0.9}, {"query_share": 0.91}),
        (RetryPolicy, {"max_attempts": 1}, {"max_attempts": 0}),
        (RetryPolicy, {"max_delay": 1e-9}, {"max_delay": 0}),
        (MergePolicy, {"window": 0}, {"window": -0.001}),
        (MergePolicy, {"window": 1e9}, {"window": math.inf}),
        (MergePolicy, {"max_texts": 1}, {"max_texts": 0}),
        (Options, {"dimensions": 1}, {"dimensions": 0}),
        (Options, {"timeout": 1e-9}, {"timeout": math.nan}),
        (HttpSettings, {"read_timeout": 1e-9}, {"read_timeout": 0}),
    ],
)
def test_the_first_bad_value_is_named(make: Any, good: dict[str, Any], bad: dict[str, Any]) -> None:
    make(**good)
    with pytest.raises(ConfigError, match=next(iter(bad))):
        make(**bad)


def test_a_configuration_file_has_a_mebibyte_at_most(tmp_path: Any) -> None:
    file = tmp_path / "aembed.toml"
    content = b'model = "mock"\n#'
    file.write_bytes(content.ljust(MAX_FILE_BYTES, b"x"))
    assert MAX_FILE_BYTES == 2**20
    assert Config.load(file).model == "mock"
    file.write_bytes(content.ljust(MAX_FILE_BYTES + 1, b"x"))
    with pytest.raises(ConfigError, match="larger than 1048576 bytes; a configuration file has a few kilobytes"):
        Config.load(file)
