"""The errors of one provider's answers, with the server's words redacted."""

from __future__ import annotations

import re
from collections.abc import Sequence
from urllib.parse import urlsplit

from aembed._errors import ProviderError, ReplyError, TextTooLongError
from aembed._wire.api import HttpApi
from aembed._wire.api_errors import REMEDIES, REQUEST_IDS, api_error, parse_error, request_id
from aembed._wire.error_body import ErrorBody, error_in_200
from aembed._wire.quota_headers import USUAL
from aembed._wire.redact import redact
from aembed._wire.transport import Response

USUAL_ID = re.compile(r"[\w.:=+/-]{1,100}", re.ASCII)
"""Pattern of request ids that are shown: none can hide a text of several words."""
HAVE_ID = frozenset(REQUEST_IDS)
MAX_ANSWER_CHARS = 120
"""Characters of a media type, or of a field's path and types, that an error quotes."""
MAX_NO_REPLIES = 2
"""Number of answers from another API after which ``base_url`` must be wrong; a single one may be an accident."""


class AnswerErrors:
    """Turns answers without vectors into errors. ``secrets`` is a live list: keys may be renewed."""

    def __init__(self, api: HttpApi, provider: str, secrets: list[str]) -> None:
        self._dialect = api.errors
        self._provider = provider
        self._secrets = secrets
        self._no_replies = 0
        self.quota_headers = (*api.quota_headers, *USUAL)

    def parse(self, response: Response, texts: Sequence[str]) -> ErrorBody:
        return parse_error(response, self._dialect, texts, self._secrets)

    def rejection(self, response: Response, body: ErrorBody, texts: Sequence[str], url: str) -> ProviderError:
        """The error for the status and body of an answer."""
        error = api_error(
            response,
            body,
            self._dialect,
            provider=self._provider,
            texts=texts,
            path=self._path(url),
            quota_headers=self.quota_headers,
        )
        error.request_id = self.request_id(response, texts)
        return error

    def in_200(self, response: Response, texts: Sequence[str], url: str) -> ProviderError | None:
        """The error that a 200 holds instead of vectors, if it does."""
        hidden = error_in_200(response)
        return None if hidden is None else self.rejection(hidden, self.parse(hidden, texts), texts, url)

    def no_reply(
        self, response: Response, texts: Sequence[str], url: str, mismatch: str | None, *, proven: bool
    ) -> ReplyError:
        """A 200 that is not a reply of this API: a login page, or another API.

        If no valid reply has ever come, ``base_url`` is wrong: the second such answer ends all calls. It is no outage,
        for the server does answer.
        """
        self._no_replies += 1
        is_wrong = not proven and self._no_replies >= MAX_NO_REPLIES
        if mismatch is None:
            answer = f"{response.headers.get('content-type', 'no content type')}, not the JSON of this API"
        else:
            answer = f"other JSON, not the JSON of this API ({mismatch})"
        answer = redact(answer, texts, self._secrets, MAX_ANSWER_CHARS)
        error = ReplyError(f"POST {self._path(url)} was answered with {answer}; check base_url", retryable=not is_wrong)
        error.fatal = is_wrong
        return self.located(error, response, texts)

    def other_model(self, response: Response, texts: Sequence[str], requested: str, answered: str) -> ReplyError:
        """The error for a reply of another model than the requested one."""
        words = f"{self._provider} answered with the model {answered!r} instead of {requested!r}"
        return self.located(ReplyError(words, retryable=False), response, texts)

    def truncated(self, response: Response, texts: Sequence[str], max_tokens: int) -> TextTooLongError:
        """The error for a text that the server truncated silently: it counted as many tokens as the model takes."""
        return TextTooLongError(
            f"the server counted {max_tokens} tokens, the model's limit, and truncates a longer text silently; "
            f"{REMEDIES[TextTooLongError]}",
            provider=self._provider,
            status=response.status,
            request_id=self.request_id(response, texts),
            maybe_billed=True,
            index=0,
        )

    def located(self, error: ReplyError, response: Response, texts: Sequence[str]) -> ReplyError:
        """``error`` with provider, status and request id."""
        error.provider, error.status = self._provider, response.status
        error.request_id = self.request_id(response, texts)
        return error

    def redact(self, error: ProviderError, texts: Sequence[str]) -> None:
        """Redact an error of the transport: words that it quotes of the server may repeat a text or a key."""
        error.args = tuple(redact(str(words), texts, self._secrets) for words in error.args)
        if error.request_id is not None:
            error.request_id = redact(error.request_id, texts, self._secrets)

    def request_id(self, response: Response, texts: Sequence[str]) -> str | None:
        return request_id(response.headers, texts, self._secrets)

    def id_of_success(self, response: Response, texts: Sequence[str]) -> str | None:
        """Like ``request_id``, for every good reply: there it must cost next to nothing."""
        if HAVE_ID.isdisjoint(response.headers):  # one pass in C
            return None
        found = response.headers.get("x-request-id")
        if found is not None and USUAL_ID.fullmatch(found) and found not in texts:
            small = found.lower()
            for secret in self._secrets:
                if secret.lower() in small or small in secret.lower():
                    break
            else:
                return found
        return self.request_id(response, texts)

    def _path(self, url: str) -> str:
        return redact(urlsplit(url).path, (), self._secrets)
