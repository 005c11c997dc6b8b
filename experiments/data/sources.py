"""The table of data sources."""

from collections.abc import Callable
from typing import NamedTuple

from experiments.data.bundled import digits, random_images, swirl
from experiments.data.idx import fashion_mnist
from experiments.data.own import own_images
from experiments.data.source import Source
from experiments.data.tfds import REGISTERED, tfds_source
from experiments.data.wanted import Wanted
from experiments.runtime.errors import UserError, nearest


class DataSet(NamedTuple):
    """A data set by name.

    Attributes:
      stand_in: shape and classes of the random images that a smoke run has in its place; None
        where the set comes with the project, and has no path.
    """

    read: Callable[[Wanted], Source]
    stand_in: Callable[[Wanted], tuple[tuple[int, ...], int]] | None = None


def _registered(name: str) -> DataSet:
    entry = REGISTERED[name]
    read = lambda wanted: tfds_source(name, wanted.path)
    return DataSet(read, lambda wanted: (entry.shape, entry.num_classes))


DATA_SETS: dict[str, DataSet] = {
    "digits": DataSet(lambda wanted: digits()),
    "swirl": DataSet(lambda wanted: swirl()),
    "fashion_mnist": DataSet(
        lambda wanted: fashion_mnist(wanted.path, wanted.size),
        lambda wanted: ((wanted.size, wanted.size, 1), 10),
    ),
    "images": DataSet(
        own_images,
        lambda wanted: ((wanted.size or 8, wanted.size or 8, wanted.channels or 3), 1),
    ),
    **{name: _registered(name) for name in REGISTERED},
}
NAMES = tuple(DATA_SETS)


def load(name: str, *, path: str = "", smoke: bool = False, size: int = 28) -> Source:
    """The data source called `name`, as `read` gives it; `size` is for fashion_mnist."""
    return read(Wanted(name=name, path=path, smoke=smoke, size=size))


def read(wanted: Wanted) -> Source:
    """The data source of that name.

    With `smoke`, sets that do not come with the project are replaced by a few random images of the
    same form.

    Raises:
      UserError: unknown name (with the closest valid name), or data that cannot be read.
    """
    if wanted.name not in DATA_SETS:
        raise nearest(wanted.name, NAMES, "data set")
    found = DATA_SETS[wanted.name]
    if found.stand_in is None:
        if wanted.path:
            others = ", ".join(n for n, entry in DATA_SETS.items() if entry.stand_in)
            raise UserError(
                f"data.path={wanted.path!r}: {wanted.name} comes with the project and is read from "
                f"no path; leave it out, or choose one of {others}"
            )
        return found.read(wanted)
    if wanted.smoke:
        shape, classes = found.stand_in(wanted)
        return random_images(wanted.name, shape, 256, classes)
    return found.read(wanted)
