"""The data that classifiers are compared on: inputs and labels of two splits, with a digest."""

from typing import NamedTuple

import numpy as np

from experiments import data
from experiments.closeness.config import Cifar10, Radial
from experiments.data.source import digest_arrays
from similarity.constructions import radial_labels

RADIAL_SPREAD = 3.0


class Task(NamedTuple):
    """Inputs, int32 labels, the number of labels, and the factor that takes codes to [0, 1]."""

    name: str
    x: np.ndarray
    label: np.ndarray
    test_x: np.ndarray
    test_label: np.ndarray
    num_labels: int
    scale: float
    sha256: str

    def facts(self) -> dict[str, object]:
        """What goes into a run's manifest."""
        return {
            "name": self.name,
            "num_labels": self.num_labels,
            "train_size": len(self.x),
            "test_size": len(self.test_x),
            "sha256": self.sha256,
        }


def make_task(config: Radial | Cifar10, num_labels: int) -> Task:
    """The task of a config's `data` with this many labels."""
    if isinstance(config, Radial):
        return radial(num_labels, config.num_train, config.num_test, config.seed)
    return images(config)


def radial(num_labels: int, num_train: int, num_test: int, seed: int) -> Task:
    """Wedges of the plane; the draws of the published script: NumPy seeds `seed` and `seed` + 1."""
    x, test_x = (
        np.random.default_rng(s).normal(0, RADIAL_SPREAD, (n, 2)).astype(np.float32)
        for s, n in ((seed, num_train), (seed + 1, num_test))
    )
    label, test_label = (np.asarray(radial_labels(part, num_labels)) for part in (x, test_x))
    digest = digest_arrays([x, label, test_x, test_label])
    return Task("radial", x, label, test_x, test_label, num_labels, 1.0, digest)


def images(config: Cifar10) -> Task:
    """CIFAR-10 from the TFDS folder `path`, or random images of its form with `smoke`."""
    source = data.load("cifar10", path=config.path, smoke=config.smoke)
    train, test = (split.take(np.arange(split.size)) for split in (source.train, source.test))
    return Task(
        "cifar10",
        *(train["codes"], train["label"], test["codes"], test["label"]),
        num_labels=10,
        scale=1 / 255,
        sha256=source.sha256,
    )
