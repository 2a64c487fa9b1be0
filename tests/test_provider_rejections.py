"""Refusals by shape, as recorded or documented, and the error each becomes."""

from __future__ import annotations

from typing import Any

import pytest

from aembed._errors import ProviderError, RateLimitError
from tests.provider_errors import HELP, REJECTIONS, RETRY, google
from tests.provider_requests import KEY, opened
from tests.wire.fake import Fake, answer

TEXT = "a private text that nobody else should read, ever"


async def rejected(name: str, status: int, body: Any) -> ProviderError:
    fake = Fake([answer(body, status, x_request_id="req-5")])
    provider = await opened(fake, name, base_url="http://localhost:9000")
    with pytest.raises(ProviderError) as caught:
        await provider.embed([TEXT, "another one"], kind="document")
    return caught.value


@pytest.mark.parametrize(("name", "status", "body", "error"), REJECTIONS)
async def test_rejection(name: str, status: int, body: Any, error: type[ProviderError]) -> None:
    found = await rejected(name, status, body)
    assert type(found) is error
    assert (found.status, found.request_id, found.provider) == (status, "req-5", name.partition(":")[0])


@pytest.mark.parametrize("name", sorted({name for name, *_ in REJECTIONS}))
async def test_neither_text_nor_key_is_repeated(name: str) -> None:
    said = f"cannot embed {TEXT!r} with key {KEY}"
    for body in (
        {"message": said},
        {"detail": said},
        {"error": said},
        {"error": {"message": said}},
        {"detail": [{"msg": said}]},
    ):
        found = await rejected(name, 400, body)
        assert TEXT not in f"{found} {found!r}"
        assert KEY not in f"{found} {found!r}"


@pytest.mark.parametrize("name", sorted({name for name, *_ in REJECTIONS}))
async def test_a_gateways_own_words_are_heard(name: str) -> None:
    for body in ({"error": "no such route"}, {"message": "no such route"}, {"error": {"message": "no such route"}}):
        assert "no such route" in str(await rejected(name, 400, body))


async def test_google_names_the_time_to_retry() -> None:
    body = google(429, "quota", "RESOURCE_EXHAUSTED", HELP, RETRY)
    assert (await rejected("google", 429, body)).retry_after == 3.5
    assert (await rejected("google", 429, [body])).retry_after == 3.5
    assert (await rejected("google", 429, google(429, "quota", "RESOURCE_EXHAUSTED"))).retry_after is None


def exceeded(*quotas: str) -> dict[str, Any]:
    violations = [{"quotaMetric": "generativelanguage.googleapis.com/requests", "quotaId": quota} for quota in quotas]
    failure = {"@type": "type.googleapis.com/google.rpc.QuotaFailure", "violations": violations}
    return google(429, "You exceeded your current quota", "RESOURCE_EXHAUSTED", failure, HELP, RETRY)


MINUTE = "EmbedContentRequestsPerMinutePerUserPerProjectPerModel-FreeTier"
DAY = "EmbedContentRequestsPerDayPerUserPerProjectPerModel-FreeTier"


@pytest.mark.parametrize(
    ("quotas", "scope", "retry_after"),
    [([MINUTE], "minute", 3.5), ([DAY], "day", None), ([MINUTE, DAY], "day", None), ([], None, 3.5)],
)
async def test_google_names_the_quota_that_is_used_up(
    quotas: list[str], scope: str | None, retry_after: float | None
) -> None:
    error = await rejected("google", 429, exceeded(*quotas))
    assert isinstance(error, RateLimitError)
    assert (error.scope, error.retry_after) == (scope, retry_after)


@pytest.mark.parametrize("violations", [None, 7, [7], [{"quotaId": None}], "x"])
async def test_google_names_it_in_odd_forms(violations: Any) -> None:
    error = await rejected("google", 429, google(429, "quota", "RESOURCE_EXHAUSTED", {"violations": violations}))
    assert isinstance(error, RateLimitError)
    assert error.scope is None


@pytest.mark.parametrize("header", ["x-request-id", "apim-request-id", "mistral-correlation-id", "x-debug-trace-id"])
async def test_request_ids(header: str) -> None:
    fake = Fake([answer({"error": "no"}, 400, **{header: "req-8"})])
    provider = await opened(fake, "mistral", base_url="http://localhost:9000")
    with pytest.raises(ProviderError, match="request id req-8"):
        await provider.embed([TEXT], kind="document")
