"""SHA-256 of texts, arrays and files."""

import hashlib
import pathlib
from collections.abc import Iterable

import numpy as np


def text_digest(texts: Iterable[str]) -> str:
    """SHA-256 of a list of texts; depends on their order and on where one ends."""
    digest = hashlib.sha256()
    for text in texts:
        data = text.encode("utf-8", "surrogatepass")
        digest.update(len(data).to_bytes(8, "little") + data)
    return digest.hexdigest()


def array_digest(*arrays: np.ndarray) -> str:
    """SHA-256 of arrays with their shapes and dtypes."""
    digest = hashlib.sha256()
    for array in arrays:
        digest.update(f"{array.dtype.str}{array.shape}".encode())
        digest.update(np.ascontiguousarray(array).data)
    return digest.hexdigest()


def file_digest(path: pathlib.Path) -> str:
    """SHA-256 of a file."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
