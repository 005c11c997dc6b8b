"""Every measure and bound of `similarity` on two entries, each with a reason where undefined."""

import math
import warnings
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

import similarity as S
from experiments.comparison.entries import Entry
from similarity.sets import LIMIT

Value = Mapping[str, Any]


class Options(NamedTuple):
    """Key, numbers of input sets and label sets, and draws of intervals and nulls (0: none)."""

    key: jax.Array
    num_input_sets: int = 200
    num_label_sets: int = 2_000
    draws: int = 0


def _represented(measure: Callable[..., jax.Array]) -> Callable[..., jax.Array]:
    return lambda a, b, options: measure(a.f, b.f)


def _modelled(measure: Callable[..., jax.Array]) -> Callable[..., jax.Array]:
    return lambda a, b, options: measure(a.f, a.g, b.f, b.g)


def _distributed(measure: Callable[..., jax.Array]) -> Callable[..., jax.Array]:
    return lambda a, b, options: measure(S.log_probs(a.f, a.g), S.log_probs(b.f, b.g)).mean()


def _llv(a: Entry, b: Entry, options: Options) -> Any:
    return S.llv_distance(a.f, a.g, b.f, b.g, key=options.key, num_sets=options.num_input_sets)


def _max_d_svd(a: Entry, b: Entry, options: Options) -> jax.Array:
    llv, (k, m) = _llv(a, b, options), a.g.shape
    sets = _sampled(math.comb(k - 2, m), options)
    return S.max_d_svd(a.f, a.g, b.f, b.g, llv.pivot, llv.leave_out, **sets)


def _d_svd_labels(a: Entry, b: Entry, options: Options) -> jax.Array:
    return S.d_svd_labels(a.f, a.g, b.f, b.g, _llv(a, b, options).input_set)


def _label_sets(a: Entry, b: Entry, options: Options) -> dict[str, Any]:
    (k, m), m2 = a.g.shape, b.g.shape[1]
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
    "procrustes": _represented(S.procrustes),
    "angular_procrustes": _represented(S.angular_procrustes),
    "rsa": _represented(S.rsa),
    "d_svd": _represented(S.d_svd),
}
MODELS: dict[str, Callable[..., jax.Array]] = {
    "kl": _distributed(S.kl),
    "js": _distributed(S.js),
    "total_variation": _distributed(S.total_variation),
    "agreement": _distributed(S.agreement),
    "logit_distance": _modelled(S.logit_distance),
    "llv_distance": lambda a, b, options: _llv(a, b, options).d,
    "max_d_svd": _max_d_svd,
    "d_svd_labels": _d_svd_labels,
    "d_rep": lambda a, b, o: jnp.sqrt(S.d_rep(a.f, a.g, b.f, b.g, **_label_sets(a, b, o)).d_sq),
    "d_rep_symmetric": lambda a, b, o: jnp.sqrt(
        S.d_rep_symmetric(a.f, a.g, b.f, b.g, **_label_sets(a, b, o)).d_sq
    ),
    "mcca_of_g": lambda a, b, options: S.mcca(a.g, b.g),
}
MEASURES = REPRESENTATIONS | MODELS
# Measures that are resampled: cheap ones, of inputs alone.
RESAMPLED = ("mcca", "cka", "cka_debiased", "procrustes", "logit_distance")


def measure(name: str, a: Entry, b: Entry, options: Options) -> Value:
    """{"value", "notes"} of one measure; value None, with the reason, where it is not defined."""
    return _noted(lambda: {"value": float(MEASURES[name](a, b, options))})


def resample(name: str, a: Entry, b: Entry, options: Options) -> Value:
    """A 95% bootstrap interval, and the share of permuted inputs that are at least as close."""

    def one(f: jax.Array, f2: jax.Array) -> jax.Array:
        return MEASURES[name](a._replace(f=f), b._replace(f=f2), options)

    def run() -> dict[str, Any]:
        k_bootstrap, k_null = jax.random.split(options.key)
        interval = S.bootstrap(one, k_bootstrap, a.f, b.f, num=options.draws)
        entry = S.MEASURES[name]
        null = S.permutation_null(
            one,
            k_null,
            a.f,
            b.f,
            num=options.draws,
            larger_is_closer=entry.grows_with == "similarity",
        )
        return {
            "low": float(interval.low),
            "high": float(interval.high),
            "null_mean": float(null.draws.mean()),
            "p_value": float(null.p_value),
        }

    return _noted(run)


def bounds(a: Entry, b: Entry, options: Options) -> dict[str, Value]:
    """lhs, rhs and whether every bound holds; per-input ones by their tightest input."""
    pair = a.f, a.g, b.f, b.g
    found: dict[str, Value] = {}

    def record(name: str, make: Callable[[], S.bounds.Bound]) -> None:
        found[name] = _noted(lambda: _row(make()))

    log_p, log_q = S.log_probs(a.f, a.g), S.log_probs(b.f, b.g)
    record("4 KL ≤ d_logit², each input", lambda: S.bounds.kl_below_logit(log_p, log_q))
    record("d_logit² ≤ (2/τ) KL, each input", lambda: S.bounds.logit_below_kl(log_p, log_q))
    sets = _label_sets(a, b, options)
    record(
        "mean ‖Lᵀf - L'ᵀf'‖² = 2m/(k-1) d_logit²",
        lambda: S.bounds.label_set_average(*pair, **sets),
    )
    record("d_rep ≤ √(2m/(k-1)) d_logit/σ_min", lambda: S.bounds.d_rep_below_logit(*pair, **sets))
    record("Σ (1-ρ²) λ ≤ residual", lambda: S.bounds.cca_below_residual(a.f, a.g, b.f))
    record("residual ≤ d_logit²", lambda: S.bounds.residual_below_logit(*pair))
    record("1 - d_logit²/(m λ_m) ≤ m_CCA", lambda: S.bounds.mcca_above_logit(*pair))
    if math.comb(a.g.shape[0] - 2, a.g.shape[1]) <= LIMIT:
        llv = _llv(a, b, options)
        record("max d_SVD(f) ≤ 2 t1²", lambda: S.bounds.embeddings_below_llv(*pair, llv))
        record("d_SVD(g) ≤ 2 t2²", lambda: S.bounds.unembeddings_below_llv(*pair, llv))
        record("d_{f,g} ≤ 2m d_LLV", lambda: S.bounds.published_llv(*pair, llv))
    return found


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
