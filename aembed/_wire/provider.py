"""What all HTTP providers share: ask, read refusals, decode, and remember what the endpoint taught us."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial
from threading import Event
from typing import TypeVar
from urllib.parse import urlsplit

import anyio
import anyio.to_thread
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
    TextTooLongError,
)
from aembed._types import Kind, ModelSpec, Reply, Source, Vectors
from aembed._wire.api import Api, Asked
from aembed._wire.arriving import Arriving
from aembed._wire.credentials import Credentials
from aembed._wire.cut import Pause
from aembed._wire.decode import Decoded, NoReplyError, breathe, decode, token_count
from aembed._wire.echo import Echo, echoed_model, ends_with, is_same
from aembed._wire.matryoshka import open_model, shorten
from aembed._wire.quota_headers import quota_hints
from aembed._wire.redact import redact
from aembed._wire.refusal import ADVICE, Said, hear, hidden, refusal, request_id
from aembed._wire.transport import Response, Transport

T = TypeVar("T")

ON_THE_LOOP = 2**20
"""Bytes of a body decoded at once: under a millisecond as base64, two as numbers. Larger ones go to a worker thread."""
USUAL_BYTES = {True: 16 / 3, False: 20}
"""Of a number, in base64 or written out."""

USUAL_ID = re.compile(r"[\w.:=+/-]{1,100}", re.ASCII)
"""A request id that cannot hide a text of several words."""
MAX_NAME_CHARS = 100
"""Of a model's or a type's name that a server gives."""

NO_REPLIES = 2
"""Answers that are no reply of such a server, after which no third is asked for."""

WIDEST = 8192
"""Dimension that is allowed for before the real one is known."""
BYTES_PER_NUMBER = 32
"""A float written out takes up to 25 characters, with blanks and a comma."""
BYTES_AROUND = 2**20
"""For the JSON around the vectors, and for refusals."""
ECHOES = 4
"""Some servers repeat the texts, in more bytes than ours where they escape what is not ASCII."""


class HttpProvider:
    """A :class:`Provider` made of an :class:`Api`. Its connections belong to the factory."""

    def __init__(self, api: Api, spec: ModelSpec, source: Source) -> None:
        self._api = api
        self._url = api.url
        self._spec = spec
        self._asked = Asked(base64=api.shape.base64_key is not None, dimensions=source.dimensions)
        self._dimensions = source.dimensions
        self._proven = False
        """The endpoint has given a sound answer."""
        self._no_replies = 0
        self._credentials = Credentials(api.headers, source)
        self._secrets = self._credentials.secrets
        self._transport = _transport(source)
        self._one_thread = anyio.CapacityLimiter(1)
        self._strict = source.strict
        self._echo: Echo | None = None
        """Of the last answer."""
        self._other_model: str | None = None
        self._closed = False

    @property
    def spec(self) -> ModelSpec:
        return self._spec

    async def embed(self, texts: Sequence[str], /, *, kind: Kind) -> Reply:
        """One request. Raises the :class:`ProviderError` that the answer means."""
        return await self.embed_into(None, texts, kind=kind)

    async def embed_into(self, rows: Vectors | None, texts: Sequence[str], /, *, kind: Kind) -> Reply:
        """Like ``embed``, decoding straight into ``rows`` if given."""
        if self._closed:
            raise ClosedError(f"the provider of {self._spec.provider}:{self._spec.name} is closed")
        if rows is None and self._spec.dim is not None:
            rows = np.empty((len(texts), self._spec.dim), np.float32)
        arriving = None
        if rows is not None and self._proven and rows.size * USUAL_BYTES[self._asked.base64] > ON_THE_LOOP:
            arriving = Arriving(self._api.shape, rows, self._in_thread)
        response = await self._ask(texts, kind, arriving)
        chosen = self._asked.dimensions == self._dimensions
        decoded: Decoded | None = None
        refused: ProviderError | None = None
        try:
            decoded = await self._decode(response, texts, rows if chosen else None, arriving)
        except NoReplyError:
            refused = self._hidden_refusal(response, texts) or self._no_reply(response, texts)
        except ReplyError:
            refused = self._hidden_refusal(response, texts)
            if refused is None:
                raise
        if decoded is None:
            raise refused or AssertionError  # out of the handler, so that no answer that repeats a key hangs on it
        other_model = None
        if self._api.echoes_model:
            other_model = self._check_model(response, arriving, texts)
        vectors = decoded.vectors if chosen else self._of_chosen_dimension(decoded.vectors)
        tokens = self._count(response, decoded.tokens, texts)
        return Reply(
            vectors,
            tokens,
            quota_hints(response.headers),
            request_id=self._request_id(response, texts),
            other_model=other_model,
        )

    def _request_id(self, response: Response, texts: Sequence[str]) -> str | None:
        """Of a good answer, where the usual must cost next to nothing."""
        found = response.headers.get("x-request-id")
        if found is not None and USUAL_ID.fullmatch(found) and found not in texts:
            small = found.lower()
            if not any(secret.lower() in small or small in secret.lower() for secret in self._secrets):
                return found
        return request_id(response.headers, texts, self._secrets)

    def _quote(self, error: ProviderError, texts: Sequence[str]) -> None:
        """The transport's error: what it took from the server may repeat a text or a key."""
        error.args = tuple(redact(str(words), texts, self._secrets) for words in error.args)
        if error.request_id is not None:
            error.request_id = redact(error.request_id, texts, self._secrets)

    def _check_model(self, response: Response, arriving: Arriving | None, texts: Sequence[str]) -> str | None:
        """Another model than was asked for, if one answered: its vectors fit to no others. An error if strict."""
        self._look_for_model(response.body if arriving is None else arriving.skeleton or response.body, texts)
        if self._strict and self._other_model is not None:
            raise ReplyError(
                f"{self._spec.provider} answered with the model {self._other_model!r} where {self._spec.name!r} "
                "was asked for",
                status=response.status,
                request_id=request_id(response.headers, texts, self._secrets),
                retryable=False,
            )
        return self._other_model

    def _look_for_model(self, body: bytes, texts: Sequence[str]) -> None:
        """Apart from where errors are raised: a traceback may show what it holds."""
        if self._echo is None or not ends_with(body, self._echo):
            echo = self._echo = echoed_model(body)
            other = None if echo is None or is_same(self._spec.name, echo.name) else echo.name
            self._other_model = None if other is None else redact(other, texts, self._secrets, MAX_NAME_CHARS)

    async def aclose(self) -> None:
        self._closed = True

    async def _in_thread(self, work: Callable[[Pause], T]) -> T:
        """One at a time: several would only wait for each other, and keep the event loop waiting with them."""
        abandoned = Event()
        try:
            return await anyio.to_thread.run_sync(work, partial(breathe, abandoned), limiter=self._one_thread)
        finally:
            abandoned.set()

    async def _decode(
        self, response: Response, texts: Sequence[str], rows: Vectors | None, arriving: Arriving | None = None
    ) -> Decoded:
        """Numbers are asked for from then on where base64 never came, or has never been of use."""
        body, count = response.body, len(texts)
        of_this_kind = partial(decode, body, self._api.shape, count, echoed=texts)
        try:
            if arriving is not None and arriving.begun:
                decoded = await self._in_thread(partial(arriving.finish, body, count, echoed=texts))
            elif len(body) <= ON_THE_LOOP:
                decoded = of_this_kind(rows)
            else:
                decoded = await self._in_thread(partial(of_this_kind, rows))
        except ReplyError as error:
            error.provider, error.status = self._spec.provider, response.status
            error.request_id = request_id(response.headers, texts, self._secrets)
            if error.index is None or self._proven:
                raise
            other = await self._decode_other(partial(of_this_kind, None))  # a vector is wrong, and none was right yet
            if other is None:
                self._asked = replace(self._asked, base64=False)
                raise
            decoded = other
        if self._asked.base64 and not decoded.base64:
            self._asked = replace(self._asked, base64=False)
        self._proven = True
        return decoded

    async def _decode_other(self, with_any_dimension: Callable[[Pause], Decoded]) -> Decoded | None:
        """A reply whose vectors are sound and not of the dimension asked for; ``None`` if that is not what is wrong.

        Base64 of twice the length may be that of doubles, and proves nothing.
        """
        if self._dimensions is None:
            return None
        try:
            other = await self._in_thread(with_any_dimension)
        except ReplyError:
            return None
        if other.vectors.shape[1] in (self._dimensions, 2 * self._dimensions if other.base64 else None):
            return None
        vectors = self._of_chosen_dimension(other.vectors)
        self._asked = replace(self._asked, dimensions=None)
        return other._replace(vectors=vectors)

    async def _ask(self, texts: Sequence[str], kind: Kind, arriving: Arriving | None = None) -> Response:
        """The answer to a batch, asked for more plainly if the endpoint does not understand how we asked."""
        width = WIDEST if self._dimensions is not None else self._spec.dim or WIDEST  # it may not do as asked
        most = len(texts) * width * BYTES_PER_NUMBER + BYTES_AROUND
        credentials, headers, is_renewed = self._credentials, self._credentials.headers, False
        if credentials.may_change:
            headers = await credentials.current()
        while True:
            asked, url = self._asked, self._url
            body = msgspec.json.encode(self._api.request(texts, kind, asked))
            max_bytes = most + ECHOES * len(body)
            sink = arriving if asked.dimensions == self._dimensions else None  # else its rows are of another length
            try:
                response = await self._transport.post(url, body, headers, max_bytes=max_bytes, sink=sink)
            except ProviderError as failure:
                self._quote(failure, texts)
                raise
            if response.status < 300:
                return response
            said = hear(response, self._api.dialect, texts, self._secrets)
            if self._can_ask_elsewhere(response, said, url):
                continue
            error = self._refusal(response, said, texts, url)
            if type(error) is AuthenticationError and not is_renewed and await credentials.renewed(headers):
                headers, is_renewed = credentials.headers, True
                continue
            if type(error) not in {BadRequestError, BadTextError} or not self._ask_plainer(said, asked):
                raise error

    def _hidden_refusal(self, response: Response, texts: Sequence[str]) -> ProviderError | None:
        """The error that an answer of 200 holds instead of vectors, if so."""
        refused = hidden(response)
        if refused is None:
            return None
        said = hear(refused, self._api.dialect, texts, self._secrets)
        return self._refusal(refused, said, texts, self._url)

    def _count(self, response: Response, tokens: int | None, texts: Sequence[str]) -> int | None:
        """The tokens that the reply says it cost. Raises :class:`TextTooLongError` if they tell of a text cut short."""
        if self._api.tokens_header is not None:
            tokens = _header_count(response.headers.get(self._api.tokens_header))
        if self._api.cuts_at is None or len(texts) > 1 or (tokens or 0) < self._api.cuts_at:
            return tokens
        raise TextTooLongError(
            f"the server counts {self._api.cuts_at} tokens, as many as the model takes, and has cut the text if it has "
            f"more; {ADVICE[TextTooLongError]}",
            provider=self._spec.provider,
            status=response.status,
            request_id=request_id(response.headers, texts, self._secrets),
            maybe_billed=True,
            index=0,
        )

    def _no_reply(self, response: Response, texts: Sequence[str]) -> ReplyError:
        """An answer of 200 that is none: a login page, or another API. Where no other has ever come, base_url is wrong.

        The first may be an accident; with the second all is over. It is no outage: the server does answer.
        """
        self._no_replies += 1
        is_wrong = not self._proven and self._no_replies >= NO_REPLIES
        kind = redact(response.headers.get("content-type", "no content type"), texts, self._secrets, MAX_NAME_CHARS)
        path = redact(urlsplit(self._url).path, (), self._secrets)
        error = ReplyError(
            f"POST {path} is answered with {kind}, and not the JSON this kind of server gives; check base_url",
            provider=self._spec.provider,
            status=response.status,
            request_id=request_id(response.headers, texts, self._secrets),
            retryable=not is_wrong,
        )
        error.fatal = is_wrong
        return error

    def _refusal(self, response: Response, said: Said, texts: Sequence[str], url: str) -> ProviderError:
        path = redact(urlsplit(url).path, (), self._secrets)
        error = refusal(response, said, self._api.dialect, provider=self._spec.provider, texts=texts, path=path)
        error.request_id = request_id(response.headers, texts, self._secrets)
        return error

    def _can_ask_elsewhere(self, response: Response, said: Said, url: str) -> bool:
        """Nothing is served at the path, as far as is known, and there is another that most servers have."""
        if response.status != 404 or "model" in said.words.lower() or self._api.url_with_version is None:
            return False
        if url == self._url == self._api.url and not self._proven:
            self._url = self._api.url_with_version
        return url != self._url

    def _ask_plainer(self, said: Said, asked: Asked) -> bool:
        """Leave out what a 400 or 422 complains of, from now on. True if there is something new to try."""
        if asked != self._asked:
            return True  # another batch has learnt it meanwhile
        if asked.base64 and "encoding_format" in said.about:
            self._asked = replace(asked, base64=False)
            return True
        if asked.dimensions is not None and "dimensions" in said.about:
            self._asked = replace(asked, dimensions=None)
            return True
        return False

    def _of_chosen_dimension(self, vectors: Vectors) -> Vectors:
        """The endpoint does not let a dimension be chosen: its own may be the one, or the model's be shortened here."""
        wanted, given = self._dimensions, vectors.shape[1]
        if wanted is None or given == wanted:
            return vectors
        model = open_model(self._spec.name)
        if model is not None and model.dim == given:
            return shorten(vectors, wanted)  # that it may be was checked when the provider was opened
        raise BadRequestError(
            f"the server does not let this dimension be chosen: it gives {given}, not {wanted}; "
            "leave dimensions out, or ask for one that its model offers",
            provider=self._spec.provider,
        )


def _header_count(value: str | None) -> int | None:
    return token_count(int(value)) if value is not None and re.fullmatch(r"[0-9]{1,18}", value) else None


def refuse_options(source: Source) -> None:
    """For providers without ``provider_options``."""
    if source.options:
        raise ConfigError(f"{source.provider} has no provider_options, but was given {', '.join(source.options)}")


def _transport(source: Source) -> Transport:
    if source.open_transport is None:
        raise ConfigError(f"{source.provider} needs a transport; make its embedder with EmbedderFactory.new_embedder")
    return source.open_transport()
