"""Arrays of codes: .npy, or .npz with images, perhaps labels, perhaps a test split."""

import pathlib

import numpy as np

from experiments import arrays
from experiments.data.source import Source, from_arrays
from experiments.data.splits import is_test
from experiments.data.wanted import Wanted
from experiments.runtime.errors import UserError

# Names of images and labels in a file, and by split, as Keras and MedMNIST write them.
IMAGES, LABELS = ("codes", "images", "image", "x", "array"), ("label", "labels", "y")
BY_SPLIT = {"x_{}": "y_{}", "{}_images": "{}_labels", "{}_codes": "{}_label"}


def read_codes(path: pathlib.Path, wanted: Wanted) -> Source:
    """Integers [n, height, width], [n, height, width, channels] or [n, dimensions] as they are.

    Raises:
      UserError: other dtypes or shapes, codes beyond the levels, or a size that they have not.
    """
    codes, label, given = _read(path)
    codes, label = _checked(path, codes, wanted), _numbered(path, codes, label)
    test = is_test(wanted, [str(i) for i in range(len(codes))], label, given)
    train, tested = ((codes[rows], label[rows]) for rows in (~test, test))
    return from_arrays(path.stem, wanted.levels or 256, train, tested)


def _read(path: pathlib.Path) -> tuple[np.ndarray, np.ndarray | None, np.ndarray | None]:
    """Codes, labels if there are any, and which are tested on if the file says so."""
    held = arrays.stored(path)
    get = lambda name: np.asarray(arrays.load_one(f"{path}:{name}"))
    for images, labels in BY_SPLIT.items():
        names = [images.format(split) for split in ("train", "test")]
        if all(name in held for name in names):
            train, test = map(get, names)
            if train.shape[1:] != test.shape[1:]:
                raise UserError(f"{path}: {names} have shapes {train.shape} and {test.shape}")
            is_tested = np.arange(len(train) + len(test)) >= len(train)
            called = [labels.format(split) for split in ("train", "test")]
            known = all(name in held for name in called)
            label = np.concatenate([get(name) for name in called]) if known else None
            return np.concatenate([train, test]), label, is_tested
    name = next((n for n in IMAGES if n in held), None)
    if name is None:
        raise UserError(
            f"{path} holds {', '.join(sorted(held))}; codes are called {', '.join(IMAGES)}, or by "
            "split x_train and x_test, train_images and test_images, train_codes and test_codes"
        )
    return get(name), next((get(n) for n in LABELS if n in held), None), None


def _checked(path: pathlib.Path, codes: np.ndarray, wanted: Wanted) -> np.ndarray:
    """Codes with an axis of channels."""
    if codes.dtype.kind not in "iu" or codes.ndim not in (2, 3, 4) or not codes.size:
        raise UserError(
            f"{path}: codes are integers [n, height, width], [n, height, width, channels] or [n, "
            f"dimensions], not {codes.dtype} of shape {codes.shape}"
        )
    codes = codes[..., None] if codes.ndim == 3 else codes
    low, high, levels = int(codes.min()), int(codes.max()), wanted.levels or 256
    if low < 0 or high >= levels:
        raise UserError(
            f"{path} holds codes from {low} to {high}; accepted are 0 to {levels - 1}: give "
            f"--config.data.levels={high + 1}, or the codes less their least"
        )
    if wanted.size and codes.ndim == 4 and codes.shape[1:3] != (wanted.size, wanted.size):
        raise UserError(
            f"{path} holds images of {codes.shape[1]}×{codes.shape[2]} and codes are not resized: "
            "give --config.data.size=0, or a folder of images"
        )
    return codes


def _numbered(path: pathlib.Path, codes: np.ndarray, label: np.ndarray | None) -> np.ndarray:
    """Labels as numbers from 0; 0 where there are none."""
    if label is None:
        return np.zeros(len(codes), np.int32)
    label = label[:, 0] if label.ndim == 2 and label.shape[1] == 1 else label
    if label.shape != (len(codes),):
        raise UserError(f"{path} has {len(codes):,} images and labels of shape {label.shape}")
    return np.unique(label, return_inverse=True)[1].astype(np.int32)
