"""Image data by name: shape, grey levels, split sizes and a digest of every source."""

from experiments.data.source import Source, Split, recorded
from experiments.data.sources import NAMES, load, read
from experiments.data.wanted import Wanted

__all__ = ["NAMES", "Source", "Split", "Wanted", "load", "read", "recorded"]
