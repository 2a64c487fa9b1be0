"""``{exports} MODULE``: reference of every public name of a module, so that none can be left out.

``:only:`` picks ``errors``, ``settings``, ``functions`` or ``rest`` of them.
"""

from __future__ import annotations

import ast
import importlib
import inspect
import re
from types import ModuleType
from typing import ClassVar

from docutils import nodes
from docutils.statemachine import StringList
from sphinx.application import Sphinx
from sphinx.ext.autodoc.mock import mock
from sphinx.pycode import ModuleAnalyzer
from sphinx.util.docutils import SphinxDirective

from aembed import AembedError
from aembed._settings.base import Settings


def group(value: object) -> str:
    """The part of the reference that ``value`` belongs to."""
    if not inspect.isclass(value):
        return "functions" if inspect.isroutine(value) else "rest"
    return "errors" if issubclass(value, AembedError) else "settings" if issubclass(value, Settings) else "rest"


def directive(module: ModuleType, name: str, value: object) -> list[str]:
    """The lines that document one name."""
    if inspect.isclass(value):
        return [f".. autoclass:: {name}", "   :members:", "   :exclude-members: model_config", ""]
    if inspect.isroutine(value):
        return [f".. autofunction:: {name}", ""]
    written = ModuleAnalyzer.for_module(origin(module, name)).find_attr_docs().get(("", name), [])
    return [f".. py:data:: {name}", "", *(f"   {line}" for line in written), ""]


def origin(module: ModuleType, name: str) -> str:
    """The module that ``module`` imports ``name`` from: the docstring of a type alias is found in its source alone."""
    for statement in ast.parse(inspect.getsource(module)).body:
        if isinstance(statement, ast.ImportFrom) and any(
            name == (each.asname or each.name) for each in statement.names
        ):
            return str(statement.module)
    return module.__name__


class Exports(SphinxDirective):
    """Reference of a module's ``__all__``."""

    required_arguments = 1
    option_spec: ClassVar = {"only": str}

    def run(self) -> list[nodes.Node]:
        with mock(self.config.autodoc_mock_imports):
            module = importlib.import_module(self.arguments[0])
        lines = [f".. currentmodule:: {module.__name__}", ""]
        public = {name: getattr(module, name) for name in sorted(module.__all__)}
        for name, value in sorted(public.items(), key=lambda each: not inspect.isroutine(each[1])):  # functions first
            if not name.startswith("__") and self.options.get("only", group(value)) == group(value):
                lines += directive(module, name, value)
        return self._parsed(lines)

    def _parsed(self, lines: list[str]) -> list[nodes.Node]:
        node = nodes.container()
        self.state.nested_parse(StringList(lines, self.arguments[0]), self.content_offset, node)
        return node.children


def with_plain_aliases(
    _app: Sphinx, _what: str, _name: str, _value: object, _options: object, signature: str | None, returns: str | None
) -> tuple[str | None, str | None]:
    """Names in place of the wrapper that autodoc shows around a type alias in a union."""
    plain = [text and re.sub(r"TypeAliasForwardRef\('(\w+)'\)", r"\1", text) for text in (signature, returns)]
    return plain[0], plain[1]


def setup(app: Sphinx) -> dict[str, bool]:
    """Register the directive."""
    app.add_directive("exports", Exports)
    app.connect("autodoc-process-signature", with_plain_aliases)
    return {"parallel_read_safe": True}
