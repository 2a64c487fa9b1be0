"""A traceback with local variables shows no part of a request that a server repeats."""

from __future__ import annotations

import traceback
from pathlib import Path

import pytest

import aembed
from aembed import AembedError
from tests.provider_requests import KEY, opened
from tests.wire.fake import Fake, answer


def test_a_response_does_not_show_its_content() -> None:
    assert KEY not in repr(answer({"error": KEY}, 401, location=KEY))


async def test_a_rejection_that_repeats_the_key() -> None:
    provider = await opened(Fake([answer({"error": {"message": f"wrong key {KEY}"}}, 401, echo=KEY)]), "openai")
    with pytest.raises(AembedError) as caught:
        await provider.embed(["a text"], kind="query")
    shown = traceback.TracebackException.from_exception(caught.value, capture_locals=True)
    package = Path(aembed.__file__).parent
    frames = [frame for frame in shown.stack if Path(frame.filename).is_relative_to(package)]
    assert frames
    assert not [frame for frame in frames if KEY in str(frame.locals)]
