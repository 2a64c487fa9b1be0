"""What the README shows is run: every Python block as it stands, with the output printed below it."""

from __future__ import annotations

import re
import subprocess
import sys
from itertools import pairwise
from pathlib import Path
from typing import NamedTuple

import pytest

from aembed import Config, EmbedderFactory

HTTP_PROVIDERS = ("azure", "cohere", "google", "jina", "mistral", "ollama", "openai", "tei", "voyage")
README = Path(__file__).parents[1] / "README.md"
FENCE = re.compile(r"^```(\w+)\n(.*?)^```$", re.MULTILINE | re.DOTALL)


class Example(NamedTuple):
    line: int
    code: str
    prints: str
    config: str | None


def examples() -> list[Example]:
    """A block of Python, the block below it, and the configuration file shown above it."""
    text = README.read_text(encoding="utf-8")
    fences = list(FENCE.finditer(text))
    found = []
    for before, (here, after) in zip(fences, pairwise(fences[1:]), strict=False):
        if here[1] == "python":
            line = text.count("\n", 0, here.start()) + 1
            assert after[1] == "text", f"line {line}: show what it prints"
            found.append(Example(line, here[2], after[2], before[2] if before[1] == "toml" else None))
    return found


def test_there_are_examples() -> None:
    assert len(examples()) >= 6


@pytest.mark.parametrize("example", examples(), ids=lambda example: f"line {example.line}")
def test_example(example: Example, tmp_path: Path) -> None:
    if "the local model" in example.code:
        pytest.importorskip("onnxruntime", reason="needs the extra local")
    if example.config is not None:
        (tmp_path / "aembed.toml").write_text(example.config, encoding="utf-8")
    (tmp_path / "example.py").write_text(example.code, encoding="utf-8")
    done = subprocess.run(
        [sys.executable, "example.py"], cwd=tmp_path, capture_output=True, text=True, check=False, timeout=120
    )
    assert (done.stdout, done.stderr, done.returncode) == (example.prints, "", 0)


async def test_the_profiles_of_all_providers_open(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    block = next(fence[2] for fence in FENCE.finditer(README.read_text(encoding="utf-8")) if "profiles.tei" in fence[2])
    (tmp_path / "aembed.toml").write_text(block, encoding="utf-8")
    for variable in re.findall(r"# (\w+_KEY)", block):
        monkeypatch.setenv(variable, "some-key")
    config = Config.load(tmp_path / "aembed.toml")
    assert {profile.model.partition(":")[0] for profile in config.profiles.values()} == set(HTTP_PROVIDERS)
    async with EmbedderFactory(config) as factory:
        for name in config.profiles:
            await factory.new_embedder(name)
