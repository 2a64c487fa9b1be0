"""Prints the figures with their bounds."""

from __future__ import annotations

import sys
import time

from tests.truth import truths
from tests.truth.figures import TRUTHS, attempt

assert truths
failed = False
for name in TRUTHS:
    if sys.argv[1:] and name.split()[0] not in sys.argv[1:]:
        continue
    begun = time.perf_counter()
    outcome = attempt(name)
    verdict = "holds" if outcome.holds else "MISSED" if outcome.told else f"MACHINE TOO NOISY: {outcome.noise[-1]}"
    print(f"{name}: {verdict}  [{time.perf_counter() - begun:.1f} s, {len(outcome.noise)} noisy]")
    for figure in outcome.figures:
        print(f"    {figure}")
    sys.stdout.flush()
    failed = failed or (outcome.told and not outcome.holds)
sys.exit(failed)
