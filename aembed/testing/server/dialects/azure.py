"""``azure``: Azure OpenAI, by deployment (with ``api-version``) or by its v1 path.

Sources: https://learn.microsoft.com/azure/ai-foundry/openai/reference (paths, ``api-key``, ``api-version``) and its
page on quotas; error bodies as quoted in public issue threads.
"""

from __future__ import annotations

import math
import re
from typing import Any
from urllib.parse import parse_qs, unquote

from aembed.testing.server.dialects import openai
from aembed.testing.server.dialects.dialect import Ask, Caps, Dialect, Rejection, bearer
from aembed.testing.server.parse import Request

_DEPLOYMENT = re.compile(r"/openai/deployments/([^/]+)/embeddings")
_V1 = "/openai/v1/embeddings"

CODES = {
    "path": "404",
    "no_key": "401",
    "key": "401",
    "model": "DeploymentNotFound",
    "rate": "429",
    "never": "429",
}
MESSAGES = {
    "path": "Resource not found",
    "no_key": "Access denied due to missing subscription key. Make sure to include it when making requests.",
    "key": "Access denied due to invalid subscription key or wrong API endpoint. Make sure to provide a valid key for"
    " an active subscription and use a correct regional API endpoint for your resource.",
    "model": "The API deployment for this resource does not exist.",
}


def route(path: str) -> str | None:
    if path == _V1:
        return ""
    found = _DEPLOYMENT.fullmatch(path)
    return unquote(found[1]) if found else None


def key(request: Request) -> str | None:
    return request.head.headers.get("api-key") or bearer(request)


def read(request: Request, model: str) -> Ask:
    if request.head.path != _V1 and not parse_qs(request.head.query).get("api-version"):
        raise Rejection("path")
    return openai.read(request, model)


def reject(rejection: Rejection) -> tuple[int, Any]:
    status, body = openai.reject(rejection)
    error = body["error"]
    if rejection.problem in CODES:
        error = {"code": CODES[rejection.problem], "message": MESSAGES.get(rejection.problem) or _too_fast(rejection)}
    return status, {"error": error}


def _too_fast(rejection: Rejection) -> str:
    soon = f" Please retry after {math.ceil(rejection.wait)} seconds." if 0 < rejection.wait < math.inf else ""
    return (
        "Requests to the Embeddings_Create Operation under Azure OpenAI API have exceeded call rate limit of your"
        f" current OpenAI S0 pricing tier.{soon}"
    )


AZURE = Dialect(
    route=route,
    key=key,
    read=read,
    write=openai.write,
    reject=reject,
    caps=Caps(inputs=2048, text_tokens=8192),
    request_id="apim-request-id",
    announce=openai.announce,
)
