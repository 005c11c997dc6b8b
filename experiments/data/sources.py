"""The table of data sources."""

from collections.abc import Callable, Mapping
from dataclasses import fields
from typing import Any, NamedTuple

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
      options: the keys of `Wanted` that it reads; others mean nothing for it.
      stand_in: shape and classes of the random images that a smoke run has in its place; None
        where the set comes with the project.
    """

    read: Callable[[Wanted], Source]
    options: tuple[str, ...] = ()
    stand_in: Callable[[Wanted], tuple[tuple[int, ...], int]] | None = None

    def check(self, name: str, given: Mapping[str, Any], usual: Mapping[str, Any]) -> None:
        """Raises `UserError` for an option that is not as usual and means nothing for the set."""
        for option, value in given.items():
            if value != usual[option] and option not in self.options:
                takers = [n for n, other in DATA_SETS.items() if option in other.options]
                raise UserError(
                    f"config.data.{option}={value!r} means nothing for {name}: leave it out, or "
                    f"choose one of {', '.join(takers)}"
                )


def _registered(name: str) -> DataSet:
    entry = REGISTERED[name]
    read = lambda wanted: tfds_source(name, wanted.path)
    return DataSet(read, ("path",), lambda wanted: (entry.shape, entry.num_classes))


# The options of data at their defaults, beside which set it is.
USUAL = {f.name: f.default for f in fields(Wanted) if f.name not in ("name", "smoke")}
DATA_SETS: dict[str, DataSet] = {
    "digits": DataSet(lambda wanted: digits()),
    "swirl": DataSet(lambda wanted: swirl()),
    "fashion_mnist": DataSet(
        lambda wanted: fashion_mnist(wanted.path, wanted.size),
        ("path", "size"),
        lambda wanted: ((wanted.size, wanted.size, 1), 10),
    ),
    "images": DataSet(
        own_images,
        tuple(USUAL),
        lambda wanted: ((wanted.size or 8, wanted.size or 8, wanted.channels or 3), 1),
    ),
    **{name: _registered(name) for name in REGISTERED},
}
NAMES = tuple(DATA_SETS)


def load(name: str, *, path: str = "", smoke: bool = False, size: int = 28) -> Source:
    """The data source called `name`, as `read` gives it; `size` is for fashion_mnist."""
    return read(Wanted(name=name, path=path, smoke=smoke, size=size))


def find(name: str) -> DataSet:
    """The entry of a name. Raises `UserError` with the nearest one for another."""
    if name not in DATA_SETS:
        raise nearest(name, NAMES, "data set")
    return DATA_SETS[name]


def read(wanted: Wanted) -> Source:
    """The data source of that name.

    With `smoke`, sets that do not come with the project are replaced by a few random images of the
    same form.

    Raises:
      UserError: unknown name (with the closest valid name), an option that means nothing for the
        set, or data that cannot be read.
    """
    found = find(wanted.name)
    found.check(wanted.name, {option: getattr(wanted, option) for option in USUAL}, USUAL)
    if wanted.smoke and found.stand_in is not None:
        shape, classes = found.stand_in(wanted)
        return random_images(wanted.name, shape, 256, classes)
    return found.read(wanted)
