"""What each paper claims, what was published, and what our records say to it.

Figures marked † are second-hand: notes that quote the paper, whose text we have not read.
"""

import math
import pathlib
from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

from experiments.closeness.tables import PUBLISHED as CLASSIFIERS
from experiments.evidence import hub_readings as hubs
from experiments.evidence import readings as r
from experiments.evidence.standing import is_dirty, place
from experiments.hubness.tables import PUBLISHED as COMBINED
from experiments.reporting.markdown import Table, Value, block, columns
from experiments.runtime.records import read

VERDICTS = {True: "holds", False: "does not hold", None: "open"}
NOT_RUN, UNTESTED = "not run yet", "not tested here"


class Claim(NamedTuple):
    """A statement of a paper on some data.

    Attributes:
      published: the figures, or what is known of them.
      record: the name of ours; "" where there can be none, and `why`.
    """

    claim: str
    data: str
    published: str
    record: str = ""
    reading: r.Reading | None = None
    why: str = ""


def _widths(labels: int, measure: str) -> str:
    """The published distance of the narrowest classifiers and of the widest, where it is known."""
    found = (getattr(CLASSIFIERS[labels, width], measure) for width in (16, 128))
    return " → ".join(_known(value) for value in found)


def _known(value: Value | None) -> str:
    if value is None:
        return "not known"
    known = value.error is not None and not math.isnan(value.error)
    return f"{value.mean:g} ± {value.error:g}" if known else f"{value.mean:g}"


