"""What a comparison is asked for."""

from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class Config:
    """The flags of the command; measures are separated by commas.

    Attributes:
      every: all measures and bounds of two entries, beyond those that a comparison is told by.
    """

    models: tuple[str, ...]
    measures: str = "mcca,cka"
    draws: int = 200
    sets: int = 200
    seed: int = 0
    stacked: bool = False
    texts: str | None = None
    every: bool = True
