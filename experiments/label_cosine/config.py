"""The keys of a label-cosine config."""

from dataclasses import dataclass
from typing import Annotated

from experiments.runtime.ranges import INT32, Between, Few, Path, Real, Seed, Several, Size

Labels = Annotated[int, Between(3, 1_000, "[]")]


@dataclass(frozen=True, kw_only=True)
class Config:
    """The examples, and the matrix to audit where one is given.

    Attributes:
      cases: (labels, dimension), each checked with `seeds` matrices.
      matrix, bias: FILE or FILE:NAME; rows beyond `max_labels` are sampled.
    """

    seed: Seed = 0
    cosines: Annotated[tuple[Annotated[float, Real(-1, 1, "[]")], ...], Several()] = (
        *(-1.0, -0.5, 0.0, 0.5, 0.95),
    )
    num_inputs: Size = 50_000
    cases: Annotated[tuple[tuple[Labels, Few], ...], Several()] = tuple(
        (k, m) for k in (3, 5, 10) for m in (2, 3, 4) if (k, m) != (10, 4)
    )
    seeds: Size = 10
    matrix: Path = ""
    bias: Path = ""
    max_labels: Annotated[int, Between(3, INT32, "[]")] = 2_000
