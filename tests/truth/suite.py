"""All truths as tests. Not named ``test_*``: the normal suite must not find it."""

from __future__ import annotations

import pytest

from tests.truth import truths
from tests.truth.figures import TRUTHS, attempt

assert truths


@pytest.mark.parametrize("name", TRUTHS)
def test_truth(name: str) -> None:
    outcome = attempt(name)
    for figure in outcome.figures:
        print(figure)
    if not outcome.told:
        pytest.skip(f"machine too noisy: {outcome.noise[-1]}")
    assert outcome.holds, [str(figure) for figure in outcome.figures if not figure.holds]
