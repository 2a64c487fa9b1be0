"""Cache keys: two texts have the same key exactly if they would get the same vector."""

from __future__ import annotations

import json
from collections.abc import Sequence
from hashlib import sha256

from pydantic import SecretStr

from aembed._settings.options import Options
from aembed._settings.secrets import KEY_HEADERS, clear
from aembed._types import Kind, ModelSpec

KEY_VERSION = 1
"""Version of the keys: raise it when a change of aembed gives the same texts other vectors."""


class CacheKeys:
    """Makes the key of a text: one SHA-256 over the whole text and everything else that decides its vector.

    That is: provider, base_url, model, revision, dimensions, kind, overlong, normalize, provider_options,
    ``cache_namespace``, and all headers but those that hold an API key, as a gateway may choose the model by a header.
    The API key, limits, and the distribution of texts over batches do not count.
    """

    def __init__(self, spec: ModelSpec, options: Options, provider_type: str) -> None:
        decides: dict[str, object] = {
            "scheme": KEY_VERSION,
            "type": provider_type,
            "provider": spec.provider,
            "base_url": options.base_url,
            "model": spec.name,
            "revision": spec.revision,
            "dim": spec.dim,
            "dimensions": options.dimensions,
            "overlong": options.overlong,
            "normalize": options.normalize,
            "provider_options": options.provider_options,
            "dtype": "float32",
        }
        route = {name.lower(): _digest(value) for name, value in options.headers.items()}
        route = {name: digest for name, digest in route.items() if name not in KEY_HEADERS}
        # Added only if set, so that a new option leaves the keys of those who do not use it valid.
        decides |= {"headers": route} if route else {}
        decides |= {"namespace": options.cache_namespace} if options.cache_namespace else {}
        known = json.dumps(decides, sort_keys=True, default=repr).encode()
        # Removed only after `known` was made: vectors in the cache depend on it.
        overlong = decides.pop("overlong")
        assert overlong, "it has a default"
        self.model = sha256(json.dumps(decides, sort_keys=True, default=repr).encode()).hexdigest()
        """A digest of the same, without ``kind`` and ``overlong``: these differ between calls of one model."""
        self._prefixes: dict[Kind, bytes] = {
            "document": sha256(b"document\0" + known).digest(),
            "query": sha256(b"query\0" + known).digest(),
        }

    def of(self, texts: Sequence[str], kind: Kind) -> list[bytes]:
        """32 bytes for each text."""
        prefix = self._prefixes[kind]
        return [sha256(prefix + data).digest() for data in map(str.encode, texts)]


def _digest(value: str | SecretStr) -> str:
    return sha256(clear(value).encode()).hexdigest()
