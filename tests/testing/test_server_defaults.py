"""A server without settings, and types of vectors that it rejects."""

from __future__ import annotations

import pytest

from aembed.testing import LoopbackServer
from aembed.testing.server.request_handler import Behaviour
from tests.testing.test_script import Server


def test_a_server_that_is_told_nothing_behaves_as_usual() -> None:
    made = LoopbackServer()
    assert (made.dialect, made.script) == ("openai", Behaviour())


@pytest.mark.parametrize("dialect", ["mistral", "voyage"])
def test_only_float_vectors_are_given(dialect: str) -> None:
    server = Server(dialect)
    assert server.ask("a", output_dtype="float").status == 200
    assert server.ask("a", output_dtype="int8").reason == "field"
