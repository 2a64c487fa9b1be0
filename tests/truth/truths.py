"""Every file of truths, so that they enter themselves."""

from tests.truth import attribution, load, shapes

__all__ = ["attribution", "load", "shapes"]
