"""One change in a copy of the project, and the tests that reach it."""

from __future__ import annotations

import json
import multiprocessing
import multiprocessing.connection
import os
import re
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from coverage import CoverageData

from tests.mutation.forks import CONNECTION, NOT_HERE, Request
from tests.mutation.mutants import Mutant
from tests.mutation.warm import DURATIONS, FAILED

COPIED = (
    "aembed",
    "aembed_command.py",
    "aembed_pytest.py",
    "docs",
    "tests",
    "perf",
    "pyproject.toml",
    "README.md",
    "noxfile.py",
)
REWRITTEN = ("-W", "ignore::pytest.PytestAssertRewriteWarning")
"""A server has imported pytest's plugins before it begins."""
PYTEST = ("-x", "-q", "-p", "no:cacheprovider", "--no-header", "-p", "tests.mutation.warm")
LONGER_THAN_UNCHANGED = 3
"""Times the processor time that the tests take; more, and the change has made something hang."""
EXTRA_S = 10.0
WAITING_S = 60.0
"""Seconds that tests wait on top, for each other and for the processor."""


class Server:
    """A process that runs tests in copies of itself."""

    def __init__(self, directory: Path, *arguments: str) -> None:
        self.connection, theirs = multiprocessing.Pipe()
        environment = os.environ | {"PYTHONPATH": str(directory), CONNECTION: str(theirs.fileno())}
        command = [sys.executable, "-m", *arguments]
        with theirs:
            self._process = subprocess.Popen(
                command,
                cwd=directory,
                env=environment,
                pass_fds=[theirs.fileno()],
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
                start_new_session=True,
            )

    def exit_code(self, request: Request) -> int:
        self.connection.send(request)
        code = self.connection.recv()
        assert isinstance(code, int)
        return code

    def close(self) -> None:
        self.connection.close()
        self._process.send_signal(signal.SIGKILL)
        self._process.wait()


