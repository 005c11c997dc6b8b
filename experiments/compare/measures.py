"""Every measure and bound of `similarity` on two entries, each with a reason where undefined.

A bias belongs to the distribution alone: measures of distributions and bounds take the model as
([f, 1], [g, b]), measures of representations f and g as they are.
"""

import itertools
import math
import warnings
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

import similarity as S
from experiments.compare.entries import Entry
from similarity.sets import LIMIT

Value = Mapping[str, Any]
Model = tuple[jax.Array, jax.Array]
# Above this many pairs of inputs the similarity of dissimilarities is sampled: 16 MB a side.
_ALL_PAIRS = 2_000_000
# A table over pairs of labels is computed for up to this many of them: 100 MB.
_MOST_LABELS = 5_000
# Inputs that intervals and chance levels are drawn from: of neighbours, whose work is n², fewer.
_MOST_DRAWN = {"mutual_knn": 1_000}
_MOST_INPUTS = 5_000


class Options(NamedTuple):
    """Key, numbers of input sets and label sets, and draws of intervals and nulls (0: none)."""

    key: jax.Array
    num_input_sets: int = 200
    num_label_sets: int = 2_000
    draws: int = 0


def model(entry: Entry) -> Model:
    """f and g; of a model with a bias, ([f, 1], [g, b]). Raises ValueError without a g."""
    if entry.g is None:
        raise ValueError(f"{entry.name} has f alone; this measure needs g")
    if entry.b is None:
        return jnp.asarray(entry.f), jnp.asarray(entry.g)
    return S.with_bias(entry.f, entry.g, entry.b)


def _bare(entry: Entry) -> Model:
    return model(entry._replace(b=None))


def _represented(measure: Callable[..., jax.Array]) -> Callable[..., jax.Array]:
    return lambda a, b, options: measure(a.f, b.f)


def _distributed(measure: Callable[..., jax.Array]) -> Callable[..., jax.Array]:
    return lambda a, b, options: measure(S.log_probs(*model(a)), S.log_probs(*model(b))).mean()


def _llv(a: Entry, b: Entry, options: Options) -> Any:
    pair = *model(a), *model(b)
    if len(pair[1]) > _MOST_LABELS:
        raise ValueError(
            f"left out: {len(pair[1]):,} labels need a table of all pairs, computed for up to "
            f"{_MOST_LABELS:,}"
        )
    return S.llv_distance(*pair, key=options.key, num_sets=options.num_input_sets)


def _max_d_svd(a: Entry, b: Entry, options: Options) -> jax.Array:
    llv, pair = _llv(a, b, options), (*_bare(a), *_bare(b))
    k, m = pair[1].shape
    sets = _sampled(math.comb(k - 2, m), options)
    return S.max_d_svd(*pair, llv.pivot, llv.leave_out, **sets)


def _d_svd_labels(a: Entry, b: Entry, options: Options) -> jax.Array:
    return S.d_svd_labels(*_bare(a), *_bare(b), _llv(a, b, options).input_set)


def _d_rep(measure: Callable[..., Any]) -> Callable[..., jax.Array]:
    def run(a: Entry, b: Entry, options: Options) -> jax.Array:
        pair = *_bare(a), *_bare(b)
        return jnp.sqrt(measure(*pair, **_label_sets(pair, options)).d_sq)

    return run


def _rsa(a: Entry, b: Entry, options: Options) -> jax.Array:
    n = len(a.f)
    if n * (n - 1) // 2 <= _ALL_PAIRS:
        return S.rsa(a.f, b.f)
    warnings.warn(f"over {_ALL_PAIRS:,} sampled pairs of {n:,} inputs", stacklevel=2)
    return S.rsa(a.f, b.f, key=options.key, num_pairs=_ALL_PAIRS)


def _mutual_knn(a: Entry, b: Entry, options: Options) -> jax.Array:
    """Of at most as many inputs as chance is drawn from: the value changes with their number."""
    n, rows = len(a.f), _some("mutual_knn", len(a.f), options)
    if rows is None:
        return S.mutual_knn(a.f, b.f)
    warnings.warn(f"of {len(rows):,} of {n:,} inputs", stacklevel=2)
    return S.mutual_knn(a.f[rows], b.f[rows])


def _some(name: str, n: int, options: Options) -> np.ndarray | None:
    """The inputs that a measure is drawn from, where not all."""
    most = _MOST_DRAWN.get(name, _MOST_INPUTS)
    key = jax.random.fold_in(options.key, n)
    return None if n <= most else np.asarray(jax.random.choice(key, n, (most,), replace=False))


