"""Accounts: the quota that a request draws on, its gate, and the limits that its embedders state together."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TypeAlias

from pydantic import SecretStr

from aembed._errors import ConfigError
from aembed._gate import AboutGate, Gate
from aembed._settings.policies import Limits
from aembed._statistics import AccountStatistics
from aembed._types import ModelSpec

AccountId: TypeAlias = tuple[str, str | None, str | None] | int
"""Provider, base_url and a hash of the key; or the identity of a provider handed in."""

QuotaGroup: TypeAlias = tuple[AccountId, str | None]
"""The users of one quota: all models of an account, or one of them."""


def account_of(provider: str, base_url: str | None, key: SecretStr | None) -> AccountId:
    digest = None if key is None else hashlib.sha256(key.get_secret_value().encode()).hexdigest()
    return provider, base_url, digest


def has_owner(account: AccountId) -> bool:
    """False for models in this process: a provider handed in, or one with neither address nor key."""
    return not isinstance(account, int) and account[1:] != (None, None)


def quota_group(account: AccountId, spec: ModelSpec) -> QuotaGroup:
    return account, spec.name if spec.quota_scope == "model" else None


def label_of(group: QuotaGroup) -> str:
    """Short name of a quota for metrics and logs: a digest, from which no key can be recovered."""
    return hashlib.sha256(repr(group).encode()).hexdigest()[:8]


@dataclass(slots=True)
class _Shared:
    gate: Gate
    spec: ModelSpec
    members: dict[object, tuple[str, Limits]] = field(default_factory=dict[object, tuple[str, Limits]])
    """Open embedders: identity -> name, and the limits it was given."""


class Accounts:
    """One gate for each quota. Its limits are the union of those that its open embedders were given."""

    def __init__(self) -> None:
        self._groups: dict[QuotaGroup, _Shared] = {}

    @property
    def is_busy(self) -> bool:
        """Requests are in flight or wait at a gate."""
        return any(shared.gate.in_flight or shared.gate.waiting for shared in self._groups.values())

    def statistics(self) -> tuple[AccountStatistics, ...]:
        """State of each gate. From any thread."""
        return tuple(_statistics(group, shared) for group, shared in tuple(self._groups.items()))

    def join(self, member: object, name: str, group: QuotaGroup, spec: ModelSpec, limits: Limits) -> Gate:
        """The gate of the group, made if there is none.

        Raises:
            ConfigError: the limits contradict those of another open embedder; it names both.
        """
        shared = self._groups.get(group)
        others = {} if shared is None else shared.members
        agreed = _union({**others, member: (name, limits)}, whose=group[1] or "this account")
        if shared is None:
            gate = Gate(
                agreed.max_concurrency or spec.max_concurrency,
                with_defaults(agreed, spec),
                adaptive=spec.adaptive and agreed.max_concurrency is None,
                per_input=spec.quota_unit == "input",
            )
            gate.about = AboutGate(account=label_of(group), provider=spec.provider, model=group[1])
            shared = self._groups[group] = _Shared(gate, spec)
        elif agreed != _union(others):
            shared.gate.set_limits(with_defaults(agreed, spec))
        shared.members[member] = name, limits
        return shared.gate

    def leave(self, member: object, group: QuotaGroup) -> None:
        """Forget the limits of a closed embedder. The gate of an account stays, with the limits it has learnt."""
        shared = self._groups[group]
        before = _union(shared.members)
        del shared.members[member]
        after = _union(shared.members)
        if not shared.members and isinstance(group[0], int):
            del self._groups[group]
        elif after != before:
            shared.gate.set_limits(with_defaults(after, shared.spec))


def _statistics(group: QuotaGroup, shared: _Shared) -> AccountStatistics:
    gate = shared.gate.snapshot()
    return AccountStatistics(
        account=label_of(group),
        provider=shared.spec.provider,
        model=group[1],
        in_flight=gate.in_flight,
        waiting=gate.waiting,
        waiting_for=gate.waiting_for,
        slots=gate.slots,
        paused=gate.paused,
        circuit_open=gate.circuit_open,
        refusals=gate.rejections,
        limits=gate.limits,
        remaining=gate.remaining,
    )


def with_defaults(limits: Limits, spec: ModelSpec) -> Limits:
    """The user's limits, completed by those of the same name that the provider documents in its spec."""
    values = {name: getattr(limits, name) for name in Limits.model_fields}
    return Limits.from_table(
        {name: getattr(spec, name, None) if value is None else value for name, value in values.items()}
    )


def _union(members: Mapping[object, tuple[str, Limits]], whose: str = "") -> Limits:
    """The limits of all members. Raises :class:`ConfigError` if two say different things."""
    agreed: dict[str, tuple[object, str]] = {}
    for name, limits in members.values():
        for field_name, value in limits.table().items():
            if value is None:
                continue
            known, first = agreed.setdefault(field_name, (value, name))
            if known != value:
                raise ConfigError(
                    f"limits: {whose} already runs with {field_name}={known} ({first}), not {value} ({name}): they "
                    "share one quota; give the same, leave one out, or close the other embedder"
                )
    return Limits.from_table({field_name: value for field_name, (value, _) in agreed.items()})
