"""What a language model is asked to continue: contexts as token ids, with the true next token."""

import dataclasses
import pathlib
from collections.abc import Sequence

import numpy as np
from jaxtyping import Int

from experiments.data.texts import corpora, sources
from experiments.data.texts.digests import text_digest
from experiments.models.language.language_model import LanguageModel
from experiments.runtime.errors import UserError


@dataclasses.dataclass(frozen=True)
class Contexts:
    """Contexts from one corpus.

    Attributes:
      ids: the tokens of each context, of any lengths.
      answers: the tokens that count as the true next one, -1 where there are fewer.
      counts: how often each token of the vocabulary occurs in the corpus.
      facts: size, digest and origin of the corpus, for the record.
    """

    name: str
    ids: list[list[int]]
    answers: Int[np.ndarray, "n a"]
    counts: Int[np.ndarray, "v"]
    facts: dict


def make(
    spec: str,
    model: LanguageModel,
    *,
    length: int,
    n: int,
    seed: int,
    special_tokens: bool,
    at_most: bool = False,
) -> Contexts:
    """Contexts from `spec`: `next_words:FILE`, or a corpus of `corpora.load`.

    There are `n`, or where `at_most` and a corpus has fewer windows, all of those.

    With `special_tokens` every context begins with the model's first token, and the counts include
    it once a document; otherwise neither has it.
    """
    if special_tokens and model.bos is None:
        raise UserError(f"{model.name} has no first token: set window.special_tokens to False")
    bos = model.bos if special_tokens else None
    kind, _, path = spec.partition(":")
    if kind == "next_words":
        return _next_words(pathlib.Path(path), model, n, bos)
    corpus = corpora.load(spec)
    documents = model.tokenise(corpus.documents)
    if at_most:
        n = min(n, max(1, corpora.num_windows(documents, length)))
    windows = corpora.sample_windows(documents, length, n, seed=seed, bos=bos)
    return Contexts(
        name=corpus.name,
        ids=windows.context.tolist(),
        answers=windows.next_token[:, None],
        counts=corpora.token_counts(documents, len(model.unembedding), bos=bos),
        facts=_facts(corpus.origin, corpus.sha256, documents),
    )


def _next_words(path: pathlib.Path, model: LanguageModel, n: int, bos: int | None) -> Contexts:
    """The first `n` lines `context TAB next word` of a file.

    A word is answered by the token that is the word, with or without a space before it; a word
    of several tokens cannot be answered, as in the published evaluation.
    """
    rows = [line.split("\t") for line in sources.read_text(path).split("\n") if line.strip()]
    bad = next((i for i, row in enumerate(rows) if len(row) != 2 or not row[0].strip()), None)
    if bad is not None:
        raise UserError(f"{path}, entry {bad + 1}: not of the form 'context TAB next word'")
    if len(rows) < n:
        raise UserError(f"{path} has {len(rows):,} contexts, fewer than the {n:,} asked for")
    words = [word.strip("\r") for _, word in rows]
    alone, spaced = model.tokenise(words), model.tokenise([" " + word for word in words])
    pick = lambda ids: ids[0] if len(ids) == 1 else -1
    answers = [[pick(a), pick(b)] for a, b in zip(alone[:n], spaced[:n], strict=True)]
    lines = [f"{context} {word}" for (context, _), word in zip(rows, words, strict=True)]
    documents = model.tokenise(lines)
    first = [] if bos is None else [bos]
    ids = [first + tokens for tokens in model.tokenise([context for context, _ in rows[:n]])]
    return Contexts(
        name=path.stem,
        ids=ids,
        answers=np.array(answers, np.int32),
        counts=corpora.token_counts(documents, len(model.unembedding), bos=bos),
        facts=_facts(f"{len(rows):,} lines of {path.name}", text_digest(lines), documents),
    )


def _facts(origin: str, sha256: str, documents: Sequence[Sequence[int]]) -> dict:
    tokens = sum(len(document) for document in documents)
    return {"origin": origin, "sha256": sha256, "documents": len(documents), "tokens": tokens}
