"""The keys of a hubness config."""

from dataclasses import dataclass, replace
from typing import Annotated, Literal

from ml_collections import ConfigDict

from experiments.runtime.ranges import INT32, Between, Path, Positive, Seed, Several, Text, Words
from experiments.runtime.settings import as_flags

Texts = Annotated[
    str,
    Words(
        (
            *("", "ag_news:FILE", "newsgroups", "newsgroups:FOLDER", "text:FILE"),
            *("yahoo:FILE", "yahoo_small:FILE"),
        )
    ),
]
SPACES = ("minilm", "static", "lsa", "model:FOLDER", "sbert:RUN", "file:FILE")
REDUCTIONS = (
    "csls",
    "dsg",
    "dsl",
    "inverted_softmax",
    "local_scaling",
    "localized_centring",
    "mp_empiric",
    "mp_gamma",
    "mp_gauss",
    "mp_gauss_full",
    "nicdm",
    "nnn",
    "simhub",
    "snn",
    "mp_gauss@skhubness-0.30",
    "local_scaling@skhubness-0.30",
)
FEATURES = ("unit", "f-norm", "f-norm-inductive", "f-uniform", "centre", "centre-weighted", "z")
FEATURES += ("whiten",)
Method = Annotated[str, Text("a method as `methods.parse` reads it", needed=True)]


def combinations() -> tuple[str, ...]:
    """Every feature transform, every reduction, and both kinds of f-norm with every reduction."""
    both = [f"{f}+{r}" for f in ("f-norm", "f-norm-inductive") for r in REDUCTIONS]
    return (*FEATURES, *REDUCTIONS, *both)


@dataclass(frozen=True, kw_only=True)
class Config:
    """A run: every method on every split of one embedded data set.

    Attributes:
      space: an embedding of `experiments.models.sentence.spaces.embedder` (minilm, static, lsa,
        model:FOLDER or file:FILE), or that of a run of experiments.sbert (sbert:RUN).
      space_seed: of the truncated SVD of lsa.
      texts: as `experiments.data.texts.sources.load` reads them: the queries, or all rows if
        split here.
      train_texts: the points, where the data set has its own split.
      seeds: of the split and of the draws of f-norm.
    """

    smoke: bool = False
    space: Annotated[str, Words(SPACES)]
    space_seed: Seed = 0
    texts: Texts = ""
    train_texts: Texts = ""
    seeds: Annotated[tuple[Seed, ...], Several()] = (0, 1, 2)
    metric: Literal["euclidean", "cosine"] = "euclidean"
    local_k: Positive = 10
    methods: Annotated[tuple[Method, ...], Several()] = combinations()


@dataclass(frozen=True, kw_only=True)
class Embeddings:
    """Embeddings of your own: a file of rows, and one of their labels.

    Attributes:
      max_queries: of more rows than this, so many ask among all.
      reductions: whether they are tried on more rows than that, where each takes minutes.
    """

    embeddings: Annotated[str, Text("a file of embeddings", needed=True)]
    labels: Path | None = None
    metric: Annotated[str, Text("cosine or euclidean", needed=True)] = "cosine"
    max_queries: Annotated[int, Between(22, INT32, "[]")] = 20_000  # two lists of 10
    reductions: bool = False


def hubness_config(arg: str, *, texts: str = "", train_texts: str = "") -> ConfigDict:
    """The config of one data set; `arg` is a space, ":smoke" after it a run on a synthetic one."""
    smoke = arg == "smoke" or arg.endswith(":smoke")
    space = arg.removesuffix("smoke").removesuffix(":") if smoke else arg
    config = Config(space=space or "minilm", texts=texts, train_texts=train_texts)
    if smoke:
        few = ("f-norm", "nicdm", "csls", "mp_gauss", "f-norm+mp_gauss@skhubness-0.30")
        config = replace(config, smoke=True, seeds=(0, 1), methods=few)
    return as_flags(config)
