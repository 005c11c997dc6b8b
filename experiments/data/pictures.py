"""Images that are not decoded yet, and what decodes, resizes and crops them."""

import dataclasses
import io
import os
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import IO

import numpy as np
from PIL import Image, ImageOps, UnidentifiedImageError

from experiments.data.wanted import Wanted
from experiments.runtime.errors import UserError

GREY = ("1", "L", "LA", "La")
WIDE = ("I", "I;16", "I;16B", "I;16L", "F")
# Images that are decoded once and kept take at most so many bytes; others are decoded each time.
KEPT_BYTES = 1 << 30


@dataclasses.dataclass(frozen=True)
class Pictures:
    """A set of images.

    Attributes:
      names: of each image, as a list of test images would name it.
      label: class of each, in `classes`.
      test: whether each is to be tested on, where the data say so.
      open: image i; what it raises is told with its name.
      sha256: of the encoded images and their labels.
    """

    names: Sequence[str]
    label: np.ndarray
    classes: tuple[str, ...]
    test: np.ndarray | None
    open: Callable[[int], Image.Image]
    sha256: str


def of_bytes(content: bytes | IO[bytes]) -> Image.Image:
    """An encoded image, its header read."""
    return Image.open(io.BytesIO(content) if isinstance(content, bytes) else content)


def codes_of(picture: Image.Image, wanted: Wanted, channels: int, size: int) -> np.ndarray:
    """8-bit codes [side, side, channels], or of the image's own size where `size` is 0.

    Turned as the camera says. Transparent parts lie on white. Raises ValueError for images of more
    than 8 bits a channel, which Pillow would clip, and for those that `crop` "none" leaves uneven.
    """
    if picture.mode in WIDE:
        raise ValueError(f"it has more than 8 bits a channel (mode {picture.mode}); convert it")
    picture = ImageOps.exif_transpose(picture)
    if picture.mode in ("RGBA", "LA", "PA", "La", "RGBa") or "transparency" in picture.info:
        picture = picture.convert("RGBA")
        white = Image.new("RGBA", picture.size, "white")
        picture = Image.alpha_composite(white, picture)
    picture = picture.convert("L" if channels == 1 else "RGB")
    if size and picture.size != (size, size):
        if wanted.crop == "none" and picture.width != picture.height:
            raise ValueError(f"it is {picture.width}×{picture.height}, not square")
        how = Image.Resampling.LANCZOS
        if wanted.crop == "stretch":
            picture = picture.resize((size, size), how)
        else:
            picture = ImageOps.fit(picture, (size, size), how)
    return np.asarray(picture, np.uint8).reshape(picture.height, picture.width, channels)


class Decoder:
    """`take(indices)`: codes of images, decoded by several threads; small sets are kept.

    Decoding leaves Python's lock to others, so that images come while a step computes.
    """

    def __init__(self, pictures: Pictures, wanted: Wanted):
        self.pictures, self.wanted = pictures, wanted
        self._pool = ThreadPoolExecutor(min(16, os.cpu_count() or 1), "decode")
        self.channels, self.size = wanted.channels, wanted.size
        first = self._opened(0)
        if not self.channels:
            modes = self._pool.map(lambda i: self._opened(i).mode, range(len(pictures.names)))
            self.channels = 1 if all(mode in GREY for mode in modes) else 3
        codes = self._decode(0)
        self.shape: tuple[int, int, int] = codes.shape
        self._first = (pictures.names[0], first.size)
        num = len(pictures.names)
        self._kept: np.ndarray | None = None
        if num * codes.nbytes <= KEPT_BYTES:
            self._kept = self.take(np.arange(num))

    def take(self, indices: np.ndarray) -> np.ndarray:
        """Codes [b, height, width, channels]. Raises `UserError`, naming the image."""
        if self._kept is not None:
            return self._kept[indices]
        found = list(self._pool.map(self._decode, map(int, indices)))
        for i, codes in zip(indices, found, strict=True):
            if codes.shape != self.shape:
                name, size = self._first
                raise UserError(
                    f"{self.pictures.names[i]} is {codes.shape[1]}×{codes.shape[0]} and {name} "
                    f"{size[0]}×{size[1]}: images of several sizes need one, for example "
                    "--config.data.size=32"
                )
        return np.stack(found)

    def _opened(self, i: int) -> Image.Image:
        try:
            return self.pictures.open(i)
        except (OSError, ValueError, SyntaxError, Image.DecompressionBombError) as error:
            raise self._refusal(i, error) from error

    def _decode(self, i: int) -> np.ndarray:
        try:
            return codes_of(self._opened(i), self.wanted, self.channels, self.size)
        except (OSError, ValueError, SyntaxError, Image.DecompressionBombError) as error:
            raise self._refusal(i, error) from error

    def _refusal(self, i: int, error: Exception) -> UserError:
        said = "it is no image" if isinstance(error, UnidentifiedImageError) else str(error)
        return UserError(f"{self.pictures.names[i]} cannot be read as an image: {said}")
