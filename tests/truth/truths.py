"""Every file of truths, so that they enter themselves."""

from tests.truth import attribution, judging, leaks, load, objectives, plugin, shapes, sweeping

__all__ = ["attribution", "judging", "leaks", "load", "objectives", "plugin", "shapes", "sweeping"]
