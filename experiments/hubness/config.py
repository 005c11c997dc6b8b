"""The keys of a hubness config."""

from ml_collections import ConfigDict

from experiments.runtime.errors import UserError, nearest

SPACES = ("minilm", "static", "lsa", "model:FOLDER", "file:FILE")
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


def combinations() -> tuple[str, ...]:
    """Every feature transform, every reduction, and both kinds of f-norm with every reduction."""
    both = [f"{f}+{r}" for f in ("f-norm", "f-norm-inductive") for r in REDUCTIONS]
    return (*FEATURES, *REDUCTIONS, *both)


def hubness_config(arg: str, *, texts: str = "", train_texts: str = "") -> ConfigDict:
    """The config of one data set.

    Args:
      arg: an embedding of `experiments.models.sentence.spaces.embedder` (minilm, static, lsa,
        model:FOLDER or file:FILE), or with ":smoke" after it a run of seconds on a made-up space.
      texts: as `experiments.data.texts.sources.load` reads them: the queries, or all rows if
        split here.
      train_texts: the points, where the data set has its own split.
    """
    space, smoke = arg or "minilm", False
    if space.endswith(":smoke"):
        space, smoke = space.removesuffix(":smoke"), True
    kind, _, value = space.partition(":")
    known = [s for s in SPACES if s.partition(":")[0] == kind]
    if not known:
        raise nearest(space, SPACES, "embedding")
    if (":" in known[0]) != bool(value):
        raise UserError(f"embedding {space!r} should be written {known[0]!r}")
    config = ConfigDict()
    config.smoke = smoke
    config.space = space
    config.space_seed = 0  # of the truncated SVD of lsa
    config.texts = texts
    config.train_texts = train_texts
    config.seeds = (0, 1, 2)  # of the split and of the draws of f-norm
    config.metric = "euclidean"  # or cosine
    config.local_k = 10
    config.methods = combinations()
    if smoke:
        config.seeds = (0, 1)
        config.methods = ("f-norm", "nicdm", "csls", "mp_gauss", "f-norm+mp_gauss@skhubness-0.30")
    return config.lock()
