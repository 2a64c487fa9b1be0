"""Every file of truths, so that they enter themselves."""

from tests.truth import attribution, judging, leaks, load, shapes, sweeping

__all__ = ["attribution", "judging", "leaks", "load", "shapes", "sweeping"]