def _label_sets(pair: tuple[jax.Array, ...], options: Options) -> dict[str, Any]:
    (k, m), m2 = pair[1].shape, pair[3].shape[1]
    most = max(k * math.comb(k - 1, dim) for dim in (m, m2))
    return _sampled(most, options)


def _sampled(count: int, options: Options) -> dict[str, Any]:
    if count <= LIMIT:
        return {}
    return {"key": options.key, "num_sets": options.num_label_sets}


REPRESENTATIONS: dict[str, Callable[..., jax.Array]] = {
    "mcca": _represented(S.mcca),
    "svcca": _represented(S.svcca),
    "pwcca": _represented(S.pwcca),
    "linear_regression_r2": _represented(S.linear_regression_r2),
    "cka": _represented(S.cka),
    "cka_debiased": _represented(lambda f, f2: S.cka(f, f2, debiased=True)),
    "mutual_knn": _mutual_knn,
    "procrustes": _represented(S.procrustes),
    "angular_procrustes": _represented(S.angular_procrustes),
    "rsa": _rsa,
    "d_svd": _represented(S.d_svd),
}
MODELS: dict[str, Callable[..., jax.Array]] = {
    "kl": _distributed(S.kl),
    "js": _distributed(S.js),
    "total_variation": _distributed(S.total_variation),
    "agreement": _distributed(S.agreement),
    "logit_distance": lambda a, b, options: S.logit_distance(*model(a), *model(b)),
    "llv_distance": lambda a, b, options: _llv(a, b, options).d,
    "max_d_svd": _max_d_svd,
    "d_svd_labels": _d_svd_labels,
    "d_rep": _d_rep(S.d_rep),
    "d_rep_symmetric": _d_rep(S.d_rep_symmetric),
    "mcca_of_g": lambda a, b, options: S.mcca(_bare(a)[1], _bare(b)[1]),
}
MEASURES = REPRESENTATIONS | MODELS
# Of a p-value, up to which a pair is called closer than chance: one unrelated pair in twenty.
LEVEL = 0.05
# What a comparison is told by first; each gets an interval and the level that chance reaches.
FIRST = ("cka_debiased", "mcca", "mutual_knn", "agreement", "logit_distance")
# Measures of pairs of inputs, which a random pairing can undo.
PAIRED = (*REPRESENTATIONS, "kl", "js", "total_variation", "agreement", "logit_distance")
FIRST_OF_REPRESENTATIONS = ("cka_debiased", "mcca", "mutual_knn", "angular_procrustes")


def measure(name: str, a: Entry, b: Entry, options: Options) -> Value:
    """{"value", "notes"} of one measure; value None, with the reason, where it is not defined."""
    return _noted(lambda: {"value": float(MEASURES[name](a, b, options))})


def resample(name: str, a: Entry, b: Entry, options: Options, *, halves: bool = True) -> Value:
    """A 95% interval from halves, and what the measure gives when inputs are paired at random.

    `critical` is what one of twenty random pairings reaches, `score` the value on a scale on which
    that is 0 and equality 1. At most 5,000 inputs are drawn from (of neighbours 1,000), and said.
    Among half of the inputs other ones are the nearest: shared neighbours have no interval, and
    without `halves` nothing has.
    """

    def one(f: jax.Array, f2: jax.Array) -> jax.Array:
        return MEASURES[name](a._replace(f=f), b._replace(f=f2), options)

    def run() -> dict[str, Any]:
        k_halves, k_null = jax.random.split(options.key)
        f, f2, rows = a.f, b.f, _some(name, len(a.f), options)
        if rows is not None:
            drawn_of = "interval and chance are" if halves else "chance is"
            warnings.warn(f"{drawn_of} of {len(rows):,} of {len(f):,} inputs", stacklevel=2)
            f, f2 = f[rows], f2[rows]
        closest = S.MEASURES[name].closest
        found = S.calibrated(one, k_null, f, f2, num=options.draws, closest=closest)
        drawn = {
            "null_mean": float(found.draws.mean()),
            "critical": float(found.critical),
            "score": float(found.score),
            "p_value": float(found.p_value),
        }
        if halves and name != "mutual_knn":
            known = S.MEASURES[name]
            found = S.interval(one, k_halves, f, f2, num=options.draws)
            drawn |= {"low": max(float(found.low), known.low)}
            drawn |= {"high": min(float(found.high), known.high)}
        return drawn

    return _noted(run)


