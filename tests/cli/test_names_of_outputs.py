"""Outputs that name no file."""

from __future__ import annotations

import pytest

from tests.cli.command import Aembed, rejected


@pytest.mark.parametrize("outputs", [(), ("-o", ""), ("-o", "v.npy", "-o", "")])
def test_an_output_without_a_name_is_nowhere(aembed: Aembed, notes: str, outputs: tuple[str, ...]) -> None:
    outcome = aembed("embed", notes, *outputs, "-m", "mock")
    rejected(outcome, f"nowhere to write to; add -o vectors.npy: aembed embed {notes} -o vectors.npy")
