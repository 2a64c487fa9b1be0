"""Without an extra, its function names the command that installs it; the others work."""

from __future__ import annotations

import sys

import pytest

from aembed import Config, EmbedderFactory, MissingExtraError, telemetry


def without(monkeypatch: pytest.MonkeyPatch, package: str) -> None:
    for name in [name for name in sys.modules if name.startswith((f"{package}.", "aembed.telemetry."))]:
        if name.rpartition(".")[2] in {"listeners", "logs"}:
            continue
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, package, None)


def test_without_opentelemetry(monkeypatch: pytest.MonkeyPatch) -> None:
    without(monkeypatch, "opentelemetry")
    with pytest.raises(MissingExtraError, match=r'opentelemetry-api is not installed: pip install "aembed\[otel\]"'):
        telemetry.opentelemetry()
    assert callable(telemetry.logging())


async def test_without_prometheus_client(monkeypatch: pytest.MonkeyPatch) -> None:
    without(monkeypatch, "prometheus_client")
    async with EmbedderFactory(Config()) as factory:
        with pytest.raises(MissingExtraError, match=r'pip install "aembed\[prometheus\]"'):
            telemetry.prometheus(factory)
