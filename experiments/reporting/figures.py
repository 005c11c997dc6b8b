"""Figures made without a window system, and files of them that are equal whenever they are made."""

import io
import pathlib
from collections.abc import Callable, Iterable, Mapping
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

if TYPE_CHECKING:
    from matplotlib.figure import Figure

DPI = 144
MARGIN = 0.1  # inches around all that is drawn
COLOURS = ("#4c72b0", "#c44e52", "#55a868", "#8172b3", "#ccb974", "#64b5cd")
# A PNG's caption travels in it, so that a page can be written from a folder alone.
_CAPTION = "Description"


class Image(NamedTuple):
    """A PNG file's bytes, and what it shows."""

    png: bytes
    caption: str


def new(
    size: tuple[float, float], rows: int = 1, columns: int = 1, *, caption: str, **options: Any
) -> "tuple[Figure, np.ndarray]":
    """A figure of this size in inches, and its axes in reading order.

    `options` are those of `Figure.subplots`. Not pyplot: no window system, no global state, and
    nothing to close.
    """
    from matplotlib.figure import Figure  # a second, which answers without a page do not wait

    figure = Figure(size, dpi=DPI, layout="constrained")
    figure.set_label(caption)
    axes = np.ravel(figure.subplots(rows, columns, squeeze=False, **options))
    for axis in axes:
        axis.spines[["top", "right"]].set_visible(False)
    return figure, axes


def save(
    drawn: "Mapping[str, Figure]",
    folder: pathlib.Path,
    write: Callable[[pathlib.Path, bytes], None],
) -> dict[str, Image]:
    """Writes NAME.png and NAME.pdf of each figure by `write(path, data)`; returns the images.

    Without date or version, so that the same figure gives the same bytes.
    """
    images = {}
    for name, figure in drawn.items():
        caption = str(figure.get_label())
        _laid_out(figure)
        png = _rendered(figure, "png", {"Software": None, _CAPTION: caption})
        write(folder / f"{name}.png", png)
        write(folder / f"{name}.pdf", _rendered(figure, "pdf", {"CreationDate": None}))
        images[name] = Image(png, caption)
    return images


def read(folder: pathlib.Path, names: Iterable[str]) -> dict[str, Image]:
    """The images of these names that `folder` holds, with the captions they were saved with."""
    from PIL import Image as png_files

    images = {}
    for name in names:
        if (path := folder / f"{name}.png").exists():
            data = path.read_bytes()
            with png_files.open(io.BytesIO(data)) as file:
                images[name] = Image(data, file.info.get(_CAPTION, name.replace("_", " ")))
    return images


def _laid_out(figure: "Figure") -> None:
    """Fixes where everything stands: finding that takes most of the time, and two files need it."""
    figure.draw_without_rendering()
    figure.set_layout_engine(None)


def _rendered(figure: "Figure", kind: str, metadata: dict[str, str | None]) -> bytes:
    buffer, box = io.BytesIO(), figure.get_tightbbox().padded(MARGIN)
    figure.savefig(buffer, format=kind, dpi=DPI, bbox_inches=box, metadata=metadata)
    return buffer.getvalue()
