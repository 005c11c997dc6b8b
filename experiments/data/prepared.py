"""Any set of TensorFlow Datasets that is prepared as array_record, read without TensorFlow."""

import pathlib
from typing import Any

import numpy as np
from PIL import Image

from experiments.data.pictures import Pictures
from experiments.data.source import digest_files
from experiments.data.splits import TEST, TRAIN
from experiments.runtime.errors import UserError

INFO = "dataset_info.json"


def tfds_pictures(folder: pathlib.Path) -> Pictures:
    """The images of any prepared set with a feature `image`, and classes where it has a `label`.

    Raises:
      UserError: it is not prepared as array_record, or has no such feature.
    """
    builder = builder_of(folder, "Prepare it with file_format=array_record")
    features = builder.info.features
    if "image" not in features:
        raise UserError(f"{folder} has the features {', '.join(features)}, but no image")
    known = {**dict.fromkeys(TRAIN, False), **dict.fromkeys(TEST, True)}
    splits = [name for name in builder.info.splits if name.lower() in known]
    chosen = splits or list(builder.info.splits)
    records = [builder.as_data_source(split=name) for name in chosen]
    rows = [(part, i) for part in records for i in range(len(part))]
    labelled = "label" in features and hasattr(features["label"], "names")
    label = np.array([part[i]["label"] if labelled else 0 for part, i in rows], np.int32)
    test = np.repeat([known.get(name.lower(), False) for name in chosen], list(map(len, records)))
    return Pictures(
        names=[
            f"{n}/{i}" for n, part in zip(chosen, records, strict=True) for i in range(len(part))
        ],
        label=label,
        classes=tuple(features["label"].names) if labelled else ("",),
        test=test if 0 < test.sum() < len(test) else None,
        open=lambda i: _picture(rows[i][0][rows[i][1]]["image"]),
        sha256=digest_files(record_files(folder)),
    )


def _picture(decoded: np.ndarray) -> Image.Image:
    return Image.fromarray(decoded[..., 0] if decoded.shape[-1] == 1 else decoded)


def record_files(folder: pathlib.Path) -> list[pathlib.Path]:
    """The files that hold a prepared set's examples."""
    return [p for p in folder.iterdir() if "array_record" in p.name]


def builder_of(folder: pathlib.Path, how: str) -> Any:
    """The reader of a prepared set."""
    try:
        import tensorflow_datasets as tfds
    except ImportError as error:
        raise UserError(f"{folder} needs the extra `data`: pip install 'repgeo[data]'") from error
    builder: Any = tfds.builder_from_directory(str(folder))  # its decorators hide its types
    found = builder.info.file_format.value
    if found != "array_record":
        raise UserError(f"{folder} is prepared as {found}, not array_record. {how}")
    return builder
