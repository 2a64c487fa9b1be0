"""Prompts that aembed puts before a text, for servers that do not add them."""

from __future__ import annotations

from collections.abc import Sequence

from aembed._settings.base import Settings
from aembed._types import Kind


class Prompts(Settings):
    """``provider_options`` of self-hosted servers: the prompts on the model's card, added before each text."""

    query_prompt: str = ""
    document_prompt: str = ""

    def before(self, texts: Sequence[str], kind: Kind) -> Sequence[str]:
        """The texts with their prompt."""
        prompt = self.query_prompt if kind == "query" else self.document_prompt
        return [prompt + text for text in texts] if prompt else texts