_GAIN = 0.021  # bits/dim, published of the large model
_ACCELERATOR = "it needs an accelerator"
_TEXTS = "the texts are in no package"
_NO_TABLE = "table not available"
_DATA = {  # where small models are compared: record, VDM, DiffEnc, non-trainable encoder
    "swirl": ("diffenc/volatility_swirl", "vdmv", "diffenc", "nt"),
    "digits": ("diffenc/digits_ranges", "vdmv:published", "diffenc:published", "nt:published"),
    "Fashion-MNIST": ("diffenc/fashion_mnist", "vdmv", "diffenc", "nt"),
}
_DIFFENC = (
    Claim("DiffEnc-32-4 is better in total than VDMv-32", "CIFAR-10",
          "2.620 ± 0.006 and 2.641 ± 0.003, p = 0.03†", why=_ACCELERATOR),
    Claim("… by its diffusion term", "CIFAR-10", "2.609 and 2.629†", why=_ACCELERATOR),
    Claim("DiffEnc-32-8 is not better in total", "ImageNet32", "3.46 and 3.46†", why=_ACCELERATOR),
    Claim("DiffEnc-8-2 is better within the error", "MNIST", "by 0.003 to 0.007†",
          why=_ACCELERATOR),
    *(Claim(f"a small model is not better in total (by {_GAIN})", data,
            "CIFAR-10: 2.783 and 2.783†", name, r.no_gain(ours, vdm, _GAIN))
      for data, (name, vdm, ours, _) in _DATA.items()),
    *(Claim("the learned encoder lowers the prior term", data, "CIFAR-10: 0.0007 and 0.0012†",
            name, r.lower(ours, vdm, "prior")) for data, (name, vdm, ours, _) in _DATA.items()),
    *(Claim("the non-trainable encoder raises the diffusion term", data, "no known figure†", name,
            r.higher(static, vdm, "diffusion"))
      for data, (name, vdm, _, static) in _DATA.items()),
    Claim("Fréchet distances are alike", "CIFAR-10", "no known figure†", why=_ACCELERATOR),
)  # fmt: skip
_BEST = "the best variance of {} steps is better than the posterior's"
_VOLATILITY = (
    *(Claim("`free` is better than a VDM of equal size", data, "primary" if data[0] == "F" else "",
            f"diffenc/volatility_{name}", r.planned(f"free{word}", f"vdmv:params{word}"))
      for data, name, word in (("Fashion-MNIST", "fashion", ""), ("swirl", "swirl", ""),
                               ("digits", "digits", ""),
                               ("swirl, times of least variance", "density", ":schedule-learned"))),
    *(Claim("`free` is better than published DiffEnc", data, "", f"diffenc/volatility_{name}",
            r.planned(f"free{word}", f"diffenc{word}"))
      for data, name, word in (("swirl", "swirl", ""), ("digits", "digits", ""),
                               ("swirl, end points learned", "ends", ":ends-learned"))),
    Claim("a learned volatility makes the non-trainable encoder better", "swirl", "",
          "diffenc/volatility_swirl", r.planned("nt:volatility-learned", "nt")),
    *(Claim(_BEST.format(depth), "digits", "", "diffenc/finite_depth",
            r.planned(f"diffenc:depth-{depth}-optimal", f"diffenc:depth-{depth}"))
      for depth in (10, 50)),
    *(Claim(f"levels chosen after training are better than {steps} equal steps", "digits", "",
            "diffenc/steps", r.chosen("diffenc", steps)) for steps in (10, 50)),
)  # fmt: skip
_CLOSENESS = (
    *(Claim(f"{name} falls from width 16 to 128", f"radial, {k} labels", _widths(k, measure),
            "closeness/radial", r.falls_with_width(k, measure))
      for k in (4, 6) for name, measure in (("d_LLV", "d_llv"), ("d_{f,g}", "d_fg"))),
    Claim("d_{f,g} ≤ 2m d_LLV", "all pairs", "theorem", "closeness/radial", r.bounded_by_llv),
    Claim("KL → 0 leaves representations apart", "constructed pair",
          "KL .887 → 1e-4, d_LLV 1.317, max d_SVD of f .999†", "closeness/radial", r.kl_vanishes),
    Claim("like losses, unlike representations", "CIFAR-10",
          "mean CCA .551 at losses 1.193 and 1.178", why=_ACCELERATOR),
)  # fmt: skip
_MEASURES = (
    ("logit students have higher mean CCA than KL's, at equal accuracy", _NO_TABLE, "mcca",
     "higher"),
    ("… lower d_rep", _NO_TABLE, "median_d_rep", "lower"),
    ("… concepts that are more readable", "SUB: KL .06, L1 .75, L2 .72†", "concept_accuracy",
     "higher"),
)  # fmt: skip
_BOUNDS = "4 KL ≤ d_logit², m_CCA ≥ 1 − d_logit²/(mλ_m) and five more bounds"
_DISTILL = (
    *(Claim(claim, data, published, f"distill/{data}", r.students(measure, way))
      for claim, published, measure, way in _MEASURES for data in ("attributes", "spiral")),
    Claim("logit students have higher mean CCA", "spiral, radii left out", _NO_TABLE,
          "distill/interpolation", r.students("mcca", "higher")),
    *(Claim(_BOUNDS, data, "theorems", f"distill/{name}", r.bounds_hold)
      for data, name in (("attributes", "attributes"), ("spiral", "spiral"),
                         ("attributes, 3 dimensions", "low_dimension"))),
    Claim("all of these", "CIFAR-100", _NO_TABLE, why=_ACCELERATOR),
    Claim("all of these", "SUB", "as above†", why="its embeddings are not available"),
)  # fmt: skip
_COSINE = (
    Claim("any cosine of two labels, at equal probabilities", "examples", "every c in [−1, 1)",
          "label_cosine/paper", r.any_cosine),
    *(Claim("labels of negative cosine compete, some of higher never do", which, published,
            "label_cosine/paper", r.misleading(case))
      for which, published, case in (("rows centred", "−.588 and .8", "centred"),
                                     ("of unit length", "−.805 and .805", "fixed_length"))),
    *(Claim(f"sign patterns follow from cosines of {which}", "random matrices", "all of 200",
            "label_cosine/paper", r.patterns_from(way))
      for which, way in (("rows (sigmoids)", "rows"), ("differences (softmax)", "differences"))),
    Claim("equal sign patterns, other rankings", "examples", "1 of 45 minors",
          "label_cosine/paper", r.signs_not_ranks),
    Claim("a row made shorter is never most probable", "examples", "209 → 0 of 2,000",
          "label_cosine/paper", r.lengths_matter),
)  # fmt: skip
_HUBBY = {
    "AG News, static": "hubness/ag_news_static",
    "AG News, LSA": "hubness/ag_news_lsa",
    "AG News, trained by cosines": "hubness/ag_news_cos-none",
    "AG News, trained by distances": "hubness/ag_news_euclidean-none",
}
_MODEST = {
    "AG News, MiniLM": "hubness/ag_news_minilm",
    "AG News, trained by cosines, c+n": "hubness/ag_news_cos-c+n",
    "AG News, trained by distances, c+n": "hubness/ag_news_euclidean-c+n",
}
_HUBNESS = (
    *(Claim("f-norm with mutual proximity cuts skewness", data, "about 75 % (abstract)", name,
            hubs.cut(COMBINED, "skewness")) for data, name in _HUBBY.items()),
    *(Claim("f-norm with mutual proximity cuts the error", data, "about 9 % (abstract)", name,
            hubs.cut(COMBINED, "error")) for data, name in _HUBBY.items()),
    *(Claim("… less than that where hubness is modest", data, "no known figure†", name,
            hubs.no_cut(COMBINED, "error", 9)) for data, name in _MODEST.items()),
    Claim("both fall", "20 Newsgroups", "6.06 to 8.79 → 0.42, 7 to 9 %†", why=_TEXTS),
    Claim("both fall", "Yahoo Answers", _NO_TABLE, why=_TEXTS),
)  # fmt: skip


