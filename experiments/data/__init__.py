"""Image data by name: shape, grey levels, split sizes and a digest of every source."""

from experiments.data.images.wanted import Wanted
from experiments.data.source import Source, Split, recorded
from experiments.data.sources import NAMES, load

__all__ = ["NAMES", "Source", "Split", "Wanted", "load", "recorded"]
