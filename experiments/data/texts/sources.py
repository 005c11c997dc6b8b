"""Text data sets by path or by their usual loader, each with its size and SHA-256."""

import csv
import dataclasses
import gzip
import io
import pathlib
import re
import zlib
from collections.abc import Callable
from typing import Any

import numpy as np
from jaxtyping import Float, Int

from experiments.data.texts.digests import file_digest, text_digest
from experiments.runtime.errors import UserError, nearest

AG_NEWS_CLASSES = ("World", "Sports", "Business", "Sci/Tech")
YAHOO_CLASSES = (
    "Society & Culture",
    "Science & Mathematics",
    "Health",
    "Education & Reference",
    "Computers & Internet",
    "Sports",
    "Business & Finance",
    "Entertainment & Music",
    "Family & Relationships",
    "Politics & Government",
)


@dataclasses.dataclass(frozen=True)
class Texts:
    """Texts with class labels, where there are any.

    Attributes:
      labels: from 0; None for unlabelled texts.
      classes: their names in the order of the labels.
      sha256: of the file read, or of the texts where a loader gave them.
    """

    name: str
    texts: tuple[str, ...]
    labels: Int[np.ndarray, "n"] | None
    classes: tuple[str, ...]
    sha256: str


@dataclasses.dataclass(frozen=True)
class Pairs:
    """Pairs of sentences with a similarity score from 0 to 5."""

    name: str
    first: tuple[str, ...]
    second: tuple[str, ...]
    score: Float[np.ndarray, "n"]
    sha256: str


def load(spec: str, *, split: str = "test") -> Texts:
    """Texts by `ag_news:FILE`, `yahoo:FILE`, `text:FILE` or `newsgroups[:DATA_HOME]`.

    `yahoo_small:FILE` is the stratified tenth of that file.

    `split` ("train" or "test") matters to newsgroups only; a file is one split.
    """
    name, _, value = spec.partition(":")
    loaders: dict[str, Callable[[], Texts]] = {
        "ag_news": lambda: ag_news(value),
        "newsgroups": lambda: newsgroups(split, data_home=value or None),
        "text": lambda: text_lines(value),
        "yahoo": lambda: yahoo_answers(value),
        "yahoo_small": lambda: stratified_sample(yahoo_answers(value), 0.1),
    }
    if name not in loaders:
        raise nearest(name, loaders, "texts")
    if name != "newsgroups" and not value:
        raise UserError(f"texts {spec!r} should be written '{name}:FILE'")
    return loaders[name]()


def read_text(path: str | pathlib.Path) -> str:
    """The text of a UTF-8 file, unpacked if its name ends in .gz.

    Raises:
      UserError: where it is missing, a damaged archive or not UTF-8.
    """
    path = pathlib.Path(path)
    if not path.is_file():
        raise UserError(f"there is no file {path}")
    data = path.read_bytes()
    try:
        if path.suffix == ".gz":
            data = gzip.decompress(data)
        return data.decode("utf-8")
    except (gzip.BadGzipFile, EOFError, zlib.error) as error:
        raise UserError(f"{path} is truncated or no gzip file: {error}") from error
    except UnicodeDecodeError as error:
        raise UserError(f"{path} is not UTF-8 (byte {error.start:,})") from error


def ag_news(path: str | pathlib.Path) -> Texts:
    """AG News: title and description joined by a space, backslashes read as spaces.

    The file has the columns class (1-4), title, description, with or without a header. It writes
    a line break as a backslash alone: `social\\network` is two words.
    """
    return _class_csv("AG News", pathlib.Path(path), AG_NEWS_CLASSES, 3, line_break=r"\\")


def yahoo_answers(path: str | pathlib.Path) -> Texts:
    """Yahoo Answers: question title, content and best answer joined by spaces.

    The file has the columns class (1-10), title, content, answer, with or without a header. It
    writes a line break as a backslash and an n; both that and other backslashes become spaces.
    """
    return _class_csv("Yahoo Answers", pathlib.Path(path), YAHOO_CLASSES, 4, line_break=r"\\n?")


