"""A folder of image files; subfolders are classes, below train/ and test/ where there are these."""

import hashlib
import pathlib
from concurrent.futures import ThreadPoolExecutor

import numpy as np

from experiments.data.pictures import Pictures, of_bytes
from experiments.data.splits import by_word
from experiments.runtime.errors import UserError

SUFFIXES = (".bmp", ".gif", ".jpeg", ".jpg", ".pgm", ".png", ".ppm", ".tif", ".tiff", ".webp")


def image_files(folder: pathlib.Path) -> list[pathlib.Path]:
    """Every image below the folder by name, hidden ones left out."""
    found = (p for p in folder.rglob("*") if p.suffix.lower() in SUFFIXES and p.is_file())
    return sorted(
        (p for p in found if not any(w.startswith(".") for w in p.relative_to(folder).parts)),
        key=lambda p: p.relative_to(folder).as_posix(),
    )


def read_folder(folder: pathlib.Path) -> Pictures:
    """The images of a folder. The first part of a path names the class, after that of a split.

    Raises:
      UserError: it holds no images.
    """
    files = image_files(folder)
    if not files:
        raise UserError(f"{folder} holds no images ({', '.join(SUFFIXES)})")
    names = [p.relative_to(folder).as_posix() for p in files]
    parts = [name.split("/")[:-1] for name in names]
    test = by_word([p[0] if p else "" for p in parts])
    if test is not None:
        parts = [p[1:] for p in parts]
    words = [p[0] if p else "" for p in parts]
    classes = tuple(sorted(set(words)))
    label = np.array([classes.index(word) for word in words], np.int32)
    return Pictures(names, label, classes, test, lambda i: _opened(files[i]), _digest(names, files))


def _opened(path: pathlib.Path):
    return of_bytes(path.read_bytes())


def _digest(names: list[str], files: list[pathlib.Path]) -> str:
    """SHA-256 over names, which hold the classes, and contents; files are read by threads."""
    one = lambda path: hashlib.sha256(path.read_bytes()).digest()
    sha = hashlib.sha256()
    with ThreadPoolExecutor() as pool:
        for name, content in zip(names, pool.map(one, files), strict=True):
            sha.update(name.encode() + b"\0" + content)
    return sha.hexdigest()
