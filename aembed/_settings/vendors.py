"""The variables of the environment that are for one provider: those that its own SDK reads."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from urllib.parse import urlsplit

from aembed._settings.hosts import is_own_host


@dataclass(frozen=True, slots=True, kw_only=True)
class Vendor:
    """One row. Of ``keys`` and ``key_files`` the first that is set holds."""

    keys: tuple[str, ...] = ()
    """Variables of the key; with ``_FILE`` behind it, each names a file that holds it, as containers get secrets."""
    key_files: tuple[str, ...] = ()
    base_url: str | None = None
    """The variable of the server's address."""
    as_base_url: Callable[[str], str] = str
    """Makes a ``base_url`` of what stands in that variable."""


def _ollama_url(host: str) -> str:
    """``OLLAMA_HOST`` may leave out scheme and port, and be where a server listens: ollama-python ``_parse_host``."""
    scheme, has_scheme, rest = host.rpartition("://")
    parts = urlsplit(f"//{rest}")
    name = parts.hostname or ""
    name = "127.0.0.1" if name in {"", "0.0.0.0", "::"} else name  # noqa: S104  # where it listens, not where it is
    port = parts.port or {"http": 80, "https": 443}.get(scheme, 11434)
    return f"{scheme if has_scheme else 'http'}://{f'[{name}]' if ':' in name else name}:{port}{parts.path.rstrip('/')}"


def _root_and(path: str) -> Callable[[str], str]:
    """For SDKs whose variable holds the root of the server, without the version of the API."""
    return lambda root: root if root.rstrip("/").endswith(path) else root.rstrip("/") + path


VENDORS = {
    "azure": Vendor(keys=("AZURE_OPENAI_API_KEY",), base_url="AZURE_OPENAI_ENDPOINT"),
    "cohere": Vendor(keys=("CO_API_KEY", "COHERE_API_KEY"), base_url="CO_API_URL", as_base_url=_root_and("/v2")),
    "google": Vendor(
        keys=("GOOGLE_API_KEY", "GEMINI_API_KEY"), base_url="GOOGLE_GEMINI_BASE_URL", as_base_url=_root_and("/v1beta")
    ),
    "jina": Vendor(keys=("JINA_API_KEY",)),
    "mistral": Vendor(keys=("MISTRAL_API_KEY",)),
    "ollama": Vendor(keys=("OLLAMA_API_KEY",), base_url="OLLAMA_HOST", as_base_url=_ollama_url),
    "openai": Vendor(keys=("OPENAI_API_KEY",), base_url="OPENAI_BASE_URL"),
    "voyage": Vendor(keys=("VOYAGE_API_KEY",), key_files=("VOYAGE_API_KEY_PATH",)),
}
"""By provider. Sources of the variables: openai-python 3.57 (``README.md``, ``lib/azure.py``), cohere-python 7.3
(``client.py``, ``client_v2.py``), python-genai 3.6 (``_api_client.py``: GOOGLE_API_KEY first; ``_base_url.py``),
mistralai 3.7, ollama-python 0.6 (``_client.py``), voyageai 0.5 (``util.py``: the path first)."""

NO_VENDOR = Vendor()


def is_own(provider: str, base_url: str | None) -> bool:
    """True for the provider's own servers over https, and where the provider itself says where they are."""
    return base_url is None or (base_url.lower().startswith("https://") and is_own_host(provider, base_url))


def is_same(url: str | None, other: str | None) -> bool:
    """The same address, but for a slash at its end."""
    return url is not None and other is not None and url.rstrip("/") == other.rstrip("/")
