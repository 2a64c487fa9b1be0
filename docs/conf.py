"""Settings of the documentation site: ``nox -s docs`` builds it, and fails on any warning."""

from __future__ import annotations

import sys
from pathlib import Path

from aembed import __version__

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE / "_extensions"))

project = "aembed"
author = "the aembed authors"
copyright = "2026, the aembed authors"  # noqa: A001 - Sphinx reads this name
release = version = __version__

extensions = ["myst_parser", "sphinx.ext.autodoc", "sphinx_copybutton", "exports", "hosted_models"]
exclude_patterns = ["_build", "_extensions", "pictures", "observability"]
nitpicky = True
nitpick_ignore_regex = [("py:.*", r".*")]  # autodoc links the names it knows; numpy's and typing's have no target
suppress_warnings = ["ref.python"]  # a field named like a builtin type, such as bytes, is not a target of annotations

myst_enable_extensions = ["colon_fence", "deflist"]
myst_heading_anchors = 3

autodoc_member_order = "bysource"
autodoc_mock_imports = ["chromadb", "haystack", "langchain_core", "llama_index", "pydantic_ai", "ray"]
autodoc_typehints = "signature"
autodoc_type_aliases = {name: name for name in ("ArrayLike", "Vector", "Vectors")}
autodoc_default_options = {"members": True, "show-inheritance": True}

html_theme = "furo"
html_title = "aembed"
html_static_path = ["_static"]
html_css_files = ["site.css"]
pygments_dark_style = "github-dark"
copybutton_prompt_text = r"\$ "
copybutton_prompt_is_regexp = True
copybutton_line_continuation_character = "\\"
