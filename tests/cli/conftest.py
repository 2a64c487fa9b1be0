"""The command run in this process, in an empty directory, and files to give it."""

from __future__ import annotations

import io
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from aembed.cli import main
from tests.cli.command import Aembed, Outcome


@pytest.fixture(autouse=True)
def _needs_its_extra() -> None:
    pytest.importorskip("typer", reason="needs the extra cli")


@pytest.fixture
def aembed(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Aembed:
    """Run the command in this process, in an empty directory, and say how it went."""

    def run(*arguments: str) -> Outcome:
        monkeypatch.setattr(sys, "argv", ["aembed", *arguments])
        with pytest.raises(SystemExit) as left:
            main()
        return Outcome(int(left.value.code or 0), *capsys.readouterr())

    return run


@pytest.fixture
def stdin(monkeypatch: pytest.MonkeyPatch) -> Callable[[bytes], None]:
    def give(content: bytes) -> None:
        monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(content)))

    return give


@pytest.fixture
def notes() -> str:
    """A text file with three lines to embed and two blank ones."""
    Path("notes.txt").write_text("one\n\nzwei — 二\r\n   \nthree", encoding="utf-8")
    return "notes.txt"


@pytest.fixture
def table() -> str:
    """A CSV file whose second row has no text."""
    Path("rows.csv").write_text("key,body,year\na,first,1990\nb,,1991\nc,third,1992\n")
    return "rows.csv"
