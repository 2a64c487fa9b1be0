"""Names of models on the Hugging Face hub: ``organisation/model``, with ``@revision`` for a branch, tag or commit."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

_NAME = re.compile(r"(?P<repo>\w[\w.-]*/\w[\w.-]*)(?:@(?P<revision>\w(?:[\w/-]|\.(?!\.))*))?", re.ASCII)


@dataclass(frozen=True, slots=True)
class HubName:
    """A repository of the hub at one revision."""

    repo: str
    revision: str = "main"
    provider: str = "local"

    @property
    def model(self) -> str:
        """The name that users give."""
        return f"{self.provider}:{self}"

    def __str__(self) -> str:
        return self.repo if self.revision == "main" else f"{self.repo}@{self.revision}"


def hub_name(model: str | None, provider: str = "local") -> HubName | None:
    """The name if ``model`` is one. A directory that exists is a directory; ``./a/b`` and ``/a/b`` always are."""
    found = _NAME.fullmatch(model or "")
    if found is None or Path(found.string).is_dir():
        return None
    return HubName(found["repo"], found["revision"] or "main", provider)
