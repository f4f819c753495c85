"""The first generator, with many more templates and words: the first stages of the training draw from it.

It is too varied for the time one core has, but what it teaches about names and
records carries over to the simpler sentences of `train.data`.
"""

from . import data, entities

__all__ = ["data", "entities"]
