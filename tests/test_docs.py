"""The documentation is run: every program and every command as the page shows it, with the output below it."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path
from typing import get_args

import pytest

import aembed
from aembed import Config, EmbedderFactory
from aembed.testing import faults
from tests.documents import PAGES, ROOT, blocks, is_shown, run_page
from tests.house.test_exports import MODULES

README_LINES = 150
"""One screen of reasons, and links for the rest."""


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_a_page_shows_the_output_of_its_examples(page: Path, tmp_path: Path) -> None:
    assert run_page(page, tmp_path) == []


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_fence_names_its_language(page: Path) -> None:
    assert [block.line for block in blocks(page) if not block.language] == []


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_links_between_pages_lead_somewhere(page: Path) -> None:
    text = page.read_text(encoding="utf-8")
    links = [
        link for link in re.findall(r"\]\(([^)#\s]+)(?:#[^)]*)?\)", text) if not link.startswith(("http", "mailto"))
    ]
    assert [link for link in links if not (page.parent / link).exists()] == []


def test_the_readme_fits_on_a_few_screens() -> None:
    assert len((ROOT / "README.md").read_text(encoding="utf-8").splitlines()) <= README_LINES


def test_dots_match_any_lines_and_nothing_else_does() -> None:
    assert is_shown("a\n...\nd\n", "a\nb\nc\nd\n")
    assert is_shown("a\n...\nd\n", "a\nd\n")
    assert not is_shown("a\n...\nd\n", "a\nb\n")
    assert not is_shown("a.c\n", "abc\n")
    assert is_shown("3 passed in ...\n", "3 passed in 2 s\n")
    assert not is_shown("3 passed in ...\n", "3 passed in 2 s\nbut\n")


def test_a_page_with_a_wrong_output_is_found(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text(
        "```python\nprint(1)\n```\n\n```text\n2\n```\n\n```console\n$ echo yes\nno\n```\n", encoding="utf-8"
    )
    assert [(each.line, each.printed) for each in run_page(page, tmp_path)] == [(1, "1\n"), (9, "yes\n")]


def test_a_program_without_its_output_is_found(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text("```python\nprint(1)\n```\n", encoding="utf-8")
    assert [each.printed for each in run_page(page, tmp_path)] == ["1\n"]


def test_the_page_on_testing_has_every_fault() -> None:
    page = (ROOT / "docs" / "testing.md").read_text(encoding="utf-8")
    cells = re.findall(r"^\| (`\w+\(.*?\)`) \|", page, re.MULTILINE)
    kinds = {name for name, value in vars(faults).items() if isinstance(value, type) and hasattr(value, "play")}
    assert {name for cell in cells for name in re.findall(r"`(\w+)\(", cell)} == kinds - {"Fault"}


def test_the_reference_has_every_public_module() -> None:
    pages = sorted((ROOT / "docs").glob("api*.rst"))
    reference = "\n".join(page.read_text(encoding="utf-8") for page in pages)
    integrations = {
        f"aembed.integrations.{path.stem}"
        for path in (ROOT / "aembed" / "integrations").glob("*.py")
        if "__all__" in path.read_text(encoding="utf-8")
    }
    public = {module.__name__ for module in MODULES} | {"aembed.bench", "aembed.testing.faults"} | integrations
    assert set(re.findall(r"^\.\. exports:: (\S+)", reference, re.MULTILINE)) == public
    # Each group of `aembed` itself has its heading; the directive takes all names of the others.
    assert re.findall(r":only: (\w+)", reference) == ["functions", "rest", "settings", "errors"]


def test_the_page_on_errors_has_every_error() -> None:
    page = (ROOT / "docs" / "errors.md").read_text(encoding="utf-8")
    rows = re.findall(r"^\| `(\w+Error)` \|", page, re.MULTILINE)
    assert set(rows) == {name for name in aembed.__all__ if name.endswith("Error")} - {"AembedError"}


def test_the_first_steps_have_every_extra() -> None:
    page = (ROOT / "docs" / "first-steps.md").read_text(encoding="utf-8")
    extras = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]["optional-dependencies"]
    rows = dict(re.findall(r"^\| (`[a-z`, -]+`) \| (.+) \|$", page, re.MULTILINE))
    named = [set(re.findall(r"`([a-z-]+)`", cell)) for cell in rows]
    assert set().union(*named) == set(extras) - {"docs"}
    (everything,) = re.findall(r"aembed\[(.*)\]", extras["all"][0])
    left_out = set(re.findall(r"`([a-z-]+)`", rows["`all`"]))
    before = set().union(*named[: [*rows].index("`all`")])
    assert before - left_out == set(everything.split(","))


def test_the_pages_have_every_limit_and_event() -> None:
    words = {word for page in PAGES for word in re.findall(r"\w+", page.read_text(encoding="utf-8"))}
    names = {*aembed.Limits.model_fields, *(event.__name__ for event in get_args(aembed.Event))}
    assert names - words == set()


async def test_the_profiles_of_all_providers_open(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    toml = next(block.body for block in blocks(ROOT / "docs" / "providers.md") if "caption" in block.options)
    (tmp_path / "aembed.toml").write_text(toml, encoding="utf-8")
    for variable in re.findall(r"# (\w+_KEY)", toml):
        monkeypatch.setenv(variable, "some-key")
    config = Config.load(tmp_path / "aembed.toml")
    shown = {profile.model.partition(":")[0] for profile in config.profiles.values()}
    assert shown == {"azure", "cohere", "google", "jina", "mistral", "ollama", "openai", "tei", "voyage"}
    async with EmbedderFactory(config) as factory:
        for name in config.profiles:
            await factory.new_embedder(name)
