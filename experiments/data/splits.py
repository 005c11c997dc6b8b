"""Which images are trained on and which tested on."""

import pathlib
from collections.abc import Sequence

import numpy as np

from experiments.data.texts.sources import read_text
from experiments.data.wanted import Wanted
from experiments.runtime.errors import UserError

LEAST = 4  # images of a split: as many are drawn in pictures
TRAIN, TEST = ("train", "training"), ("test", "testing", "val", "valid", "validation")


def is_test(
    wanted: Wanted, names: Sequence[str], label: np.ndarray, given: np.ndarray | None
) -> np.ndarray:
    """Whether each image is tested on, by `wanted.split`; `given` is what the data say.

    Raises:
      UserError: a file that names what is not there, or fewer than 4 images on one side.
    """
    kind, _, value = wanted.split.partition(":")
    if kind == "file":
        chosen = _listed(value, names)
    elif kind in ("", "column") and given is not None:
        chosen = given
    elif kind == "column":
        raise UserError(f"data.split={wanted.split}: only parquet files have columns")
    else:
        chosen = seeded(label, wanted.test_share, wanted.split_seed)
    train, test = int((~chosen).sum()), int(chosen.sum())
    if min(train, test) < LEAST:
        raise UserError(
            f"{train} images to train on and {test} to test on; at least {LEAST} of each are needed"
        )
    return chosen


def seeded(label: np.ndarray, share: float, seed: int) -> np.ndarray:
    """A share of each class, at least one image of those with several, drawn by the seed."""
    rng, chosen = np.random.default_rng(seed), np.zeros(len(label), bool)
    for one in np.unique(label):
        members = rng.permutation(np.flatnonzero(label == one))
        least = 1 if len(members) > 1 else 0
        chosen[members[: max(least, round(share * len(members)))]] = True
    return chosen


def _listed(path: str, names: Sequence[str]) -> np.ndarray:
    place = {name: i for i, name in enumerate(names)}
    chosen = np.zeros(len(names), bool)
    for line in filter(str.strip, read_text(path).splitlines()):
        name = pathlib.PurePosixPath(line.strip()).as_posix()
        if name not in place:
            raise UserError(f"{path} names {name}, which is no image; names are like {names[0]}")
        chosen[place[name]] = True
    return chosen


def by_word(words: Sequence[str]) -> np.ndarray | None:
    """Whether each word names a test split; None where some word names no split, or all the same.

    Validation counts as test.
    """
    known = {**dict.fromkeys(TRAIN, False), **dict.fromkeys(TEST, True)}
    found = [known.get(word.lower()) for word in words]
    if None in found or len(set(found)) < 2:
        return None
    return np.array(found, bool)
