"""Embed text from inside asyncio programs, as fast as the provider's quota allows.

Modules:
    _embedder _opening _stream     embeds; opens when awaited or entered; ordered chunks
    _factory                       owner of embedders; the only place that puts layers in order
    _sync                          the same for synchronous code, on one event loop thread for all of a process
    _accounts _shared_models       accounts, their gates and limits; in-process models, each once
    _registry                      provider names
    _lifecycle                     the event loop, and the calls in flight on it
    _unclosed                      the warning for an object that was never closed
    _types _results _errors        nouns; results of calls; the error tree
    _events _statistics            events for listeners; counters and their snapshots
    _groups _vectors               the first error of a task group; unit length and means of rows
    _call_runner _progress         a call within its deadline; its progress callback
    _observed                      a call with listeners, and its event
    _totals                        counters of a factory's embedders, for its statistics
    _input _quantize               checks of the input; float32 vectors made compact
    _http_status                   HTTP status of an error, for services
    _settings     settings; where keys come from; the only readers of environment and files
    _sharing      cache with single-flight, micro-batcher: texts that need no request, or share one
    _engine       plan -> fan out -> retry(admit(timeout(provider)) -> check) -> place
    _gate         admission: slots, quotas, lanes, pauses, for one account
    _wire         HTTP: requests out, rows in, error replies into errors
    http          public seam for JSON APIs: HttpApi and its parts
    stores        vectors kept across calls: in memory, or in a file
    providers     local, static, mock, and one file for each API; imported when first opened
    jobs          bulk jobs: files of any size, resumable
    telemetry     OpenTelemetry, Prometheus and log listeners
    integrations  adapters for LangChain, LlamaIndex, Pydantic AI, Haystack, Chroma and Ray Data
    testing cli   public test doubles; the ``aembed`` command
    bench         the benchmark runner; imports public names alone
"""

import importlib
import typing

from aembed._errors import (
    AembedError,
    AuthenticationError,
    BadRequestError,
    BadTextError,
    BatchTooLargeError,
    ClosedError,
    ConfigError,
    ConnectError,
    DeadlineError,
    EventLoopError,
    InputError,
    MissingExtraError,
    MissingKeyError,
    ModelNotFoundError,
    OverloadedError,
    ProviderError,
    QuotaExhaustedError,
    RateLimitError,
    ReplyError,
    RequestTimeoutError,
    TextTooLongError,
)
from aembed._events import (
    BatchFailed,
    BatchSplit,
    CallDone,
    CallStarted,
    CircuitClosed,
    CircuitOpened,
    DeadlineExceeded,
    Event,
    GatePaused,
    GateResumed,
    LimitChanged,
    OtherModel,
    RequestDone,
    RequestFailed,
    RequestPhases,
    RetryScheduled,
    StoreFailed,
)
from aembed._http_status import HttpStatus, http_status
from aembed._statistics import AccountStatistics, EmbedderStatistics, FactoryStatistics, Statistics
from aembed._version import __version__

if typing.TYPE_CHECKING:
    from aembed import bench as bench
    from aembed import http as http
    from aembed import jobs as jobs
    from aembed import stores as stores
    from aembed import telemetry as telemetry
    from aembed import testing as testing
    from aembed._embedder import Embedder
    from aembed._engine.plan import estimate_tokens
    from aembed._factory import EmbedderFactory, new_embedder
    from aembed._quantize import Precision, quantize
    from aembed._registry import Registry
    from aembed._results import Chunk, EmbedResult, Health, Usage
    from aembed._settings.config import Config
    from aembed._settings.http import HttpSettings
    from aembed._settings.options import EmbedderOptions, Profile
    from aembed._settings.policies import Limits, MergePolicy, RetryPolicy
    from aembed._stream import DocumentStream
    from aembed._sync import SyncDocumentStream, SyncEmbedder
    from aembed._types import (
        Kind,
        MeasuresTexts,
        ModelSpec,
        Provider,
        QuotaHints,
        Reply,
        Source,
        Store,
        TextSize,
        Vector,
        Vectors,
        WritesRows,
    )

