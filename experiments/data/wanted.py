"""What a config says of its data: where they are, what is made of an image, which are tested on."""

import dataclasses

from experiments.runtime.errors import UserError, nearest

CROPS = ("centre", "none", "stretch")


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

    name: str
    path: str = ""
    size: int = 28
    smoke: bool = False
    crop: str = "centre"
    channels: int = 0
    levels: int = 0
    split: str = ""
    test_share: float = 0.1
    split_seed: int = 0

    def check(self) -> None:
        """Raises `UserError` for a value that own images cannot have."""
        if self.crop not in CROPS:
            raise nearest(self.crop, CROPS, "data.crop")
        if self.channels not in (0, 1, 3):
            raise UserError(f"data.channels is {self.channels}; accepted: 0, 1, 3")
        if self.size < 0:
            raise UserError(f"data.size is {self.size}; accepted: 0 for as they are, or a side")
        if self.levels and not 2 <= self.levels <= 65_536:
            raise UserError(f"data.levels is {self.levels}; accepted: 2 to 65,536")
        if not 0 < self.test_share < 1:
            raise UserError(f"data.test_share is {self.test_share}; accepted: between 0 and 1")
        kind, _, value = self.split.partition(":")
        if kind not in ("", "seeded", "file", "column") or (kind in ("file", "column")) != bool(
            value
        ):
            raise UserError(
                f"data.split is {self.split!r}; accepted: seeded, file:FILE, column:NAME, or "
                "nothing"
            )
