"""Facts learnt about one endpoint: optional fields that it rejects, its path, and the encoding that it sends."""

from __future__ import annotations

from dataclasses import replace

from aembed._types import Kind
from aembed._wire.api import RequestFeatures
from aembed._wire.endpoint import Endpoint
from aembed._wire.error_body import ErrorBody
from aembed._wire.transport import Response


class EndpointFeatures:
    """The features that requests ask for, fewer with every rejection, and the URL they go to.

    Servers that copy OpenAI's API differ in both. A lesson holds for all later requests of the provider.
    """

    def __init__(self, endpoint: Endpoint) -> None:
        self.url = endpoint.url
        self.proven = False
        """True after a valid reply: a later malformed one is an accident, and teaches nothing."""
        self.base64 = endpoint.api.reply.base64_key is not None
        self.gives_dimension = True
        """False once the endpoint has rejected ``dimensions`` or ignored it."""
        self._first_url, self._url_with_v1 = endpoint.url, endpoint.url_with_v1
        kinds: tuple[Kind, ...] = ("document", "query")
        self.by_kind: dict[Kind, RequestFeatures] = {
            kind: RequestFeatures(
                model=endpoint.spec.name,
                kind=kind,
                options=endpoint.options,
                base64=self.base64,
                dimensions=endpoint.dimensions,
            )
            for kind in kinds
        }

    def drop_base64(self) -> None:
        """Request numbers from now on."""
        if self.base64:  # new objects mean a new lesson, see drop_rejected_field
            self.base64 = False
            self.by_kind = {kind: replace(features, base64=False) for kind, features in self.by_kind.items()}

    def drop_dimensions(self) -> None:
        """Leave the dimension to the server from now on."""
        if self.gives_dimension:
            self.gives_dimension = False
            self.by_kind = {kind: replace(features, dimensions=None) for kind, features in self.by_kind.items()}

    def drop_rejected_field(self, error: ErrorBody, sent: RequestFeatures) -> bool:
        """Leave out the field that a 400 or 422 names. True if a plainer request is worth sending."""
        if sent is not self.by_kind[sent.kind]:
            return True  # another request has learnt the same meanwhile
        if sent.base64 and "encoding_format" in error.rejects:
            self.drop_base64()
            return True
        if sent.dimensions is not None and "dimensions" in error.rejects:
            self.drop_dimensions()
            return True
        return False

    def find_other_path(self, response: Response, error: ErrorBody, sent_to: str) -> bool:
        """Try ``/v1`` after a 404 that names no model. True if there is another URL to send to."""
        if response.status != 404 or "model" in error.message.lower() or self._url_with_v1 is None:
            return False
        if sent_to == self.url == self._first_url and not self.proven:
            self.url = self._url_with_v1
        return sent_to != self.url
