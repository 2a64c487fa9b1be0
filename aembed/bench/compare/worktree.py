"""Another revision's files, next to the working tree."""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from aembed import InputError


@contextmanager
def worktree(revision: str) -> Iterator[tuple[Path, Path]]:
    """A throw-away checkout of ``revision``, and the tree it comes from."""
    top = Path(_git("rev-parse", "--show-toplevel"))
    commit = _git("rev-parse", "--verify", "--end-of-options", f"{revision}^{{commit}}")
    with tempfile.TemporaryDirectory(prefix="aembed-ab-") as directory:
        there = Path(directory) / "base"
        _git("worktree", "add", "--quiet", "--detach", str(there), commit)
        try:
            yield there, top
        finally:
            _git("worktree", "remove", "--force", str(there))


def _git(*arguments: str) -> str:
    git = shutil.which("git")
    if git is None:
        raise InputError("comparing with a revision needs git, which is not on the PATH")
    environment = {name: value for name, value in os.environ.items() if not name.startswith("GIT_")}
    done = subprocess.run([git, *arguments], capture_output=True, text=True, check=False, env=environment)  # noqa: S603
    if done.returncode != 0:
        raise InputError(f"git {arguments[0]} failed: {done.stderr.strip()[:300]}")
    return done.stdout.strip()
