"""A provider over HTTP: one request for each batch, its reply decoded, its errors raised."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec
import numpy as np

from aembed._errors import (
    AuthenticationError,
    BadRequestError,
    BadTextError,
    ClosedError,
    ConfigError,
    ProviderError,
    ReplyError,
)
from aembed._types import Kind, ModelSpec, Reply, Source, Vectors
from aembed._wire.answer_errors import AnswerErrors
from aembed._wire.api import HttpApi
from aembed._wire.credentials import Credentials
from aembed._wire.decode import Decoded, NoReplyError
from aembed._wire.decoding import NUMBERS_ON_LOOP, ReplyDecoder
from aembed._wire.dimension import ChosenDimension
from aembed._wire.endpoint import find_endpoint
from aembed._wire.features import EndpointFeatures
from aembed._wire.model_echo import ModelCheck
from aembed._wire.quota_headers import quota_hints
from aembed._wire.reply_format import header_token_count
from aembed._wire.streaming import StreamingDecoder
from aembed._wire.transport import Response, Transport

MAX_DIM = 8192
"""Dimension that a reply may have before the real one is known."""
MAX_BYTES_PER_NUMBER = 32
"""Longest number in a reply, in characters, with whitespace and a comma."""
MAX_BYTES_AROUND = 2**20
"""Bytes allowed for the JSON around the vectors, or for an error."""
MAX_ECHOES = 4
"""Ratio of the bytes of repeated texts in a reply to those in the request: servers may escape all but ASCII."""


class HttpProvider:
    """A :class:`Provider` for a model of a JSON API. Its connections belong to the factory.

    Raises:
        ConfigError: a setting of ``source`` that the API or the model cannot honour.
    """

    def __init__(self, api: HttpApi, source: Source) -> None:
        endpoint = find_endpoint(api, source)
        self._api, self._spec = endpoint.api, endpoint.spec
        self._transport = _transport(source)
        self._credentials = Credentials(endpoint.headers, source)
        self._features = EndpointFeatures(endpoint)
        self._dimension = ChosenDimension(endpoint.spec, endpoint.dimensions)
        self._decoder = ReplyDecoder(endpoint.api.reply)
        self._errors = AnswerErrors(endpoint.api, endpoint.spec.provider, self._credentials.secrets)
        self._model_check = (
            ModelCheck(endpoint.spec.name, self._credentials.secrets) if endpoint.api.echoes_model else None
        )
        self._strict = source.strict
        # A server may ignore the dimension that it is asked for.
        width = MAX_DIM if endpoint.dimensions is not None else endpoint.spec.dim or MAX_DIM
        self._max_bytes_per_text = width * MAX_BYTES_PER_NUMBER
        self._closed = False

    @property
    def spec(self) -> ModelSpec:
        return self._spec

    @property
    def url(self) -> str:
        """Address of the endpoint."""
        return self._features.url

    async def embed(self, texts: Sequence[str], /, *, kind: Kind) -> Reply:
        """Send one request. Raises the :class:`ProviderError` that the answer means."""
        return await self.embed_into(None, texts, kind=kind)

    async def embed_into(self, rows: Vectors | None, texts: Sequence[str], /, *, kind: Kind) -> Reply:
        """Like ``embed``, decoding straight into ``rows`` if given."""
        if self._closed:
            raise ClosedError(f"the provider of {self._spec.provider}:{self._spec.name} is closed")
        features = self._features
        if rows is None and self._spec.dim is not None:
            rows = np.empty((len(texts), self._spec.dim), np.float32)
        streaming = None
        if rows is not None and features.proven and rows.size > NUMBERS_ON_LOOP[features.base64]:
            streaming = self._decoder.streaming(rows)
        response = await self._send(texts, kind, streaming)
        is_chosen = features.gives_dimension
        decoded: Decoded | None = None
        failure: ProviderError | None = None
        try:
            place = rows if is_chosen else None
            decoded = self._decoder.at_once(response.body, texts, place, streaming)
            if decoded is None:
                decoded = await self._decoder.decode(response.body, texts, place, streaming)
        except ReplyError as error:
            decoded, failure = await self._recover(error, response, texts)
        if decoded is None:
            # Outside of the handler: as its context, the answer would stay in memory, and it may repeat a key.
            raise failure or AssertionError
        if features.base64 and not decoded.base64:
            features.drop_base64()
        features.proven = True
        other_model = None
        if self._model_check is not None:
            other_model = self._model_check.other_model(  # no local holds the body: a traceback may show locals
                response.body if streaming is None else streaming.skeleton or response.body, texts
            )
            if other_model is not None and self._strict:
                raise self._errors.other_model(response, texts, self._spec.name, other_model)
        return Reply(
            decoded.vectors if is_chosen else self._dimension.fit(decoded.vectors),
            self._count(response, decoded.tokens, texts),
            quota_hints(response.headers, self._errors.quota_headers),
            request_id=self._errors.id_of_success(response, texts),
            other_model=other_model,
        )

    async def aclose(self) -> None:
        """Reject later calls. The connections stay open for other providers of the account."""
        self._closed = True

    async def _send(self, texts: Sequence[str], kind: Kind, streaming: StreamingDecoder | None) -> Response:
        """The reply to a batch, after a plainer request for each feature that the endpoint rejects."""
        features, credentials = self._features, self._credentials
        most = len(texts) * self._max_bytes_per_text + MAX_BYTES_AROUND
        headers, is_renewed = credentials.headers, False
        if credentials.may_change:
            headers = await credentials.current()
        while True:
            asked, url = features.by_kind[kind], features.url
            body = msgspec.json.encode(self._api.request(texts, asked))
            sink = streaming if features.gives_dimension else None  # otherwise its rows have another length
            try:
                response = await self._transport.post(
                    url, body, headers, max_bytes=most + MAX_ECHOES * len(body), sink=sink
                )
            except ProviderError as error:
                self._errors.redact(error, texts)
                raise
            if response.status < 300:
                return response
            parsed = self._errors.parse(response, texts)
            if features.find_other_path(response, parsed, url):
                continue
            rejection = self._errors.rejection(response, parsed, texts, url)
            if type(rejection) is AuthenticationError and not is_renewed and await credentials.renewed(headers):
                headers, is_renewed = credentials.headers, True
                continue
            may_be_a_field = type(rejection) in {BadRequestError, BadTextError}
            if not may_be_a_field or not features.drop_rejected_field(parsed, asked):
                raise rejection

    async def _recover(
        self, error: ReplyError, response: Response, texts: Sequence[str]
    ) -> tuple[Decoded | None, ProviderError | None]:
        """The vectors of a malformed reply if only their dimension is wrong, else the error that the reply means."""
        features, errors = self._features, self._errors
        if isinstance(error, NoReplyError):
            hidden = errors.in_200(response, texts, features.url)
            return None, hidden or errors.no_reply(
                response, texts, features.url, error.mismatch, proven=features.proven
            )
        errors.located(error, response, texts)
        error.server_works = True
        if error.index is not None and not features.proven:  # a wrong vector, and no right one so far
            decoded = await self._decode_other_dimension(response, texts)
            if decoded is not None:
                return decoded, None
            features.drop_base64()
        return None, errors.in_200(response, texts, features.url) or error

    async def _decode_other_dimension(self, response: Response, texts: Sequence[str]) -> Decoded | None:
        """The vectors of a server that ignores ``dimensions``; ``None`` if something else is wrong with the reply."""
        if self._dimension.wanted is None:
            return None
        try:
            decoded = await self._decoder.decode_any_dimension(response.body, texts)
        except ReplyError:
            return None
        if self._dimension.may_be_doubles(decoded):
            return None
        vectors = self._dimension.fit(decoded.vectors)
        self._features.drop_dimensions()
        return decoded._replace(vectors=vectors)

    def _count(self, response: Response, tokens: int | None, texts: Sequence[str]) -> int | None:
        """The usage. Raises :class:`TextTooLongError` if it shows that the server truncated the text."""
        if self._api.tokens_header is not None:
            tokens = header_token_count(response.headers.get(self._api.tokens_header))
        limit = self._spec.max_text_tokens if self._api.truncates_silently else None
        if limit is not None and len(texts) == 1 and tokens is not None and tokens >= limit:
            raise self._errors.truncated(response, texts, limit)
        return tokens


def _transport(source: Source) -> Transport:
    if source.open_transport is None:
        raise ConfigError(f"{source.provider} needs a transport; make its embedder with EmbedderFactory.new_embedder")
    return source.open_transport()
