"""The examples of the page on frameworks, as far as this environment has the framework."""

from __future__ import annotations

from pathlib import Path

from tests.documents import ROOT, run_page


def test_the_page_shows_what_its_examples_print(tmp_path: Path) -> None:
    assert run_page(ROOT / "docs" / "integrations.md", tmp_path) == []
