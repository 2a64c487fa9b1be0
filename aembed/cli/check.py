"""What ``aembed check`` says: where the configuration comes from, what it holds, and whether each model answers."""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from pydantic import BaseModel
from rich.console import Console
from rich.table import Table

from aembed import Config, EmbedderFactory, Health, Profile
from aembed.cli.errors import say

SECRET = {"api_key", "headers", "provider_options"}
MASK = "**********"


@dataclass(frozen=True, slots=True)
class Row:
    """One configured model."""

    name: str
    model: str
    settings: str
    health: Health

    @property
    def state(self) -> str:
        """Whether it answers, in words."""
        if self.health.ok:
            return f"ok, {self.health.latency * 1000:,.0f} ms"
        return f"failed: {self.health.error}"


def sources() -> str:
    """Where settings come from, by name; their values are not shown."""
    named = os.environ.get("AEMBED_CONFIG")
    file = Path(named or "aembed.toml")
    origins = [str(file)] if file.is_file() else []
    origins += sorted(name for name in os.environ if name.upper().startswith("AEMBED_") and name != "AEMBED_CONFIG")
    return f"configuration: {', '.join(origins) or 'none; the defaults hold'}"


async def check(config: Config) -> list[Row]:
    """Ask every configured model one tiny question; with nothing configured, the default one."""
    async with EmbedderFactory(config) as factory:
        health: Mapping[str, Health] = await factory.check_health()
    return [_row(config, name, health[name]) for name in sorted(health)]


def show(rows: list[Row]) -> None:
    """A table on a terminal; lines with tabs in a pipe."""
    if not sys.stdout.isatty():
        say("\n".join(f"{row.name}\t{row.model}\t{row.state}\t{row.settings}" for row in rows))
        return
    table = Table("name", "model", "health", "settings")
    for row in rows:
        table.add_row(row.name, row.model, row.state, row.settings)
    Console().print(table)


def _row(config: Config, name: str, health: Health) -> Row:
    profile = config.profiles.get(name)
    if profile is None:
        return Row(name, name, "", health)
    return Row(name, profile.model, _settings(profile), health)


def _settings(profile: Profile) -> str:
    """What the profile sets. Of keys and headers only that they are set."""
    said = []
    for name in sorted(profile.model_fields_set - {"model"}):
        value = getattr(profile, name)
        said.append(f"{name}={MASK}" if name in SECRET else f"{name}={_shown(value)}")
    return ", ".join(said)


def _shown(value: object) -> str:
    """Of a table only what it sets. A proxy's password is masked by its type."""
    if not isinstance(value, BaseModel):
        return str(value)
    return f"({', '.join(f'{name}={getattr(value, name)}' for name in sorted(value.model_fields_set))})"
