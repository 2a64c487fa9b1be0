"""Output of ``aembed check``: sources of the configuration, its settings, and the health of each model."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from dataclasses import dataclass

from pydantic import BaseModel
from rich.console import Console
from rich.table import Table
from rich.text import Text

from aembed import Config, ConfigError, EmbedderFactory, Health, Profile
from aembed.cli.errors import plain, say

SECRET = {"api_key", "headers", "provider_options"}
MASK = "**********"


@dataclass(frozen=True, slots=True)
class CheckRow:
    """One configured model."""

    name: str
    model: str
    settings: str
    health: Health

    @property
    def state(self) -> str:
        """Health in words: the latency, or the error."""
        if self.health.ok:
            return f"ok, {self.health.latency * 1000:,.0f} ms"
        return f"failed: {self.health.error}"


def sources(config: Config) -> str:
    """Names of the file and the variables that settings come from; no values."""
    return f"configuration: {', '.join(config.sources) or 'none; the defaults hold'}"


async def check(config: Config) -> list[CheckRow]:
    """Send one test request to each configured model; with none configured, to the default model."""
    async with EmbedderFactory(config) as factory:
        for name in sorted(config.profiles):
            if name.partition(":")[0] in factory.available_providers():
                what = "model" if ":" in name else "provider"
                print(f"aembed: profile {name!r} takes the place of the {what} {name!r}; rename it", file=sys.stderr)
        health: Mapping[str, Health] = await factory.check_health()
    return [_row(config, name, health[name]) for name in sorted(health)]


def show(rows: list[CheckRow]) -> None:
    """A table on a terminal; lines with tabs in a pipe."""
    if not sys.stdout.isatty():
        say("\n".join(f"{row.name}\t{row.model}\t{row.state}\t{row.settings}" for row in rows))
        return
    table = Table("name", "model", "health", "settings")
    for row in rows:
        table.add_row(*(Text(plain(cell)) for cell in (row.name, row.model, row.state, row.settings)))
    Console().print(table)


def _row(config: Config, name: str, health: Health) -> CheckRow:
    profile = config.profiles.get(name)
    said = [*_of_variables(config, name), *([] if profile is None else _settings(profile))]
    return CheckRow(name, name if profile is None else profile.model, ", ".join(said), health)


def _of_variables(config: Config, name: str) -> list[str]:
    """Address and key where the provider's own variables have set them, with the variable."""
    try:
        found = config.endpoint(name)
    except ConfigError:
        return []  # its health says why
    said = [("base_url", found.base_url, found.base_url_origin), ("api_key", found.key and MASK, found.key_origin)]
    return [f"{field}={value} ({origin})" for field, value, origin in said if value and origin.isupper()]


def _settings(profile: Profile) -> list[str]:
    """Settings of the profile; keys and headers are masked."""
    said = []
    for name in sorted(profile.model_fields_set - {"model"}):
        value = getattr(profile, name)
        said.append(f"{name}={MASK}" if name in SECRET else f"{name}={_shown(value)}")
    return said


def _shown(value: object) -> str:
    """A table as its fields that are set. The type of a proxy's address masks the password."""
    if not isinstance(value, BaseModel):
        return str(value)
    return f"({', '.join(f'{name}={getattr(value, name)}' for name in sorted(value.model_fields_set))})"
