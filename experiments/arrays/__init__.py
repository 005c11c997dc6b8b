"""Named arrays in files of many formats, and any pytree as a set of them.

FILE:NAME is one array of a file, FILE its only one. What is read is mapped from the file where the
format allows it, and every declared shape is checked against the size of the file first.
"""

from experiments.arrays.formats import SUFFIXES, stored
from experiments.arrays.lazy import UNNAMED, Stored
from experiments.arrays.numbers import as_numbers, row_blocks
from experiments.arrays.references import (
    coordinates,
    load,
    load_one,
    read_labels,
    read_matrix,
    split_reference,
)
from experiments.arrays.trees import flatten, load_like, save

__all__ = [
    "SUFFIXES",
    "UNNAMED",
    "Stored",
    "as_numbers",
    "coordinates",
    "flatten",
    "load",
    "load_like",
    "load_one",
    "read_labels",
    "read_matrix",
    "row_blocks",
    "save",
    "split_reference",
    "stored",
]
