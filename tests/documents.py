"""The documentation's code blocks, and how each is run.

A page is a session: its blocks run from top to bottom in one directory.

- `````{code-block} LANGUAGE`` with ``:caption: FILE`` writes that file.
- ``````python`` is a program; the ``text`` block below it is its output.
- ``````console`` holds commands after ``$``, each followed by its output; a line ``...`` matches any lines, and
  ``...`` at the end of a line the rest of it.
- A comment above a block, ``<!-- needs: PACKAGE -->`` or ``<!-- not run: REASON -->``, says when it cannot run.
"""

from __future__ import annotations

import importlib.util
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

ROOT = Path(__file__).parents[1]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]
FENCE = re.compile(r"^(?P<tick>```+|:::+)(?P<info>[^\n]*)\n(?P<body>.*?)^(?P=tick)$", re.MULTILINE | re.DOTALL)
COMMENT = re.compile(r"<!-- (needs|not run): ([^>]*?) -->\n+\Z")
OPTION = re.compile(r"^:(\w+): (.*)\n", re.MULTILINE)
NO_PLUGINS = {"PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"}
"""The plugins of this environment are not those of readers."""
SECONDS = 120
"""Longest time one block may take: a local model is loaded within it."""


@dataclass(frozen=True)
class Block:
    """One fenced block of a page."""

    line: int
    language: str
    body: str
    options: dict[str, str] = field(default_factory=dict)
    needs: str | None = None
    not_run: str | None = None

    def is_missing(self) -> bool:
        """True if a package that the block needs is absent."""
        return self.needs is not None and any(not is_installed(name.strip()) for name in self.needs.split(","))


def blocks(page: Path) -> Iterator[Block]:
    """The fenced blocks of ``page``, from top to bottom."""
    text = page.read_text(encoding="utf-8")
    for fence in FENCE.finditer(text):
        info, body = fence["info"].strip(), fence["body"]
        options = {}
        if info.startswith("{code-block}"):
            info = info.removeprefix("{code-block}").strip()
            head = re.match(r"(?:^:\w+: .*\n)*\n?", body, re.MULTILINE)
            options = dict(OPTION.findall(head[0] if head else ""))
            body = body[head.end() if head else 0 :]
        comment = COMMENT.search(text, 0, fence.start())
        said = {comment[1]: comment[2]} if comment else {}
        line = text.count("\n", 0, fence.start()) + 1
        yield Block(line, info, body, options, said.get("needs"), said.get("not run"))


def is_installed(package: str) -> bool:
    """True if ``package`` can be imported; it may be inside of another package."""
    try:
        return importlib.util.find_spec(package) is not None
    except ModuleNotFoundError:
        return False


@dataclass(frozen=True)
class Mismatch:
    """A block that printed something else than the page shows."""

    line: int
    shown: str
    printed: str


def run_page(page: Path, directory: Path) -> list[Mismatch]:
    """Run the blocks of ``page`` in ``directory``; every block whose output differs from the page."""
    found: list[Mismatch] = []
    programs: list[tuple[Block, str]] = []
    for block in blocks(page):
        if block.language == "text" and programs:
            program, printed = programs.pop()
            if not is_shown(block.body, printed):
                found.append(Mismatch(program.line, block.body, printed))
        found += (Mismatch(program.line, "<no text block below>", printed) for program, printed in programs if printed)
        programs.clear()
        if block.not_run is not None or block.is_missing():
            continue
        if "caption" in block.options:
            (directory / block.options["caption"]).write_text(block.body, encoding="utf-8")
        elif block.language == "python":
            (directory / "example.py").write_text(block.body, encoding="utf-8")
            programs.append((block, execute([sys.executable, "example.py"], directory)))
        elif block.language == "console":
            found += run_commands(block, directory)
    found += (Mismatch(program.line, "<no text block below>", printed) for program, printed in programs if printed)
    return found


def run_commands(block: Block, directory: Path) -> Iterator[Mismatch]:
    """Run each ``$`` line of a console block."""
    for step in re.split(r"^\$ ", block.body, flags=re.MULTILINE)[1:]:
        command, _, shown = step.partition("\n")
        printed = execute(["bash", "-c", command], directory)
        if not is_shown(shown.rstrip("\n") + "\n" if shown.strip() else "", printed):
            yield Mismatch(block.line, f"$ {command}\n{shown}", printed)


def execute(command: list[str], directory: Path) -> str:
    """Standard output and errors of ``command``, and its exit code unless that is 0."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("AEMBED_", "OPENAI_"))}
    paths = os.pathsep.join([str(Path(sys.executable).parent), kept.get("PATH", "")])
    done = subprocess.run(
        command,
        cwd=directory,
        env=kept | {"PATH": paths, "COLUMNS": "80", "NO_COLOR": "1", "PYTHONWARNINGS": "error"} | NO_PLUGINS,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
        timeout=SECONDS,
    )
    return done.stdout + (f"[exit code {done.returncode}]\n" if done.returncode else "")


def is_shown(shown: str, printed: str) -> bool:
    """True if ``printed`` is the text of the page, in which ``...`` means any lines, or for the rest of one."""

    def pattern(line: str) -> str:
        if line == "...\n":
            return r"(?:.*\n)*"
        return re.escape(line.removesuffix("...\n")) + (r".*\n" if line.endswith("...\n") else "")

    return re.fullmatch("".join(map(pattern, shown.splitlines(keepends=True))), printed) is not None
