"""Embed text from inside asyncio programs, at exactly the speed the provider's quota allows.

Where things are:
    _factory      owner of embedders, sessions and gates; puts the layers in order
    _embedder     what users hold            _stream   ordered chunks in bounded memory
    _memo         cache and single-flight  _cache    a store, and what is on its way to it
    _merge        concurrent small calls in one request
    _flight       texts on their way for several calls     _identity   what decides a vector
    _engine       plan -> fan out -> retry(admit(timeout(provider)) -> check) -> place
    _plan _fan_out _retry _check _job        one step of that line each
    _batch_cap                               how many texts a server takes at once, learnt from refusals
    _isolation _proof                        the text that makes every batch fail; that the server works meanwhile
    _bound                                   what cannot be copied into another process
    _time_limit _stopwatch                   the same seconds for many blocks, and one timer for all; time that passed
    _gate         admission: slots, quotas, lanes, pauses, for one account
    _input _calls _home _overlong            what comes in; what is under way, on which loop; texts that are too long
    _settings     settings; where keys come from; the only readers of environment and files
    _registry _model_names     provider names; the model that a slip in writing meant
    _accounts     whose quota a request draws on, and the limits its embedders name
    _shared_models     models in this process, each in memory once
    _types _errors _events _listeners        nouns; the error tree; what can be observed, and by whom
    _quantize     float32 vectors made compact
    _wire         HTTP: requests out, rows in, refusals into errors
    stores        vectors kept across calls: in memory, or in a file
    providers     local, static, mock, and one file for each API; imported when first opened
    jobs          bulk jobs: files of any size, resumable
    testing cli   public test doubles; the ``aembed`` command
    bench         the benchmark runner; imports public names alone
"""

from aembed._embedder import Embedder
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
    DeadlineExceeded,
    Event,
    OtherModel,
    RequestDone,
    RetryScheduled,
    Statistics,
    StoreFailed,
)
from aembed._factory import EmbedderFactory
from aembed._plan import estimate_tokens
from aembed._quantize import Precision, quantize
from aembed._registry import Registry
from aembed._settings.config import Config
from aembed._settings.http import HttpSettings
from aembed._settings.options import EmbedderOptions, Profile
from aembed._settings.policies import Limits, MergePolicy, RetryPolicy
from aembed._stream import DocumentStream
from aembed._types import (
    Chunk,
    EmbedResult,
    Health,
    Kind,
    MeasuresTexts,
    ModelSpec,
    Provider,
    QuotaHints,
    Reply,
    Source,
    Store,
    TextSize,
    Usage,
    Vector,
    Vectors,
)
from aembed._version import __version__

__all__ = [
    "AembedError",
    "AuthenticationError",
    "BadRequestError",
    "BadTextError",
    "BatchFailed",
    "BatchSplit",
    "BatchTooLargeError",
    "Chunk",
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
    "Event",
    "EventLoopError",
    "Health",
    "HttpSettings",
    "InputError",
    "Kind",
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
    "RequestTimeoutError",
    "RetryPolicy",
    "RetryScheduled",
    "Source",
    "Statistics",
    "Store",
    "StoreFailed",
    "TextSize",
    "TextTooLongError",
    "Usage",
    "Vector",
    "Vectors",
    "__version__",
    "estimate_tokens",
    "quantize",
]
