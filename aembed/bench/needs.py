"""Packages that the runner cannot do without: looked for before anything of it is imported."""

from __future__ import annotations

import importlib.util

from aembed import MissingExtraError

for package in ("psutil", "rich"):
    if importlib.util.find_spec(package) is None:
        raise MissingExtraError(f'bench needs {package}, which is not installed: pip install "aembed[bench]"')
