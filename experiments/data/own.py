"""Images of your own, whatever they lie in, as a source of codes."""

import dataclasses
import hashlib
import pathlib

import numpy as np

from experiments.data.codes import read_codes
from experiments.data.folder import image_files, read_folder
from experiments.data.parquet import parquet_files, read_parquet
from experiments.data.pictures import Decoder, Pictures
from experiments.data.prepared import INFO, tfds_pictures
from experiments.data.source import Arrays, Source, Split
from experiments.data.splits import is_test
from experiments.data.wanted import Wanted
from experiments.runtime.errors import UserError

ACCEPTED = (
    "a folder of images (classes by subfolder), a .parquet file or a folder of them, a folder of "
    "TFDS prepared as array_record, or .npy or .npz with integer codes"
)


def own_images(wanted: Wanted) -> Source:
    """The source at `wanted.path`: images decoded, resized and cropped, 256 levels; or codes.

    Raises:
      UserError: there is nothing there, or something that is none of these; or options that do not
        fit it.
    """
    path = pathlib.Path(wanted.path)
    if not wanted.path or not path.exists():
        raise UserError(f"data.path={wanted.path!r}: there is nothing there; accepted: {ACCEPTED}")
    if path.suffix.lower() in (".npy", ".npz"):
        return read_codes(path, wanted)
    if wanted.levels not in (0, 256):
        raise UserError(f"data.levels={wanted.levels}: images have 256; only arrays have others")
    return from_pictures(path.name, _pictures(path, wanted), wanted)


def _pictures(path: pathlib.Path, wanted: Wanted) -> Pictures:
    if path.suffix.lower() == ".parquet" and path.is_file():
        return read_parquet(path, wanted)
    if path.is_file():
        raise UserError(f"{path} is none of: {ACCEPTED}")
    if infos := sorted(path.rglob(INFO)):
        return tfds_pictures(infos[-1].parent)
    if not image_files(path) and parquet_files(path):
        return read_parquet(path, wanted)
    return read_folder(path)


def from_pictures(name: str, pictures: Pictures, wanted: Wanted) -> Source:
    """A source whose images are decoded by several threads, all at once where they fit."""
    test = is_test(wanted, pictures.names, pictures.label, pictures.test)
    decoder = Decoder(pictures, wanted)

    def split(rows: np.ndarray) -> Split:
        def take(indices: np.ndarray) -> Arrays:
            chosen = rows[indices]
            return {"codes": decoder.take(chosen), "label": pictures.label[chosen]}

        return Split(len(rows), take)

    made = dataclasses.asdict(wanted) | {"path": "", "split": ""}
    sha = hashlib.sha256(f"{pictures.sha256}{decoder.shape}{sorted(made.items())}".encode())
    sha.update(test.tobytes())
    return Source(
        name=name,
        shape=decoder.shape,
        levels=256,
        num_classes=len(pictures.classes),
        train=split(np.flatnonzero(~test)),
        test=split(np.flatnonzero(test)),
        sha256=sha.hexdigest(),
    )
