"""Write a provider for a JSON API in one file: its requests, its replies, its errors, and where its key comes from.

An :class:`HttpApi` describes the API. It is an opener as it is: register it under a name, or publish it as an entry
point of the group ``aembed.providers``. Connections, retries, quotas, redaction and decoding are aembed's. The
built-in providers over HTTP are written in the same way.
"""

from aembed._settings.base import Settings as ProviderOptions
from aembed._settings.vendors import with_path
from aembed._wire.api import HttpApi, RequestFeatures
from aembed._wire.api_errors import ErrorDialect
from aembed._wire.catalogue import HostedModel
from aembed._wire.error_body import ErrorBody
from aembed._wire.openai_format import OPENAI_ERRORS, OPENAI_REPLY, openai_error
from aembed._wire.prompts import Prompts
from aembed._wire.provider import HttpProvider
from aembed._wire.quota_headers import QuotaHeaders, duration, quota_scope
from aembed._wire.reply_format import ReplyFormat, VectorPositions, token_count
from aembed._wire.transport import BodySink, Response, Transport

__all__ = [
    "OPENAI_ERRORS",
    "OPENAI_REPLY",
    "BodySink",
    "ErrorBody",
    "ErrorDialect",
    "HostedModel",
    "HttpApi",
    "HttpProvider",
    "Prompts",
    "ProviderOptions",
    "QuotaHeaders",
    "ReplyFormat",
    "RequestFeatures",
    "Response",
    "Transport",
    "VectorPositions",
    "duration",
    "openai_error",
    "quota_scope",
    "token_count",
    "with_path",
]
