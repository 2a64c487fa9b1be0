"""One change in a copy of the project, and the tests that reach it."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from coverage import CoverageData

from tests.mutation.mutants import Mutant

COPIED = ("aembed", "tests", "perf", "pyproject.toml", "README.md", "noxfile.py")
LONGER_THAN_UNCHANGED = 2
"""Times the duration of all tests of the room; more, and the change has made something hang."""
EXTRA_S = 30.0


class Workplace:
    """A copy of the project, and which tests reach which of its lines."""

    def __init__(self, root: Path, directory: Path, tests: list[str]) -> None:
        self.directory = directory
        self.tests = tests
        for name in COPIED:
            if (root / name).is_dir():
                shutil.copytree(root / name, directory / name, ignore=shutil.ignore_patterns("__pycache__", "results"))
            else:
                shutil.copy(root / name, directory / name)
        self._by_line: dict[str, dict[int, set[str]]] = {}
        self._duration = 0.0

    def measure(self, sources: list[str]) -> None:
        """Runs the tests once, unchanged. They have to pass."""
        config = self.directory / "mutation.coveragerc"
        include = ",".join(f"{source}/*" if (self.directory / source).is_dir() else source for source in sources)
        config.write_text(f"[run]\nrelative_files = true\ninclude = {include}\ndata_file = {self.directory}/reached\n")
        begun = time.monotonic()
        cov = ["--cov", f"--cov-config={config}", "--cov-context=test", "--cov-report="]
        if (code := self._pytest([*self.tests, *cov], 3600, show=True)) != 0:
            sys.exit(f"the tests fail without any change (exit code {code})")
        self._duration = time.monotonic() - begun
        data = CoverageData(str(self.directory / "reached"))
        data.read()
        for path in data.measured_files():
            by_line = data.contexts_by_lineno(path)
            name = Path(path).as_posix().removeprefix(f"{self.directory}/")
            self._by_line[name] = {line: {c.partition("|")[0] for c in found} for line, found in by_line.items()}

    def reaching(self, mutant: Mutant) -> list[str]:
        """Tests that run the line; what runs at import is reached by all that run anything else of the file.

        Those come first that are few of their kind: they are likely to be about the line, and soon over.
        """
        lines = self._by_line.get(mutant.path, {})
        found = lines.get(mutant.line, set())
        if mutant.at_import:
            found = set().union(self._importing(mutant.path), *lines.values())
        found = found - {""}  # none: in another process, if at all
        of_file = Counter(test.partition("::")[0] for test in found)
        return sorted(found, key=lambda test: (of_file[test.partition("::")[0]], test))

    def _importing(self, path: str) -> set[str]:
        """Test files that name a module: they may look at its tables, and run none of its lines."""
        module = path.removesuffix(".py").replace("/", ".")
        files = [file for test in self.tests for file in sorted((self.directory / test).rglob("*.py")) or [Path(test)]]
        files = [file.relative_to(self.directory) if file.is_absolute() else file for file in files]
        return {
            file.as_posix()
            for file in files
            if file.name.startswith("test_") and module in (self.directory / file).read_text(encoding="utf-8")
        }

    def is_noticed(self, mutant: Mutant) -> bool:
        """True if a test fails, or none ends, with this change."""
        with self._changed(mutant):
            return self._pytest(self.reaching(mutant) or self.tests, self._duration * LONGER_THAN_UNCHANGED) != 0

    @contextmanager
    def _changed(self, mutant: Mutant) -> Iterator[None]:
        path = self.directory / mutant.path
        before = path.read_text(encoding="utf-8")
        try:
            self._write(path, mutant.source)
            yield
        finally:
            self._write(path, before)

    @staticmethod
    def _write(path: Path, source: str) -> None:
        """Write it and delete its compiled file, which Python takes for current if size and second are the same."""
        path.write_text(source, encoding="utf-8")
        for compiled in (path.parent / "__pycache__").glob(f"{path.stem}.*"):
            compiled.unlink()

    def _pytest(self, arguments: list[str], limit_s: float, *, show: bool = False) -> int:
        selection = self.directory / "selection"
        selection.write_text("\n".join(arguments), encoding="utf-8")
        command = [sys.executable, "-m", "pytest", "-x", "-q", "-p", "no:cacheprovider", "--no-header", f"@{selection}"]
        output = None if show else subprocess.DEVNULL
        environment = os.environ | {"PYTHONPATH": str(self.directory)}
        process = subprocess.Popen(
            command, cwd=self.directory, env=environment, stdout=output, stderr=output, start_new_session=True
        )
        try:
            return process.wait(limit_s + EXTRA_S)
        except subprocess.TimeoutExpired:
            return -signal.SIGKILL
        finally:
            if process.poll() is None:
                os.killpg(process.pid, signal.SIGKILL)
                process.wait()
