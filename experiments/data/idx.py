"""Fashion-MNIST from a folder of idx files, as Debian's package dataset-fashion-mnist installs."""

import gzip
import math
import pathlib
import zlib

import numpy as np

from experiments.data.source import Source, from_arrays
from experiments.runtime.errors import UserError

FILES = {
    "train": ("train-images-idx3-ubyte", "train-labels-idx1-ubyte"),
    "test": ("t10k-images-idx3-ubyte", "t10k-labels-idx1-ubyte"),
}
LEAST = 4  # images of a split: as many are drawn in pictures
HOW = (
    "Debian's package dataset-fashion-mnist installs them (dpkg -L dataset-fashion-mnist shows "
    "where); then pass --config.data.path=FOLDER"
)


def read_idx(path: pathlib.Path) -> np.ndarray:
    """The array of unsigned bytes in an idx file, gzipped or not.

    Raises:
      UserError: the file is not an idx file of bytes, or is cut short.
    """
    try:
        raw = gzip.decompress(path.read_bytes()) if path.suffix == ".gz" else path.read_bytes()
    except (OSError, EOFError, zlib.error) as error:
        raise UserError(f"{path} cannot be read as gzip: {error}") from error
    if len(raw) < 4 or raw[:3] != b"\x00\x00\x08":
        raise UserError(f"{path} is not an idx file of unsigned bytes (it starts {raw[:4]!r})")
    rank = raw[3]
    if not 1 <= rank <= 3 or len(raw) < 4 + 4 * rank:
        raise UserError(f"{path} should hold images or labels, but says {rank} axes")
    shape = tuple(np.frombuffer(raw, ">u4", rank, 4).tolist())
    if len(raw) != 4 + 4 * rank + math.prod(shape):
        raise UserError(f"{path} should hold shape {shape} but has {len(raw):,} bytes")
    return np.frombuffer(raw, np.uint8, offset=4 + 4 * rank).reshape(shape)


def halve(images: np.ndarray) -> np.ndarray:
    """Means of 2×2 pixels, rounded to the nearest level."""
    n, height, width = images.shape
    blocks = images.reshape(n, height // 2, 2, width // 2, 2).astype(np.uint16)
    return ((blocks.sum((2, 4)) + 2) // 4).astype(np.uint8)


def fashion_mnist(path: str, size: int = 28) -> Source:
    """60,000 + 10,000 images of clothes, 28×28 or halved to 14×14, 256 levels, 10 classes."""
    if size not in (28, 14):
        raise UserError(f"data.size is {size}; accepted: 28, 14")
    folder = pathlib.Path(path)
    if not path or not folder.is_dir():
        raise UserError(f"fashion_mnist: data.path={path!r} is not a folder of idx files. {HOW}")
    splits = {}
    for split, names in FILES.items():
        at_images, at_labels = (_find(folder, name) for name in names)
        images, labels = read_idx(at_images), read_idx(at_labels)
        _check_split(at_images, at_labels, images, labels, size)
        images = halve(images) if size == 14 else images
        splits[split] = (images[..., None], labels.astype(np.int32))
    return from_arrays("fashion_mnist", 256, splits["train"], splits["test"])


def _check_split(
    at_images: pathlib.Path,
    at_labels: pathlib.Path,
    images: np.ndarray,
    labels: np.ndarray,
    size: int,
) -> None:
    """Raises `UserError` for images and labels that do not belong together, or are too few."""
    if images.ndim != 3 or labels.ndim != 1:
        raise UserError(
            f"{at_images} holds shape {images.shape} and {at_labels} {labels.shape}; needed: "
            "images (n, height, width) and labels (n,)"
        )
    if len(images) != len(labels):
        raise UserError(
            f"{at_images} has {len(images):,} images, {at_labels} {len(labels):,} labels"
        )
    if len(images) < LEAST:
        raise UserError(f"{at_images} has {len(images)} images; at least {LEAST} are needed")
    if size == 14 and (images.shape[1] % 2 or images.shape[2] % 2):
        raise UserError(f"data.size=14 halves images; those of {at_images} have {images.shape[1:]}")


def _find(folder: pathlib.Path, name: str) -> pathlib.Path:
    for candidate in (folder / name, folder / f"{name}.gz"):
        if candidate.exists():
            return candidate
    raise UserError(f"fashion_mnist: {folder} has no {name}[.gz]. {HOW}")
