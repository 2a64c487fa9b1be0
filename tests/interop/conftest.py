"""Real servers. Collected only where ``AEMBED_INTEROP`` names their environments: ``nox -s interop`` sets it."""

from __future__ import annotations

import os
from collections.abc import AsyncGenerator, Generator
from pathlib import Path

import pytest

from aembed._settings.http import HttpSettings
from aembed._wire.http import HttpTransport
from tests.interop.fleet import TARGETS, Fleet
from tests.interop.servers import Target

ENVIRONMENTS = os.environ.get("AEMBED_INTEROP")

collect_ignore_glob = [] if ENVIRONMENTS else ["test_*.py"]


@pytest.fixture(scope="session")
def fleet(tmp_path_factory: pytest.TempPathFactory) -> Generator[Fleet]:
    assert ENVIRONMENTS is not None, "these tests are not collected without it"
    fleet = Fleet(Path(ENVIRONMENTS), tmp_path_factory.mktemp("servers"))
    try:
        yield fleet
    finally:
        fleet.stop()


@pytest.fixture(scope="session", params=TARGETS)
def target(fleet: Fleet, request: pytest.FixtureRequest) -> Target:
    """Each server in turn, running."""
    return fleet[request.param]


@pytest.fixture
async def transport(_no_leaks: None) -> AsyncGenerator[HttpTransport]:
    transport = HttpTransport(HttpSettings())
    try:
        yield transport
    finally:
        await transport.aclose()
