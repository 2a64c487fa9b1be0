"""Settings as type checkers see them: by name, by type, and nothing unknown. mypy runs without pydantic's plugin.

Each ignored line is an error of both: mypy reports an ignore that it does not need, and so does pyright in this file.
"""

# pyright: reportUnnecessaryTypeIgnoreComment=true

from __future__ import annotations

from pathlib import Path
from typing import assert_type

from pydantic import SecretStr

import aembed
from aembed.stores import MemoryStore

limits = aembed.Limits(requests_per_minute=3000, tokens_per_minute=1e6, inputs_per_minute=None, max_concurrency=32)
assert_type(limits, aembed.Limits)
assert_type(limits.requests_per_minute, float | None)
aembed.Limits(requests_per_minuet=1)  # type: ignore[call-arg]
aembed.Limits(requests_per_minute="many")  # type: ignore[arg-type]
aembed.Limits(3000)  # type: ignore[call-arg]

aembed.RetryPolicy(max_attempts=3, initial_delay=1, max_delay=10.0, max_retry_after=60)
aembed.RetryPolicy(max_attempt=3)  # type: ignore[call-arg]

aembed.MergePolicy(max_texts=64, window=0.005)
aembed.MergePolicy(max_text=64)  # type: ignore[call-arg]

aembed.HttpSettings(proxy="http://me:word@proxy:3128", ca_file="ca.pem", connect_timeout=5, read_timeout=30)
aembed.HttpSettings(proxy=SecretStr("http://proxy:3128"), trust_env=False, public_only=False)
aembed.HttpSettings(proxi="http://proxy:3128")  # type: ignore[call-arg]
aembed.HttpSettings(public_only="perhaps")  # type: ignore[arg-type]

profile = aembed.Profile(
    model="openai:text-embedding-3-small",
    base_url="https://example.com/v1",
    api_key="key",
    headers={"x": "y"},
    dimensions=256,
    limits=limits,
    provider_options={"seed": 7},
    cache="vectors.db",
    on_event=print,
)
aembed.Profile(model="openai", api_key=SecretStr("key"), cache=Path("vectors.db"), merge=True)
aembed.Profile(model="openai", api_key=lambda: "key", cache=MemoryStore(), merge=aembed.MergePolicy())
aembed.Profile(model="openai", api_key_file="/run/secrets/openai", overlong="split")
aembed.Profile()  # type: ignore[call-arg]
aembed.Profile(model="openai", api_key=7)  # type: ignore[arg-type]
aembed.Profile(model="openai", overlong="cut")  # type: ignore[arg-type]

config = aembed.Config(model="search", profiles={"search": profile}, retry=aembed.RetryPolicy(), timeout=30)
assert_type(config.profiles, dict[str, aembed.Profile])
aembed.Config(modle="search")  # type: ignore[call-arg]
aembed.Config(timeout="long")  # type: ignore[arg-type]


async def token() -> tuple[str, float]:
    return "key", 1.8e9


aembed.Profile(model="openai", api_key=token, cache_namespace="tenant")
aembed.Profile(model="openai", api_key=lambda: ("key", 1.8e9), cache=None)
aembed.HttpSettings(allow_key_over_http=True)
assert_type(config.origin("retry", "max_attempts"), str)
