"""Prompts that models want before a text, where the server does not write them itself."""

from __future__ import annotations

from collections.abc import Sequence

from aembed._settings.base import Settings
from aembed._types import Kind


class Prompts(Settings):
    """``provider_options`` of servers of one's own: what the model's card wants written before each text."""

    query_prompt: str = ""
    document_prompt: str = ""

    def before(self, texts: Sequence[str], kind: Kind) -> Sequence[str]:
        prompt = self.query_prompt if kind == "query" else self.document_prompt
        return [prompt + text for text in texts] if prompt else texts
