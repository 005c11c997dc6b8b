"""The keys of a prediction-hub config and their values in the article's code."""

from dataclasses import dataclass, replace

from ml_collections import ConfigDict

from experiments.runtime.cli import split_arg
from experiments.runtime.errors import UserError
from experiments.runtime.settings import as_flags

# The article's contexts: files of Cheng et al. 2025, one line `context TAB next word`.
CORPORA = ",".join(
    f"next_words:{name}_sane_ds.txt=50000" for name in ("bookcorpus", "pile10k", "wikitext")
)
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

    spec: str
    dtype: str = "float32"
    revisions: str = ""


@dataclass(frozen=True, kw_only=True)
class Window:
    """How contexts are cut from a corpus; `at_most`: fewer where it has fewer."""

    length: int = 20
    special_tokens: bool = False
    at_most: bool = False


@dataclass(frozen=True, kw_only=True)
class Hubs:
    """Which points are hubs: those of `value` or more by `rule` (absolute, relative, quantile)."""

    rule: str = "absolute"
    value: float = 100.0


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

    seed: int = 0
    smoke: bool = False
    model: Model
    corpora: str = CORPORA
    window: Window = Window()
    batch_size: int = 64
    k: int = 10
    self_included: bool = False
    comparisons: tuple[str, ...] = ("ct", "cc", "tt")
    distances: tuple[str, ...] = ("dot", "euclidean", "cosine")
    hubs: Hubs = Hubs()
    training_counts: str = ""
    reductions: tuple[str, ...] = ("csls", "nicdm", "mp_gauss")
    bootstrap: int = 1000
    num_top: int = 20
    max_queries: int = 1000
    expected: tuple[tuple[str, str, str], ...] = ()


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