def _of_contexts(record: str, model: str) -> tuple[Claim, ...]:
    """What is claimed of contexts and tokens, of one language model."""
    data = f"{model}; news, plays, code"
    return (
        Claim("next-token prediction has extreme hubs", data, "all skewnesses above 40†", record,
              hubs.skewed_above(40)),
        Claim("they are the frequent tokens of their corpus (Spearman's ρ)", data, ".63 to .79†",
              record, hubs.follow_frequency("dot")),
        Claim("… more than those of another corpus", data, "Pythia: .70 to .72, .25 to .46†",
              record, hubs.own_corpus_first),
        *(Claim("hubs from contexts to tokens are unrelated to frequency", f"{name}; {data}",
                "a high risk (abstract)", record, hubs.unrelated_to_frequency(distance))
          for name, distance in (("Euclidean", "euclidean"), ("cosine", "cosine"))),
        Claim("a predicted hub is right more often than another token", data,
              "Pile: .36 to .40, .26 to .31†", record, hubs.right_more_often),
        Claim("reductions cost right answers among ten", data, "none needed (abstract)", record,
              hubs.reductions_cost),
    )  # fmt: skip


_PREDICTION = (
    *_of_contexts("prediction_hubs/smollm2", "SmolLM2 135M"),
    *_of_contexts("prediction_hubs/gemma3", "Gemma 3 270M"),
    Claim("hubs among tokens are unrelated to frequency (|ρ| < .2)", "SmolLM2 135M",
          "no known figure†", "prediction_hubs/smollm2", hubs.junk_among_tokens),
    Claim("all of these", "Pythia, OLMo, OPT, Mistral, Llama", "as above†",
          why="the weights are not available"),
)  # fmt: skip
PAPERS: Mapping[str, tuple[str, Sequence[Claim]]] = {  # by title: arXiv number or note, claims
    "DiffEnc": ("2310.19789", _DIFFENC),
    "Closeness in distribution": ("2506.03784", _CLOSENESS),
    "Logit distance": ("2602.15438", _DISTILL),
    "Label cosines": ("2603.29488", _COSINE),
    "Hubness of sentence embeddings": ("2311.18364", _HUBNESS),
    "Prediction hubs": ("2502.10201", _PREDICTION),
    "Free volatility, beyond the papers": (
        "[Planned](volatility_plan.md) before the runs; verdicts by the planned interval, over "
        "paired seeds", _VOLATILITY),
}  # fmt: skip


def judged(claim: Claim, root: pathlib.Path) -> tuple[str, str]:
    """Our figures with what is wrong with their record, and the verdict."""
    if claim.reading is None:
        return "", f"{UNTESTED}: {claim.why}"
    path = place(root, claim.record)
    if not path.exists():
        return "", NOT_RUN
    record = read(path)
    try:
        found = claim.reading(record)
    except r.UnfinishedError:
        return "", NOT_RUN
    marks = ["dirty record"] if is_dirty(record) else []
    marks += ["unfinished"] if record.get("unfinished") else []
    return "; ".join((found.ours, *marks)), VERDICTS[found.holds]


def full(root: pathlib.Path) -> str:
    """A table a paper, in Markdown."""
    header = columns("claim", "verdict", "data", "ours [95 %]", "published")
    tables = []
    for title, (note, claims) in PAPERS.items():
        rows = []
        for claim in claims:
            ours, verdict = judged(claim, root)
            rows.append([claim.claim, verdict, claim.data, ours, claim.published])
        tables.append(Table(header, rows, title, _records(claims), f"{_linked(note)}."))
    return block(tables, titles=True)


def short(root: pathlib.Path) -> str:
    """A line a paper: how many claims came out how, in Markdown."""
    words = [*VERDICTS.values(), NOT_RUN, UNTESTED]
    rows = []
    for title, (_, claims) in PAPERS.items():
        found = [judged(claim, root)[1].partition(":")[0] for claim in claims]
        rows.append([title, *(str(found.count(word) or "") for word in words)])
    return block([Table(columns("claims of", *words), rows)])


def _linked(note: str) -> str:
    """A note, or a link to the paper of a number."""
    is_number = note.replace(".", "").isdigit()
    return f"[arXiv:{note}](https://arxiv.org/abs/{note})" if is_number else note


def _records(claims: Iterable[Claim]) -> str:
    names = dict.fromkeys(claim.record for claim in claims if claim.record)
    return f"Records: {', '.join(f'`{name}`' for name in names)}."
