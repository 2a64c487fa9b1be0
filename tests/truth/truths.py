"""Every file of truths, so that they enter themselves."""

from tests.truth import attribution, leaks, load, shapes

__all__ = ["attribution", "leaks", "load", "shapes"]
