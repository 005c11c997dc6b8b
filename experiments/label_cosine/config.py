"""The keys of a label-cosine config."""

from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class Config:
    """The examples, and the matrix to audit where one is given.

    Attributes:
      cases: (labels, dimension), each checked with `seeds` matrices.
      matrix, bias: FILE or FILE:NAME; rows beyond `max_labels` are sampled.
    """

    seed: int = 0
    cosines: tuple[float, ...] = (-1.0, -0.5, 0.0, 0.5, 0.95)
    num_inputs: int = 50_000
    cases: tuple[tuple[int, int], ...] = tuple(
        (k, m) for k in (3, 5, 10) for m in (2, 3, 4) if (k, m) != (10, 4)
    )
    seeds: int = 10
    matrix: str = ""
    bias: str = ""
    max_labels: int = 2_000
