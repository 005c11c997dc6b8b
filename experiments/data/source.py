"""What a data source is: two splits of integer codes with labels, and a digest of both."""

import dataclasses
import hashlib
import pathlib
from collections.abc import Callable, Iterable, Mapping
from typing import Any

import numpy as np

from experiments.runtime.errors import UserError

Arrays = dict[str, np.ndarray]


@dataclasses.dataclass(frozen=True)
class Split:
    """`take(indices)` returns {"codes": [b, *shape] integers, "label": [b] int32}."""

    size: int
    take: Callable[[np.ndarray], Arrays]


@dataclasses.dataclass(frozen=True)
class Source:
    """A data set; codes lie in 0 … levels−1."""

    name: str
    shape: tuple[int, ...]
    levels: int
    num_classes: int
    train: Split
    test: Split
    sha256: str

    def facts(self) -> dict[str, object]:
        """What goes into a run's manifest."""
        return {
            "name": self.name,
            "shape": list(self.shape),
            "levels": self.levels,
            "num_classes": self.num_classes,
            "train_size": self.train.size,
            "test_size": self.test.size,
            "sha256": self.sha256,
        }


def in_memory(codes: np.ndarray, label: np.ndarray) -> Split:
    """A split that lies in memory."""
    label = label.astype(np.int32)
    return Split(len(codes), lambda i: {"codes": codes[i], "label": label[i]})


def recorded(facts: Mapping[str, Any]) -> Source:
    """A source of which `Source.facts` are known and nothing can be taken."""

    def take(indices: np.ndarray) -> Arrays:
        raise UserError(f"the data {facts['name']} were not read")

    return Source(
        name=facts["name"],
        shape=tuple(facts["shape"]),
        levels=facts["levels"],
        num_classes=facts["num_classes"],
        train=Split(facts["train_size"], take),
        test=Split(facts["test_size"], take),
        sha256=facts["sha256"],
    )


def digest_arrays(arrays: Iterable[np.ndarray]) -> str:
    """SHA-256 over dtype, shape and bytes of the arrays, in order."""
    sha = hashlib.sha256()
    for array in arrays:
        sha.update(f"{array.dtype.str}{array.shape}".encode())
        sha.update(np.ascontiguousarray(array).tobytes())
    return sha.hexdigest()


def digest_files(paths: Iterable[pathlib.Path]) -> str:
    """SHA-256 over names and contents of the files, in the order of their names."""
    sha = hashlib.sha256()
    for path in sorted(paths, key=lambda p: p.name):
        sha.update(path.name.encode())
        with path.open("rb") as file:
            while chunk := file.read(1 << 22):
                sha.update(chunk)
    return sha.hexdigest()


def from_arrays(
    name: str,
    levels: int,
    train: tuple[np.ndarray, np.ndarray],
    test: tuple[np.ndarray, np.ndarray],
) -> Source:
    """A source from (codes, label) arrays of both splits."""
    return Source(
        name=name,
        shape=train[0].shape[1:],
        levels=levels,
        num_classes=int(max(train[1].max(), test[1].max())) + 1,
        train=in_memory(*train),
        test=in_memory(*test),
        sha256=digest_arrays([*train, *test]),
    )
