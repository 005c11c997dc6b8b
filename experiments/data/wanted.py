"""What a config says of its data: where they are, what is made of an image, which are tested on."""

import dataclasses
from typing import Annotated, Literal

from experiments.runtime.ranges import Between, Path, Real, Seed, Text, Words


@dataclasses.dataclass(frozen=True, kw_only=True)
class Wanted:
    """The keys of `config.data`.

    Attributes:
      name: of `sources.DATA_SETS`.
      path: where sets lie that do not come with the project.
      size: side of the square that an image becomes; 0 leaves images as they are. Of Fashion-MNIST
        28 or 14.
      crop: how an image becomes that square: the "centre" of it after its shorter side is resized,
        "stretch" both sides, or "none", which is for images that are square already.
      channels: 1 for grey, 3 for colour; 0: grey where all images are.
      levels: grey levels of arrays of codes; 0: 256.
      split: "" as the data are divided, or else seeded; "seeded"; "file:FILE" with the name of a
        test image a line; "column:NAME" of a parquet file.
      test_share: of each class, where the split is drawn.
      smoke: a few random images of the same form where data are absent.
    """

    name: Annotated[str, Text("a data set's name", needed=True)]
    path: Path = ""
    size: Annotated[int, Between(0, 4096, "[]")] = 28
    smoke: bool = False
    crop: Literal["centre", "none", "stretch"] = "centre"
    channels: Literal[0, 1, 3] = 0
    levels: Annotated[int, Between(2, 65_536, "[]", besides=0)] = 0
    split: Annotated[str, Words(("", "seeded", "file:FILE", "column:NAME"))] = ""
    test_share: Annotated[float, Real(0, 1, "()")] = 0.1
    split_seed: Seed = 0
