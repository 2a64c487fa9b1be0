"""Subjects: two servers on this machine, and the local model."""

from __future__ import annotations

LOCAL = "local model"
SLOTS = 64
"""Requests in flight at most, with and without merging."""
SERVERS = {
    "finite server": ("--latency", "0.02", "--per-text", "0.0001", "--workers", "4"),
    "wide server": ("--latency", "0.02"),
}
"""Options of ``aembed.testing.server``: a model on an accelerator, which takes 20 ms for a batch and 0.1 ms more for
each of its texts and works on four batches at once; and one that answers everything after 20 ms."""
SUBJECTS = (*SERVERS, LOCAL)