def bounds(a: Entry, b: Entry, options: Options) -> dict[str, Value]:
    """lhs, rhs and whether every bound holds; per-input ones by their tightest input."""
    (f, g), (f2, g2) = model(a), model(b)
    pair = f, g, f2, g2
    found: dict[str, Value] = {}

    def record(name: str, make: Callable[[], S.bounds.Bound]) -> None:
        found[name] = _noted(lambda: _row(make()))

    log_p, log_q = S.log_probs(f, g), S.log_probs(f2, g2)
    record("4 KL ≤ d_logit², each input", lambda: S.bounds.kl_below_logit(log_p, log_q))
    record("d_logit² ≤ (2/τ) KL, each input", lambda: S.bounds.logit_below_kl(log_p, log_q))
    sets = _label_sets(pair, options)
    record(
        "mean ‖Lᵀf - L'ᵀf'‖² = 2m/(k-1) d_logit²",
        lambda: S.bounds.label_set_average(*pair, **sets),
    )
    record("d_rep ≤ √(2m/(k-1)) d_logit/σ_min", lambda: S.bounds.d_rep_below_logit(*pair, **sets))
    record("Σ (1-ρ²) λ ≤ residual", lambda: S.bounds.cca_below_residual(f, g, f2))
    record("residual ≤ d_logit²", lambda: S.bounds.residual_below_logit(*pair))
    record("1 - d_logit²/(m λ_m) ≤ m_CCA", lambda: S.bounds.mcca_above_logit(*pair))
    k, m = g.shape
    if 3 <= k <= _MOST_LABELS and math.comb(k - 2, m) <= LIMIT:
        llv = _llv(a, b, options)
        record("max d_SVD(f) ≤ 2 t1²", lambda: S.bounds.embeddings_below_llv(*pair, llv))
        record("d_SVD(g) ≤ 2 t2²", lambda: S.bounds.unembeddings_below_llv(*pair, llv))
        record("d_{f,g} ≤ 2m d_LLV", lambda: S.bounds.published_llv(*pair, llv))
    return found


def chances(name: str, entries: Sequence[Entry], options: Options) -> dict[str, Any]:
    """Of every two entries what chance reaches, and the share of random pairings as close.

    {"critical", "p_value": rows of numbers, None for an entry with itself and where undefined,
    "notes"}.
    """
    found: dict[str, Any] = {
        key: [[None] * len(entries) for _ in entries] for key in ("critical", "p_value")
    }
    if name not in PAIRED:
        return found | {"notes": ["Of this measure no chance is drawn."]}
    notes: set[str] = set()
    for i, j in itertools.permutations(range(len(entries)), 2):
        mirrored = S.MEASURES[name].symmetric and i > j
        if not mirrored:
            drawn = resample(name, entries[i], entries[j], options, halves=False)
            notes |= set(drawn["notes"])
        for key in ("critical", "p_value"):
            found[key][i][j] = found[key][j][i] if mirrored else drawn.get(key)
    return found | {"notes": sorted(notes)}


def matrix(name: str, entries: list[Entry], options: Options) -> tuple[np.ndarray, list[str]]:
    """A measure of every ordered pair, and the notes made on the way; NaN where undefined."""
    values = np.full((len(entries),) * 2, np.nan)
    notes: set[str] = set()
    for i, a in enumerate(entries):
        for j, b in enumerate(entries):
            found = measure(name, a, b, options)
            values[i, j] = np.nan if found["value"] is None else found["value"]
            notes |= set(found["notes"])
    return values, sorted(notes)


def _row(bound: S.bounds.Bound) -> dict[str, Any]:
    worst = int(jnp.argmin(jnp.ravel(bound.slack)))
    return {
        "lhs": float(jnp.ravel(bound.lhs)[worst]),
        "rhs": float(jnp.ravel(bound.rhs)[worst]),
        "holds": bool(jnp.all(bound.holds)),
        "exact": bool(bound.constants.get("exact", True)),
    }


def _noted(run: Callable[[], dict[str, Any]]) -> dict[str, Any]:
    """What `run` returns with its warnings as notes, or the reason why it has no value."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        try:
            value = run()
        except ValueError as error:
            return {"value": None, "notes": [str(error)]}
    return value | {"notes": sorted({str(w.message) for w in caught})}
