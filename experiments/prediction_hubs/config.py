"""The keys of a prediction-hub config and their values in the article's code."""

from dataclasses import dataclass, replace
from typing import Annotated, Literal

from ml_collections import ConfigDict

import hubness
from experiments.prediction_hubs.neighbourhoods import COMPARISONS, DISTANCES
from experiments.runtime.cli import split_arg
from experiments.runtime.errors import UserError
from experiments.runtime.ranges import NotNegative, Path, Positive, Seed, Several, Size, Text, Words
from experiments.runtime.settings import as_flags

# The article's contexts: files of Cheng et al. 2025, one line `context TAB next word`.
CORPORA = ",".join(
    f"next_words:{name}_sane_ds.txt=50000" for name in ("bookcorpus", "pile10k", "wikitext")
)
Comparison = Annotated[str, Words(tuple(COMPARISONS))]
Distance = Annotated[str, Words(tuple(DISTANCES))]
Reduction = Annotated[str, Words(tuple(hubness.REDUCTIONS))]
Said = Annotated[str, Text("a word of the record")]
PUBLISHED, SECOND_HAND, MISSING = "published", "reported second-hand", "missing"


# What the article has no figure of, for any model.
NO_FIGURE = tuple(
    (what, "", MISSING)
    for what in (
        "number of hubs; mean, median and largest N_10",
        "skewness of N_10 in each corpus",
        "mean distance to the uniform distribution",
        "Spearman among tokens and among contexts",
    )
)


@dataclass(frozen=True, kw_only=True)
class Model:
    """`spec` as `lm.load` reads it.

    Attributes:
      revisions: of an `hf:` model, separated by commas, in training order; "" is its main one.
    """

    spec: Annotated[str, Text("a model as `lm.load` reads it", needed=True)]
    dtype: Annotated[str, Words(("float32", "bfloat16", "float16"))] = "float32"
    revisions: Annotated[str, Text("revisions, separated by commas")] = ""


@dataclass(frozen=True, kw_only=True)
class Window:
    """How contexts are cut from a corpus; `at_most`: fewer where it has fewer."""

    length: Positive = 20
    special_tokens: bool = False
    at_most: bool = False


@dataclass(frozen=True, kw_only=True)
class Hubs:
    """Which points are hubs: those of `value` or more by `rule`."""

    rule: Literal["absolute", "relative", "quantile"] = "absolute"
    value: NotNegative = 100.0


@dataclass(frozen=True, kw_only=True)
class Config:
    """A run: one model and its contexts.

    Attributes:
      corpora: CORPUS=NUMBER_OF_CONTEXTS, separated by commas; a corpus as `contexts.make` reads it.
      self_included: whether a point may be its own neighbour in cc and tt.
      training_counts: JSON of token id -> count in the training set.
      max_queries: of the distance histograms.
      expected: (what, value, source) with source PUBLISHED, SECOND_HAND or MISSING.
    """

    seed: Seed = 0
    smoke: bool = False
    model: Model
    corpora: Annotated[str, Text("CORPUS=NUMBER_OF_CONTEXTS,…", needed=True)] = CORPORA
    window: Window = Window()
    batch_size: Positive = 64
    k: Positive = 10
    self_included: bool = False
    comparisons: Annotated[tuple[Comparison, ...], Several()] = ("ct", "cc", "tt")
    distances: Annotated[tuple[Distance, ...], Several()] = ("dot", "euclidean", "cosine")
    hubs: Hubs = Hubs()
    training_counts: Path = ""
    reductions: Annotated[tuple[Reduction, ...], Several(0)] = ("csls", "nicdm", "mp_gauss")
    bootstrap: Size = 1000
    num_top: Positive = 20
    max_queries: Positive = 1000
    expected: Annotated[tuple[tuple[Said, Said, Said], ...], Several(0)] = ()


def prediction_hubs_config(arg: str, config: Config) -> ConfigDict:
    """`config`, or with "all:smoke" a run of seconds on a synthetic model and text."""
    _, smoke = split_arg(arg, models=["all"], default="all")
    if smoke:
        config = replace(
            config,
            smoke=True,
            corpora="one=40,two=40",
            window=Window(length=6),
            hubs=Hubs(value=8.0),
            num_top=5,
            reductions=("csls",),
            bootstrap=50,
        )
    return as_flags(config)


def published_config(
    arg: str, spec: str, vocabulary: str, *found: tuple[str, str], revisions: str = ""
) -> ConfigDict:
    """The config of a model of the article; `found` are its figures, reported second-hand."""
    expected = (
        ("vocabulary", vocabulary, PUBLISHED),
        ("skewness of N_10, contexts to tokens", "above 40", SECOND_HAND),
        *((what, value, SECOND_HAND) for what, value in found),
        *NO_FIGURE,
    )
    model = Model(spec=spec, revisions=revisions)
    return prediction_hubs_config(arg, Config(model=model, expected=expected))


def parse_corpora(text: str) -> dict[str, int]:
    """Number of contexts by corpus, from "CORPUS=NUMBER,...".

    Raises:
      UserError: for a part that is not of that form.
    """
    corpora = {}
    for word in text.split(","):
        spec, equals, number = word.rpartition("=")
        if not equals or not number.isdecimal() or int(number) < 1:
            raise UserError(f"corpora: {word!r} is not of the form CORPUS=NUMBER_OF_CONTEXTS")
        corpora[spec] = int(number)
    return corpora