class Workplace:
    """A copy of the project, and which tests reach which of its lines."""

    def __init__(
        self, root: Path, directory: Path, tests: list[str], seconds: float, programs: Sequence[str] = ()
    ) -> None:
        self.directory = directory
        self.tests = tests
        self._programs = tuple(programs)
        """Test files that run the room in other processes, where no line is measured."""
        self._seconds = seconds
        self._failed: set[str] = set()
        for name in COPIED:
            if (root / name).is_dir():
                shutil.copytree(root / name, directory / name, ignore=shutil.ignore_patterns("__pycache__", "results"))
            else:
                shutil.copy(root / name, directory / name)
        self._by_line: dict[str, dict[int, set[str]]] = {}
        self._durations: dict[str, float] = {}
        self._costs: dict[str, float] = {}

    def measure(self, files: list[str]) -> None:
        """Runs the tests once, unchanged. They have to pass."""
        config = self.directory / "mutation.coveragerc"
        config.write_text(
            f"[run]\nrelative_files = true\ninclude = {','.join(files)}\ndata_file = {self.directory}/reached\n"
        )
        cov = ["--cov", f"--cov-config={config}", "--cov-context=test", "--cov-report="]
        command = [sys.executable, "-m", "pytest", *PYTEST, *cov, *self.tests]
        environment = os.environ | {"PYTHONPATH": str(self.directory)}
        if (code := subprocess.run(command, cwd=self.directory, env=environment, check=False).returncode) != 0:
            sys.exit(f"the tests fail without any change (exit code {code})")
        self._durations, self._costs = json.loads((self.directory / DURATIONS).read_text(encoding="utf-8"))
        data = CoverageData(str(self.directory / "reached"))
        data.read()
        for path in data.measured_files():
            by_line = data.contexts_by_lineno(path)
            name = Path(path).as_posix().removeprefix(f"{self.directory}/")
            self._by_line[name] = {line: {c.partition("|")[0] for c in found} for line, found in by_line.items()}

    @contextmanager
    def servers(self) -> Iterator[None]:
        """Starts the processes that run the tests."""
        self._warm = Server(self.directory, "pytest", *PYTEST, *self.tests)
        self._cold = Server(self.directory, "tests.mutation.cold")
        try:
            self._cold.connection.send(self._warm.connection.recv())
            yield
        finally:
            self._warm.close()
            self._cold.close()

    def reaching(self, mutant: Mutant) -> list[str]:
        """Tests that run the line, or may run it in another process, the cheapest first.

        What runs at import is reached by all that run anything else of the file.
        """
        lines = self._by_line.get(mutant.path, {})
        found = lines.get(mutant.line, set()) - {""}
        if mutant.at_import:
            found = set().union(self._importing(mutant.path), *lines.values()) - {""}
        if found:
            found = found | {test for test in self._costs if test.startswith(self._programs)}
        return sorted(found or self._costs, key=lambda test: (self._costs.get(test, 0.0), test))

    def _affordable(self, tests: list[str]) -> list[str]:
        chosen, cost = [], 0.0
        for test in tests:
            chosen.append(test)
            cost += self._costs.get(test, 0.0)
            if cost > self._seconds:
                break
        return chosen

    def _importing(self, path: str) -> set[str]:
        """Test files that name a module: they may look at its tables, and run none of its lines."""
        module = path.removesuffix(".py").replace("/", ".")
        package, _, name = module.rpartition(".")
        named = re.compile(
            rf"{re.escape(module)}\b|^from {re.escape(package)} import (\([^)]*|.*)\b{name}\b", re.MULTILINE
        )
        files = [file for test in self.tests for file in sorted((self.directory / test).rglob("*.py")) or [Path(test)]]
        files = [file.relative_to(self.directory) if file.is_absolute() else file for file in files]
        return {
            file.as_posix()
            for file in files
            if file.name.startswith("test_") and named.search((self.directory / file).read_text(encoding="utf-8"))
        }

    def is_noticed(self, mutant: Mutant) -> bool:
        """True if a test fails, or none ends, with this change."""
        tests = self._affordable(self.reaching(mutant))
        duration = sum(self._durations.get(test, 0.0) for test in tests)
        limits = LONGER_THAN_UNCHANGED * duration + EXTRA_S, LONGER_THAN_UNCHANGED * duration + WAITING_S
        code = NOT_HERE
        with self._changed(mutant) as before:
            if not self._is_run_at_import(mutant):
                code = self._warm.exit_code(Request(tuple(tests), *limits, mutant.path, before, mutant.source))
                self._failed.update(self._failures())
            if code == NOT_HERE:
                selection = self.directory / "selection"
                selection.write_text("\n".join(tests), encoding="utf-8")
                code = self._cold.exit_code(Request((*PYTEST, *REWRITTEN, f"@{selection}"), *limits))
        return code != 0

    def check(self) -> None:
        """Tests that noticed a change in a copy of the process pass there without one."""
        if self._failed and self._warm.exit_code(Request(tuple(sorted(self._failed)), 3600, 3600)) != 0:
            sys.exit(f"fails in a copy of the process without any change: {self._failures()}")

    def _failures(self) -> list[str]:
        """Tests that failed in the last copy; none if that was ended."""
        path = self.directory / FAILED
        if not path.exists():
            return []
        failed: list[str] = json.loads(path.read_text(encoding="utf-8"))
        path.unlink()
        return failed

    def _is_run_at_import(self, mutant: Mutant) -> bool:
        return mutant.at_import or "" in self._by_line.get(mutant.path, {}).get(mutant.line, ())

    @contextmanager
    def _changed(self, mutant: Mutant) -> Iterator[str]:
        path = self.directory / mutant.path
        before = path.read_text(encoding="utf-8")
        try:
            self._write(path, mutant.source)
            yield before
        finally:
            self._write(path, before)

    @staticmethod
    def _write(path: Path, source: str) -> None:
        """Write it and delete its compiled file, which Python takes for current if size and second are the same."""
        path.write_text(source, encoding="utf-8")
        for compiled in (path.parent / "__pycache__").glob(f"{path.stem}.*"):
            compiled.unlink()
