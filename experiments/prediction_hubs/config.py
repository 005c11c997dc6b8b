"""The keys of a prediction-hub config and their values in the article's code."""

from ml_collections import ConfigDict

from experiments.runtime.cli import split_arg
from experiments.runtime.errors import UserError

# The article's contexts: files of Cheng et al. 2025, one line `context TAB next word`.
CORPORA = ",".join(
    f"next_words:{name}_sane_ds.txt=50000" for name in ("bookcorpus", "pile10k", "wikitext")
)
PUBLISHED, SECOND_HAND, MISSING = "published", "reported second-hand", "missing"


def prediction_hubs_config(
    arg: str,
    *,
    model: str,
    corpora: str,
    revisions: str = "",
    expected: tuple[tuple[str, str, str], ...] = (),
) -> ConfigDict:
    """The config of one model.

    Args:
      arg: "all", or "all:smoke" for a run of seconds on a made-up model and text.
      model: as `lm.load` reads it.
      corpora: CORPUS=NUMBER_OF_CONTEXTS, separated by commas; a corpus as `contexts.make` reads it.
      revisions: of an `hf:` model, separated by commas, in training order; "" is its main one.
      expected: (what, value, source) with source PUBLISHED, SECOND_HAND or MISSING.
    """
    _, smoke = split_arg(arg, models=["all"], default="all")
    config = ConfigDict()
    config.seed = 0
    config.smoke = smoke
    config.model = ConfigDict({"spec": model, "dtype": "float32", "revisions": revisions})
    config.corpora = corpora
    config.window = ConfigDict({"length": 20, "special_tokens": False, "at_most": False})
    config.batch_size = 64
    config.k = 10
    config.self_included = False  # whether a point may be its own neighbour in cc and tt
    config.comparisons = ("ct", "cc", "tt")
    config.distances = ("dot", "euclidean", "cosine")
    config.hubs = ConfigDict({"rule": "absolute", "value": 100.0})  # or relative, quantile
    config.training_counts = ""  # JSON of token id -> count in the training set
    config.reductions = ("csls", "nicdm", "mp_gauss")
    config.bootstrap = 1000
    config.num_top = 20
    config.max_queries = 1000  # of the distance histograms
    config.expected = expected
    if smoke:
        config.corpora = "one=40,two=40"
        config.window.length = 6
        config.hubs.value = 8.0
        config.num_top = 5
        config.reductions = ("csls",)
        config.bootstrap = 50
    return config.lock()


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
