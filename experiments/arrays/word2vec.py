"""Matrices in word2vec's text form, read a block of rows at a time."""

import functools
import pathlib
from collections.abc import Iterator

import numpy as np

from experiments.arrays.lazy import UNNAMED, Stored
from experiments.arrays.numbers import gathered
from experiments.arrays.tables import batched, is_number
from experiments.runtime.errors import UserError

WORDS = "words"  # their name


def read(path: pathlib.Path) -> dict[str, Stored]:
    """The vectors and the words of word2vec's text form, with or without its line of sizes."""
    with path.open(encoding="utf-8") as file:
        sizes = file.readline().split()
    header = len(sizes) == 2 and all(size.isdecimal() for size in sizes)
    count, width = (int(s) for s in sizes) if header else (None, len(sizes) - 1)
    if width < 1:
        raise _no_words(path)
    vectors = functools.partial(_read, path, header, count, width)
    return {
        UNNAMED: Stored((count, width), np.dtype(np.float32), lambda: vectors()[1]),
        WORDS: Stored((count,), None, lambda: vectors()[0]),
    }


def _read(
    path: pathlib.Path, header: bool, count: int | None, width: int
) -> tuple[np.ndarray, np.ndarray]:
    words: list[str] = []

    def vectors() -> Iterator[list[float]]:
        with path.open(encoding="utf-8", newline="\n") as file:
            for number, line in enumerate(file, start=1):
                if (header and number == 1) or not line.strip():
                    continue
                # A word may itself hold spaces.
                word, *values = line.rstrip(" \r\n").rsplit(" ", width)
                if len(values) != width or not all(map(is_number, values)):
                    raise UserError(f"{path}, line {number:,}: not a word and {width} numbers")
                words.append(word)
                yield [float(value) for value in values]

    found = gathered(np.array(rows, np.float32) for rows in batched(vectors(), width))
    if words and not header and all(map(is_number, words)):
        raise _no_words(path)
    if found is None or (count or 0) > len(words):
        raise UserError(f"{path} is truncated: {len(words):,} of {count or 0:,} words are there")
    if count not in (None, len(words)):
        raise UserError(
            f"{path}: its first line says {count:,} words, and {len(words):,} are there; correct "
            "it, or leave it out"
        )
    return np.array(words), found


def _no_words(path: pathlib.Path) -> UserError:
    return UserError(
        f"{path} is no word2vec text: a line is a word and its numbers, separated by spaces; save "
        "numbers without words as .npy or .csv, as np.savetxt(…, delimiter=',') does"
    )
