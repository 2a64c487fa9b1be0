"""Events of calls, as a listener collects them."""

from __future__ import annotations

from typing import Any

from aembed import CallDone, Embedder, EmbedderFactory, Event, ModelSpec
from aembed.testing import ScriptedProvider
from tests.engine.call import AT_ONCE


class Log(list[Any]):
    """A listener that keeps events."""

    def __call__(self, event: Event) -> None:
        self.append(event)

    def of(self, kind: type[Any]) -> list[Any]:
        return [event for event in self if type(event) is kind]

    @property
    def done(self) -> CallDone:
        """The only one."""
        (event,) = self.of(CallDone)
        assert isinstance(event, CallDone)
        return event


async def opened(factory: EmbedderFactory, log: Log, model: Any = None, **options: Any) -> Embedder:
    model = model or ScriptedProvider(spec=ModelSpec(name="scripted", provider="scripted"))
    return await factory.new_embedder(model, **{"on_event": log, "retry": AT_ONCE, **options})


SHARING: dict[str, dict[str, Any]] = {
    "nothing": {},
    "cache": {"cache": True},
    "merge": {"merge": True},
    "both": {"cache": True, "merge": True},
}
