"""``--log-level`` and ``--log-json``: log records on standard error, and nothing else changes."""

from __future__ import annotations

import json
import logging

import pytest

from tests.cli.command import Aembed


def test_debug_shows_every_request(aembed: Aembed, notes: str) -> None:
    code, out, err = aembed("embed", notes, "-o", "v.npy", "-m", "mock", "--log-level", "debug")
    assert code == 0
    assert out.startswith("v.npy: shape (3, 128)")
    (request,) = [line for line in err.splitlines() if "request of 3 texts" in line]
    assert " DEBUG " in request


def test_info_shows_no_request(aembed: Aembed, notes: str) -> None:
    assert "request of" not in aembed("embed", notes, "-o", "v.npy", "-m", "mock", "--log-level", "info").err


def test_json_has_the_fields_of_each_event(aembed: Aembed, notes: str) -> None:
    err = aembed("embed", notes, "-o", "v.npy", "-m", "mock", "--log-level", "debug", "--log-json").err
    lines = [json.loads(line) for line in err.splitlines()]
    (request,) = [line for line in lines if line["event"] == "RequestDone"]
    assert (request["level"], request["texts"], request["model"]) == ("DEBUG", 3, "mock")
    assert "zwei" not in err


def test_an_unknown_level_is_a_wrong_option(aembed: Aembed, notes: str) -> None:
    code, _, err = aembed("embed", notes, "-o", "v.npy", "-m", "mock", "--log-level", "loud")
    assert code == 2
    assert all(word in err for word in ("--log-level", "'loud'", "'debug'", "'info'"))


@pytest.mark.parametrize("flags", [[], ["--log-json"]], ids=["quiet", "json"])
def test_the_logger_is_left_as_it_was(aembed: Aembed, notes: str, flags: list[str]) -> None:
    logger = logging.getLogger("aembed")
    before = logger.level, list(logger.handlers)
    assert aembed("embed", notes, "-o", "v.npy", "-m", "mock", *flags).code == 0
    assert (logger.level, logger.handlers) == before