__all__ = [
    "AccountStatistics",
    "AembedError",
    "AuthenticationError",
    "BadRequestError",
    "BadTextError",
    "BatchFailed",
    "BatchSplit",
    "BatchTooLargeError",
    "CallDone",
    "CallStarted",
    "Chunk",
    "CircuitClosed",
    "CircuitOpened",
    "ClosedError",
    "Config",
    "ConfigError",
    "ConnectError",
    "DeadlineError",
    "DeadlineExceeded",
    "DocumentStream",
    "EmbedResult",
    "Embedder",
    "EmbedderFactory",
    "EmbedderOptions",
    "EmbedderStatistics",
    "Event",
    "EventLoopError",
    "FactoryStatistics",
    "GatePaused",
    "GateResumed",
    "Health",
    "HttpSettings",
    "HttpStatus",
    "InputError",
    "Kind",
    "LimitChanged",
    "Limits",
    "MeasuresTexts",
    "MergePolicy",
    "MissingExtraError",
    "MissingKeyError",
    "ModelNotFoundError",
    "ModelSpec",
    "OtherModel",
    "OverloadedError",
    "Precision",
    "Profile",
    "Provider",
    "ProviderError",
    "QuotaExhaustedError",
    "QuotaHints",
    "RateLimitError",
    "Registry",
    "Reply",
    "ReplyError",
    "RequestDone",
    "RequestFailed",
    "RequestPhases",
    "RequestTimeoutError",
    "RetryPolicy",
    "RetryScheduled",
    "Source",
    "Statistics",
    "Store",
    "StoreFailed",
    "SyncDocumentStream",
    "SyncEmbedder",
    "TextSize",
    "TextTooLongError",
    "Usage",
    "Vector",
    "Vectors",
    "WritesRows",
    "__version__",
    "estimate_tokens",
    "http_status",
    "new_embedder",
    "quantize",
]

_ROOMS = frozenset({"bench", "http", "jobs", "stores", "telemetry", "testing"})
"""Public modules that are imported on first use: none of them slows ``import aembed`` down."""
_OF_EMBEDDERS = {
    "_embedder": ("Embedder",),
    "_engine.plan": ("estimate_tokens",),
    "_factory": ("EmbedderFactory", "new_embedder"),
    "_quantize": ("Precision", "quantize"),
    "_registry": ("Registry",),
    "_results": ("Chunk", "EmbedResult", "Health", "Usage"),
    "_settings.config": ("Config",),
    "_settings.http": ("HttpSettings",),
    "_settings.options": ("EmbedderOptions", "Profile"),
    "_settings.policies": ("Limits", "MergePolicy", "RetryPolicy"),
    "_stream": ("DocumentStream",),
    "_sync": ("SyncDocumentStream", "SyncEmbedder"),
    "_types": (
        *("Kind", "MeasuresTexts", "ModelSpec", "Provider", "QuotaHints", "Reply"),
        *("Source", "Store", "TextSize", "Vector", "Vectors", "WritesRows"),
    ),
}
"""Names that need pydantic and numpy, by their modules. The first use of any imports all: a program that only measures
(``aembed.bench``) uses none."""


if not typing.TYPE_CHECKING:  # for type checkers every name is above, and another is an error

    def __getattr__(name: str) -> typing.Any:
        if name in _ROOMS:
            return importlib.import_module(f"aembed.{name}")
        if name not in __all__:
            raise AttributeError(f"module 'aembed' has no attribute {name!r}")
        for place, names in _OF_EMBEDDERS.items():
            module = importlib.import_module(f"aembed.{place}")
            globals().update({each: getattr(module, each) for each in names})
        return globals()[name]


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__, *_ROOMS})
