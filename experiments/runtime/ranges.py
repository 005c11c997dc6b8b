"""What the fields of configs accept, stated where a field is declared and checked by `settings`.

A field is a `bool`, a `Literal`, or `Annotated` with one of the ranges here:

    dim: Positive
    betas: Annotated[tuple[Share, ...], Several()] = (0.9, 0.99)
"""

import abc
import dataclasses
import difflib
import math
from typing import Annotated, Any

from experiments.runtime.errors import UserError


class Range(abc.ABC):
    """Values of a type that a field accepts; `str` is what a message says of them."""

    @abc.abstractmethod
    def __contains__(self, value: Any) -> bool: ...

    def refusal(self, where: str, value: Any) -> UserError:
        return UserError(f"{where}={value!r}; accepted is {self}")


@dataclasses.dataclass(frozen=True)
class Between(Range):
    """Numbers from `low` to `high`; `ends` says which of the two is accepted, as in [0, 1).

    Attributes:
      besides: a number outside that has a meaning of its own.
    """

    low: float = -math.inf
    high: float = math.inf
    ends: str = "[)"
    besides: float | None = None

    def __contains__(self, value: Any) -> bool:
        above = self.low < value or (self.ends[0] == "[" and value == self.low)
        below = value < self.high or (self.ends[1] == "]" and value == self.high)
        return (above and below) or value == self.besides

    def __str__(self) -> str:
        whole = isinstance(self.low, int) and not isinstance(self, Real)
        text = "an integer" if whole else "a finite number"
        if whole and self.ends == "[]":
            text += f" ≥ {self.low}, at most {self.high:,}"
        elif self.high < math.inf:
            text += f" in {self.ends[0]}{self.low}, {self.high}{self.ends[1]}"
        elif self.low > -math.inf:
            text += f" {'≥' if self.ends[0] == '[' else '>'} {self.low}"
        return text if self.besides is None else f"{self.besides}, or {text}"


class Real(Between):
    """Floats, of which NaN and infinity are never accepted."""


@dataclasses.dataclass(frozen=True)
class Text(Range):
    """A word, path or list that is checked further where it is read; `what` says what it is.

    Attributes:
      needed: whether it must be given; else "" stands for nothing.
    """

    what: str
    needed: bool = False

    def __contains__(self, value: Any) -> bool:
        return "\0" not in value and bool(value.strip() if value or self.needed else True)

    def __str__(self) -> str:
        return self.what if self.needed else f"{self.what}, or nothing"


@dataclasses.dataclass(frozen=True)
class Words(Range):
    """Some words; one written "kind:THING" stands for all that begin "kind:"."""

    accepted: tuple[str, ...]

    def __contains__(self, value: Any) -> bool:
        kind, colon, thing = value.partition(":")
        kinds = [word.partition(":")[0] for word in self.accepted if ":" in word]
        return value in self.accepted or (bool(colon and thing.strip()) and kind in kinds)

    def __str__(self) -> str:
        return " or ".join(word or "nothing" for word in self.accepted)

    def refusal(self, where: str, value: Any) -> UserError:
        close = difflib.get_close_matches(str(value), self.accepted, 1, cutoff=0.5)
        hint = f". Did you mean {close[0]!r}?" if close and value != close[0] else ""
        return UserError(f"{super().refusal(where, value)}{hint}")


@dataclasses.dataclass(frozen=True)
class Unused(Range):
    """A key that other choices have and this one has no use for: `why`."""

    value: Any
    why: str

    def __contains__(self, value: Any) -> bool:
        return value == self.value

    def __str__(self) -> str:
        return f"{self.value!r}: {self.why}; leave it out"


@dataclasses.dataclass(frozen=True)
class Several(Range):
    """Tuples of at least so many values, none of them twice unless `repeated`."""

    least: int = 1
    repeated: bool = False

    def __contains__(self, value: Any) -> bool:
        return len(value) >= self.least and (self.repeated or len({*value}) == len(value))

    def __str__(self) -> str:
        number = f"{self.least} value or more" if self.least else "any number of values"
        return number if self.repeated else f"{number}, none of them twice"


SMALL_BATCH = 4096  # in which few examples may come many times
INT32 = 2**31 - 1  # what a step, a row or a place is counted in
Count = Annotated[int, Between(0, INT32, "[]")]
Positive = Annotated[int, Between(1, INT32, "[]")]
# What is held at once: rows and draws, or units of a layer; and what is made one by one: models,
# layers, labels. More would end in no answer, or in no memory after the folder is taken.
Size = Annotated[int, Between(1, 1_000_000, "[]")]
SizeOr0 = Annotated[int, Between(0, 1_000_000, "[]")]
Few = Annotated[int, Between(1, 1_000, "[]")]
Seed = Annotated[int, Between(0, 2**32)]
Finite = Annotated[float, Real(ends="()")]
AboveZero = Annotated[float, Real(0, ends="()")]
NotNegative = Annotated[float, Real(0)]
Share = Annotated[float, Real(0, 1, "[]")]
Dropout = Annotated[float, Real(0, 1)]
Path = Annotated[str, Text("the name of a file or folder")]


def check_batch_fits(where: str, batch_size: int, num_examples: int) -> None:
    """Raises `UserError` for a batch of `where` that is neither small nor held by the data."""
    if batch_size > (most := max(num_examples, SMALL_BATCH)):
        raise UserError(
            f"{where}={batch_size} for {num_examples:,} training examples; accepted are up to "
            f"{most:,} in a batch: the number of examples, or {SMALL_BATCH:,} where they are fewer"
        )
