"""The model that comes with ``aembed[local]``: its files, from two packages, and the vocabulary that they lack."""
