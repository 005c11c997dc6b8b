"""The table of data sources."""

from collections.abc import Callable

from experiments.data.bundled import digits, random_images, swirl
from experiments.data.idx import fashion_mnist
from experiments.data.source import Source
from experiments.data.tfds import REGISTERED, tfds_source
from experiments.runtime.errors import UserError, nearest

NAMES = ("digits", "swirl", "fashion_mnist", *REGISTERED)


def load(name: str, *, path: str = "", size: int = 28, smoke: bool = False) -> Source:
    """The data source called `name`.

    `path` is the folder of sets that are not bundled; `size` is for fashion_mnist. With `smoke`
    those sets are replaced by a few random images of the same form.

    Raises:
      UserError: unknown name (with the closest valid name), or data that cannot be read.
    """
    if name not in NAMES:
        raise nearest(name, NAMES, "data set")
    loaders: dict[str, Callable[[], Source]] = {"digits": digits, "swirl": swirl}
    if name in loaders:
        if path:
            raise UserError(
                f"data.path={path!r}: {name} comes with the project and is read from no path; "
                f"leave it out, or choose one of {', '.join(n for n in NAMES if n not in loaders)}"
            )
        return loaders[name]()
    if smoke:
        shape, classes = (
            (REGISTERED[name].shape, REGISTERED[name].num_classes)
            if name in REGISTERED
            else ((size, size, 1), 10)
        )
        return random_images(name, shape, 256, classes)
    return fashion_mnist(path, size) if name == "fashion_mnist" else tfds_source(name, path)
