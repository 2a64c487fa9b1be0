"""From ``base_url``, as people copy it from documentation, to the URL that is asked."""

from __future__ import annotations

import re
from urllib.parse import urlsplit, urlunsplit

from aembed._settings.hosts import is_own_host
from aembed._types import Source


def endpoint(source: Source, default: str, path: str) -> str:
    """``base_url`` with ``path`` behind it, where it does not end so already.

    ``https://api.openai.com`` is taken for ``default``, which is ``https://api.openai.com/v1``: on the provider's own
    host a path that is missing can only be that one. On other hosts none is added.
    """
    return root(source, default, path) + path


def with_version(url: str) -> str | None:
    """``http://localhost:8000/embeddings`` with ``/v1`` before its path, where it has a path of one part alone."""
    parts = urlsplit(url)
    return urlunsplit(parts._replace(path=f"/v1{parts.path}")) if parts.path.count("/") == 1 else None


def root(source: Source, default: str, *endings: str) -> str:
    """``base_url`` without a slash at its end, doubled slashes, or the first of ``endings`` that it has."""
    if source.base_url is None:
        return default
    parts = urlsplit(source.base_url)
    base = re.sub(r"/{2,}", "/", parts.path).rstrip("/")
    ending = next((ending for ending in endings if base.endswith(ending)), "")
    base = base.removesuffix(ending)
    if not base and is_own_host(source.provider, source.base_url):
        base = urlsplit(default).path
    return urlunsplit((parts.scheme, parts.netloc, base, "", ""))
