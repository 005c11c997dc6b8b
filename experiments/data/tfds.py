"""Sets of TensorFlow Datasets, prepared as array_record and read without TensorFlow."""

import pathlib
from typing import Any, NamedTuple

import numpy as np

from experiments.data.prepared import INFO, builder_of, record_files
from experiments.data.source import Arrays, Source, Split, digest_files
from experiments.runtime.errors import UserError


class Registered(NamedTuple):
    """A set as TFDS registers it; the sizes tell apart versions that share a name in papers."""

    builder: str
    shape: tuple[int, int, int]
    num_classes: int
    train_split: str
    test_split: str
    train_size: int
    test_size: int


# Sizes: TFDS catalogue. The two ImageNet32 give incomparable bits/dim: "old" is van den Oord et
# al.'s, used by VDM; "new" is Chrabaszcz et al.'s, used by DiffEnc.
REGISTERED = {
    "mnist": Registered("mnist", (28, 28, 1), 10, "train", "test", 60_000, 10_000),
    "cifar10": Registered("cifar10", (32, 32, 3), 10, "train", "test", 50_000, 10_000),
    "cifar100": Registered("cifar100", (32, 32, 3), 100, "train", "test", 50_000, 10_000),
    "imagenet32_old": Registered(
        "downsampled_imagenet/32x32", (32, 32, 3), 1, "train", "validation", 1_281_149, 49_999
    ),
    "imagenet32_new": Registered(
        "imagenet_resized/32x32", (32, 32, 3), 1_000, "train", "validation", 1_281_167, 50_000
    ),
}


def tfds_source(name: str, path: str) -> Source:
    """A registered set from the TFDS data folder `path`."""
    entry = REGISTERED[name]
    how = (
        f"Prepare it once, where TensorFlow is installed: tfds build {entry.builder} "
        "--file_format=array_record --data_dir=DIR; then pass --config.data.path=DIR"
    )
    versions = sorted(pathlib.Path(path or ".").glob(f"{entry.builder}/*/{INFO}"))
    if not path or not versions:
        raise UserError(f"{name}: no prepared {entry.builder} in data.path={path!r}. {how}")
    folder = versions[-1].parent
    builder = builder_of(folder, how)
    splits: list[Split] = []
    for split, size in ((entry.train_split, entry.train_size), (entry.test_split, entry.test_size)):
        records = builder.as_data_source(split=split)
        if len(records) != size:
            raise UserError(
                f"{name}: split {split} in {folder} has {len(records):,} images, expected "
                f"{size:,}; another version gives incomparable bits/dim. {how}"
            )
        splits.append(_split(records, entry))
    digest = digest_files(record_files(folder))
    train, test = splits
    return Source(name, entry.shape, 256, entry.num_classes, train, test, digest)


def _split(records: Any, entry: Registered) -> Split:
    def take(indices: np.ndarray) -> Arrays:
        rows = [records[int(i)] for i in indices]
        codes = np.stack([row["image"] for row in rows]).reshape(len(rows), *entry.shape)
        label = np.array([row.get("label", 0) for row in rows], np.int32)
        return {"codes": codes, "label": label}

    return Split(len(records), take)
