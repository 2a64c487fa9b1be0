"""A few servers of the second generator of `perf.quota`, each for a mechanism of the gate that it once lacked."""

from __future__ import annotations

import sys

import pytest

pytest.importorskip("perf.quota", reason="the sources' benchmarks are not part of the package")

from perf.quota.worlds.draw_plain import draw_plain
from perf.quota.worlds.run import run

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="the watchdog is a timer that Windows does not have")

WORLDS = {
    28: (0.95, 0.03),  # stated limits, a fixed window of 10 s that headers report
    36: (0.98, 0.01),  # a minute that headers report, and queries for 15 % of it
    72: (0.90, 0.01),  # a fixed window of 10 s, with queries, of which replies report requests alone
    74: (0.95, 0.01),  # a fixed minute that headers show for requests alone, while tokens are stated
    79: (0.97, 0.02),  # a bucket of a minute, and 5 % of requests answered with 503
    83: (0.95, 0.15),  # a hidden minute of few batches: those in flight when it is full are rejected together
    90: (0.95, 0.01),  # a bucket of 10 s in steady use, whose resets seem to agree on one end
    88: (0.94, 0.07),  # stated limits in a sliding window of 10 s
    137: (0.98, 0.01),  # seven batches fill a window, and queries would need what the last one takes
    145: (0.80, 0.02),  # a pause that a nearly full window does not explain
}
"""Seeds, with the least efficiency and the most 429s per success."""
QUERY_P95_S = 1.5


@pytest.mark.parametrize("seed", WORLDS)
def test_a_server_is_used_to_its_quota_and_seldom_overrun(seed: int) -> None:
    efficiency, rejections = WORLDS[seed]
    outcome = run(draw_plain(seed), "aembed")
    assert (outcome.exception, outcome.hung, outcome.lost) == (None, False, {})
    assert outcome.efficiency >= efficiency
    assert outcome.rejections <= rejections
    assert outcome.query_p95 <= QUERY_P95_S
