"""What a comparison is asked for."""

from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class Config:
    """The flags of the command; names are separated by commas."""

    models: str
    measures: str = "mcca,cka"
    draws: int = 200
    sets: int = 200
    seed: int = 0
    stacked: bool = False
    texts: str | None = None
