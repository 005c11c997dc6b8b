"""What a comparison is asked for."""

from dataclasses import dataclass
from typing import Annotated

from experiments.runtime.ranges import Between, Seed, Several, Size, Text

Reference = Annotated[str, Text("a file or folder", needed=True)]
LEAST_DRAWS = 20  # of which one in twenty can be


@dataclass(frozen=True, kw_only=True)
class Config:
    """The flags of the command; measures are separated by commas.

    Attributes:
      every: all measures and bounds of two entries, beyond those that a comparison is told by.
    """

    models: Annotated[tuple[Reference, ...], Several(0, repeated=True)]
    measures: Annotated[str, Text("measures, separated by commas", needed=True)] = "mcca,cka"
    draws: Annotated[int, Between(LEAST_DRAWS, 1_000_000, "[]", besides=0)] = 200  # 0: none
    sets: Size = 200
    seed: Seed = 0
    stacked: bool = False
    texts: Annotated[str, Text("text:FILE or ag_news:FILE")] | None = None
    every: bool = True