def _class_csv(
    name: str,
    path: pathlib.Path,
    classes: tuple[str, ...],
    num_columns: int,
    *,
    line_break: str,
) -> Texts:
    """Rows of a class from 1 and text columns; matches of `line_break` are read as spaces."""
    rows = list(csv.reader(io.StringIO(read_text(path), newline="")))
    first = 1
    if rows and rows[0] and not rows[0][0].strip().isdecimal():
        rows, first = rows[1:], 2
    if not rows:
        raise UserError(f"{path} has no {name} rows")
    labels, texts = [], []
    for i, row in enumerate(rows):
        where = f"{path}, row {i + first}"
        if len(row) != num_columns:
            raise UserError(f"{where}: {len(row)} columns; {name} has {num_columns}")
        if not row[0].isdecimal() or not 1 <= int(row[0]) <= len(classes):
            raise UserError(f"{where}: class {row[0]!r} is not one of 1 to {len(classes)}")
        labels.append(int(row[0]) - 1)
        joined = " ".join(part for part in row[1:] if part)
        texts.append(re.sub(line_break, " ", joined))
    return Texts(name, tuple(texts), np.array(labels, np.int32), classes, file_digest(path))


def newsgroups(split: str = "test", *, data_home: str | None = None) -> Texts:
    """20 Newsgroups by scikit-learn's loader, without headers, footers and quotes.

    Raises:
      UserError: for an unknown split, or where the data is neither cached nor to be fetched.
    """
    from sklearn.datasets import fetch_20newsgroups

    if split not in ("train", "test"):
        raise nearest(split, ("train", "test"), "split of 20 Newsgroups")
    try:
        # A bunch, or a tuple for another option that is not given.
        bunch: Any = fetch_20newsgroups(
            data_home=data_home, subset=split, remove=("headers", "footers", "quotes")
        )
    except OSError as error:
        raise UserError(
            f"20 Newsgroups is not in scikit-learn's cache and cannot be fetched ({error}): on a "
            "connected machine run sklearn.datasets.fetch_20newsgroups(data_home=DIR), copy DIR "
            "here and give newsgroups:DIR"
        ) from error
    return Texts(
        f"20 Newsgroups {split}",
        tuple(bunch.data),
        np.asarray(bunch.target, np.int32),
        tuple(bunch.target_names),
        text_digest(bunch.data),
    )


def text_lines(path: str | pathlib.Path) -> Texts:
    """The non-blank lines of a text file, without labels."""
    path = pathlib.Path(path)
    lines = tuple(line for line in read_text(path).splitlines() if line.strip())
    if not lines:
        raise UserError(f"{path} has no text")
    return Texts(path.stem, lines, None, (), file_digest(path))


def sts_benchmark(path: str | pathlib.Path) -> Pairs:
    """The STS benchmark: tab-separated genre, file, year, id, score, sentence, sentence.

    Further columns are ignored; quotes are ordinary characters.
    """
    path = pathlib.Path(path)
    first, second, scores = [], [], []
    # Not splitlines: sentences may hold exotic line separators.
    for i, line in enumerate(read_text(path).split("\n"), start=1):
        if not line.strip():
            continue
        columns = line.rstrip("\r").split("\t")
        if len(columns) < 7:
            raise UserError(f"{path}, line {i}: {len(columns)} columns; at least 7 are needed")
        try:
            scores.append(float(columns[4]))
        except ValueError:
            scores.append(np.nan)
        if not 0 <= scores[-1] <= 5:
            raise UserError(f"{path}, line {i}: score {columns[4]!r} is not between 0 and 5")
        first.append(columns[5])
        second.append(columns[6])
    if not scores:
        raise UserError(f"{path} has no sentence pairs")
    score = np.array(scores, np.float32)
    return Pairs(path.name, tuple(first), tuple(second), score, file_digest(path))


def stratified_sample(texts: Texts, fraction: float, *, seed: int = 0) -> Texts:
    """A part of `texts` with the same class shares, by scikit-learn's stratified split.

    The hubness paper's "Yahoo Answers small" is fraction 0.1 with seed 0 (arXiv 2311.18364).
    """
    from sklearn.model_selection import train_test_split

    if texts.labels is None or not 0 < fraction < 1:
        raise UserError(f"a stratified sample needs labels and 0 < fraction < 1, not {fraction}")
    rows, _ = train_test_split(
        np.arange(len(texts.texts)),
        train_size=fraction,
        stratify=texts.labels,
        random_state=seed,
    )
    chosen = tuple(texts.texts[i] for i in rows)
    name = f"{texts.name}, {fraction:.0%} sample"
    return Texts(name, chosen, texts.labels[rows], texts.classes, text_digest(chosen))
