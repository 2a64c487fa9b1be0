"""``{hosted-models}``: a section for every built-in API, from its description in ``aembed/providers``.

Each section has the key variables, the caps, the models with their facts, and the sources that the module cites. The
lines are Markdown, as those of the page that has the directive.
"""

from __future__ import annotations

import importlib
import inspect
import re

from docutils import nodes
from docutils.statemachine import StringList
from sphinx.application import Sphinx
from sphinx.util.docutils import SphinxDirective

from aembed import Registry
from aembed._wire.catalogue import HostedModel, listed
from aembed.http import HttpApi
from aembed.providers import openai_hosts

URL = re.compile(r"(?<!`)https?://[^\s,;()]*[^\s,;().:]")


def section(name: str, api: HttpApi) -> list[str]:
    """The lines about one API."""
    facts = {
        "key": ", ".join(f"`{each}`" for each in api.key_variables),
        "address": api.base_url and f"`{api.base_url}`",
        "default model": api.default_model and f"`{api.default_model}`",
        "texts per request": f"{api.max_batch_texts:,}",
        "tokens per request": api.max_batch_tokens and f"{api.max_batch_tokens:,}",
    }
    lines = [f"### {name}", "", api.about, ""]
    lines += [f"- {label}: {value}" for label, value in facts.items() if value]
    lines += ["", *table(api)] if api.models else [""]
    return [*lines, *(URL.sub(r"<\g<0>>", line) for line in notes(api)), ""]


def table(api: HttpApi) -> list[str]:
    """The models of one API."""
    rows = [("model", "dimensions", "tokens per text", "US$ per million tokens"), ("---",) * 4]
    rows += [(f"`{name}`", *cells(model, api)) for name, model in api.models.items()]
    return [*(f"| {' | '.join(row)} |" for row in rows), ""]


def cells(model: HostedModel, api: HttpApi) -> tuple[str, str, str]:
    """Dimensions, length and price; a dash where the provider publishes nothing."""
    offered = listed(model.dimensions) if len(model.dimensions) > 1 else ""
    dimensions = f"{model.dim} ({offered})" if model.dim and offered else str(model.dim or "-")
    tokens = model.max_text_tokens or api.max_text_tokens
    return dimensions, f"{tokens:,}" if tokens else "-", f"{model.price:g}" if model.price is not None else "-"


def notes(api: HttpApi) -> list[str]:
    """Quirks and sources: of a host of open models its paragraph, of another API what its module says."""
    for paragraph in re.split(r"\n(?=- )", inspect.getdoc(openai_hosts) or ""):
        label, _, text = paragraph.removeprefix("- ").partition(":")
        if paragraph.startswith("- ") and label in api.about:
            return ["Sources:", *inspect.cleandoc(text).splitlines()]
    module = importlib.import_module(api.request.__module__)
    return (inspect.getdoc(module) or "").splitlines()[1:]


class HostedModels(SphinxDirective):
    """Sections for all built-in APIs."""

    def run(self) -> list[nodes.Node]:
        registry, lines = Registry(), []
        for name in registry.names():
            opener = registry.get(name)
            if isinstance(opener, HttpApi):
                lines += section(name, opener)
        node = nodes.section()
        self.state.nested_parse(StringList(lines, "providers"), self.content_offset, node, match_titles=True)
        return node.children


def setup(app: Sphinx) -> dict[str, bool]:
    """Register the directive."""
    app.add_directive("hosted-models", HostedModels)
    return {"parallel_read_safe": True}
