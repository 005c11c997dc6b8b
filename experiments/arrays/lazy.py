"""An array in a file before it is read."""

import dataclasses
from collections.abc import Callable

import numpy as np

# The name of the one array of a .npy file, and of the matrix of numbers of a table.
UNNAMED = "array"


@dataclasses.dataclass(frozen=True)
class Stored:
    """What a file says of one of its arrays, and how to get it.

    Attributes:
      shape: None in place of the lengths, or of all, that only reading tells.
      dtype: None where only reading tells.
      read: the array, mapped from the file where its format allows.
      columns: names of the columns of a table's matrix.
    """

    shape: tuple[int | None, ...] | None
    dtype: np.dtype | None
    read: Callable[[], np.ndarray]
    columns: tuple[str, ...] = ()
