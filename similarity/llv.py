"""The log-likelihood variance distance d_LLV between two models' distributions.

Nielsen et al. 2025, https://arxiv.org/abs/2506.03784, definition 4.4. Standard deviations divide
by the count less one, as in the published code. The published search over pivot and left-out
labels, O(k³), is here the second-largest entry of each row of a symmetric k×k table.
"""

from typing import Literal, NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, ArrayLike, Float, Int, Key, Real

from repgeo import inputs
from similarity import checks
from similarity.family import HIGHEST
from similarity.sets import sample_subsets
from similarity.stats import PairStats

# Labels whose rows of the table are built at once are chosen to fit this many entries.
_TILE = 1 << 22
_SETS_TOGETHER = 64


class LabelTerms(NamedTuple):
    """Terms 1 and 3 of d_LLV, over labels, and the labels that give them."""

    t1: Float[Array, ""]
    t3: Float[Array, ""]
    pivot: Int[Array, ""]
    leave_out: Int[Array, ""]


class InputTerms(NamedTuple):
    """Terms 2 and 4 of d_LLV, over inputs, for one input set or for each."""

    t2: Float[Array, "*s"]
    t4: Float[Array, "*s"]


class LlvDistance(NamedTuple):
    """d_LLV, its four terms, and the labels and inputs that give them."""

    d: Float[Array, ""]
    t1: Float[Array, ""]
    t2: Float[Array, ""]
    t3: Float[Array, ""]
    t4: Float[Array, ""]
    pivot: Int[Array, ""]
    leave_out: Int[Array, ""]
    input_set: Int[Array, " m+1"]


def llv_distance(
    f: Real[ArrayLike, "n m"],
    g: Real[ArrayLike, "k m"],
    f2: Real[ArrayLike, "n m2"],
    g2: Real[ArrayLike, "k m2"],
    *,
    key: Key[Array, ""] | None = None,
    input_sets: Int[ArrayLike, "s w"] | None = None,
    num_sets: int = 200,
    weight: float = 1e-5,
    reduce: Literal["max", "sum"] = "max",
    terms: Literal["max", "mean"] = "max",
) -> LlvDistance:
    """d_LLV = max(t1, t2, weight·t3, weight·t4), or their sum; in [0, ∞]; 0 for p = p'.

    With ℓ = log p, sd over the axis named, pivot label y₀ and pivot input x₀, each the maximum
    over the other labels y, or the other inputs x of the set:
      t1  sd_x[ℓ(·,v)/ψ - ℓ'(·,v)/ψ'], v ∈ {y, y₀},  ψ = sd_x[ℓ(·,y) - ℓ(·,y₀)];  t3 = |ψ - ψ'|
      t2  sd_y[ℓ(v,·)/φ - ℓ'(v,·)/φ'], v ∈ {x, x₀},  φ = sd_y[ℓ(x,·) - ℓ(x₀,·)];  t4 = |φ - φ'|
    The pivot and one left-out label are those of least t1, the input set the one of least t2.
    Invariant to the gauge group of either model. Not a metric: no triangle inequality is known.

    `input_sets` holds (S, m + 1) inputs, the pivot first; otherwise `num_sets` are drawn with
    `key`. `terms="mean"` averages t1, t3 and t4 over labels or inputs in place of the maximum,
    also in the choice of labels, as the published code does. Ties go to the lowest index, of
    pivots, left-out labels and sets alike.
    A gap that does not vary (ψ = 0 or φ = 0) makes its entry infinite, so that no such label or
    input is chosen while another is there.

    Raises:
        ValueError: k < 3, neither key nor sets, or a weight that is negative or not finite.
    """
    f, g, f2, g2 = checks.pair(f, g, f2, g2)
    sets = _input_sets(f.shape[0], f.shape[1] + 1, key, input_sets, num_sets)
    for name, value, accepted in (("reduce", reduce, "sum"), ("terms", terms, "mean")):
        if value not in ("max", accepted):
            raise ValueError(f"{name}={value!r}; accepted are 'max' and {accepted!r}")
    inputs.number("weight", weight, 0, ends=True)
    _need_labels(g.shape[0])
    return _llv_distance(f, g, f2, g2, sets, weight, reduce, terms)


def llv_label_terms(
    stats: PairStats,
    g: Real[ArrayLike, "k m"],
    g2: Real[ArrayLike, "k m2"],
    *,
    terms: Literal["max", "mean"] = "max",
) -> LabelTerms:
    """Terms 1 and 3 of `llv_distance` from one-pass statistics that were given log Z.

    log Z must be that of these unembeddings: `log_partition(f, g)`. Pass `centre(g)` to both: the
    terms see no translation of g, but log Z grows by f·ḡ and is then rounded in float32. O(k²(m +
    m')) work, O(k) memory a row.
    """
    g = checks.floating("g", inputs.array("g", g, 2, degree=4))
    g2 = checks.floating("g2", inputs.array("g2", g2, 2, degree=4))
    _need_labels(g.shape[0])
    return _label_terms(stats, g, g2, terms)


def _need_labels(k: int) -> None:
    if k < 3:
        raise ValueError(f"{k} labels given; d_LLV needs a pivot, a left-out label and another: 3")


def _input_sets(
    n: int, size: int, key: Array | None, given: ArrayLike | None, num: int
) -> Int[Array, "s w"]:
    if given is not None:
        sets = checks.index_sets("input_sets", given, n, None)
        if sets.shape[1] < 2:
            raise ValueError(f"input_sets has shape {sets.shape}; a set is a pivot and others")
        return sets
    if key is None:
        raise ValueError("give key, to draw input sets, or input_sets of shape (S, m + 1)")
    return sample_subsets(key, n, size, num)


@jax.jit(static_argnames=("reduce", "terms"))
def _llv_distance(
    f: Array, g: Array, f2: Array, g2: Array, sets: Array, weight: Array, reduce: str, terms: str
) -> LlvDistance:
    # Centred unembeddings keep log Z of the size of the logit differences it is compared with.
    g, g2 = g - g.mean(axis=0, keepdims=True), g2 - g2.mean(axis=0, keepdims=True)
    u, u2 = jnp.matmul(f, g.T, precision=HIGHEST), jnp.matmul(f2, g2.T, precision=HIGHEST)
    log_z, log_z2 = jax.nn.logsumexp(u, axis=1), jax.nn.logsumexp(u2, axis=1)
    stats = PairStats.init(f.shape[1], f2.shape[1], f.dtype).update(f, log_z, f2, log_z2)
    every = jax.lax.map(
        lambda rows: _input_terms(f[rows], g, f2[rows], g2, terms), sets, batch_size=_SETS_TOGETHER
    )
    best = jnp.argmin(every.t2)
    label, t2, t4 = _label_terms(stats, g, g2, terms), every.t2[best], every.t4[best]
    parts = (label.t1, t2, weight * label.t3, weight * t4)
    stacked = jnp.stack(parts)
    d = stacked.max() if reduce == "max" else stacked.sum()
    return LlvDistance(d, label.t1, t2, label.t3, t4, label.pivot, label.leave_out, sets[best])


@jax.jit(static_argnames=("terms",))
def _label_terms(stats: PairStats, g: Array, g2: Array, terms: str) -> LabelTerms:
    k, dtype = g.shape[0], stats.factor.dtype
    scale = jax.lax.rsqrt(jnp.maximum(stats.count - 1, 1).astype(dtype))

    def columns(factor: Array, g: Array) -> Array:
        """Row y stands for ℓ(·, y): its products are covariances over the inputs."""
        head = jnp.concatenate([g, jnp.full((k, 1), -1, g.dtype)], axis=1).astype(dtype)
        return scale * jnp.matmul(head, factor.T, precision=HIGHEST)

    v, w = columns(stats.factor, g), columns(stats.factor2, g2)
    together = max(1, min(k, _TILE // (k * v.shape[1])))
    rows = jax.lax.map(lambda y: _pivot_row(y, v, w, terms), jnp.arange(k), batch_size=together)
    best = jnp.argmin(rows.t1)
    return LabelTerms(*(values[best] for values in rows))


def _pivot_row(pivot: Array, v: Array, w: Array, terms: str) -> LabelTerms:
    """The terms of one pivot, with the label of the largest entry left out: that is the best."""
    k = v.shape[0]
    rest, fixed, gap, usable = _table_row(pivot, v, w)
    entries = jnp.maximum(rest, fixed) if terms == "max" else 0.5 * (rest + fixed)
    entries = jnp.where(usable, entries, jnp.inf)
    leave_out = jnp.argmax(jnp.where(jnp.arange(k) == pivot, -1, entries))
    kept = (jnp.arange(k) != pivot) & (jnp.arange(k) != leave_out)
    entries, gap = jnp.where(kept, entries, 0), jnp.where(kept, gap, 0)
    if terms == "max":
        return LabelTerms(entries.max(), gap.max(), pivot, leave_out)
    return LabelTerms(entries.sum() / (k - 2), gap.sum() / (k - 2), pivot, leave_out)


def _table_row(pivot: Array, v: Array, w: Array) -> tuple[Array, Array, Array, Array]:
    """Term 1 of every label against one pivot: the label's number, the pivot's, and |ψ - ψ'|."""
    v_pivot, w_pivot = v[pivot][None, :], w[pivot][None, :]
    psi, live = _spread(v - v_pivot, v)
    psi2, live2 = _spread(w - w_pivot, w)
    rest = jnp.linalg.norm(v / psi[:, None] - w / psi2[:, None], axis=1)
    fixed = jnp.linalg.norm(
        v[pivot][None, :] / psi[:, None] - w[pivot][None, :] / psi2[:, None], axis=1
    )
    return rest, fixed, jnp.abs(psi - psi2), live & live2


def _spread(gap: Array, values: Array) -> tuple[Array, Array]:
    """Length of each gap, 1 where it is only rounding, and whether it is more than that."""
    length = jnp.linalg.norm(gap, axis=1)
    rounding = 8 * jnp.finfo(gap.dtype).eps * jnp.linalg.norm(values, axis=1).max()
    return jnp.where(length > rounding, length, 1), length > rounding


def _input_terms(f: Array, g: Array, f2: Array, g2: Array, terms: str) -> InputTerms:
    """Terms 2 and 4 for one set of inputs, the pivot first. log Z drops out of each sd_y."""
    scale = (g.shape[0] - 1) ** -0.5
    v = scale * jnp.matmul(f, g.T, precision=HIGHEST)
    w = scale * jnp.matmul(f2, g2.T, precision=HIGHEST)
    rest, fixed, gap, usable = _table_row(jnp.asarray(0), v, w)
    others = jnp.arange(v.shape[0]) > 0
    entries = jnp.where(usable, jnp.maximum(rest, fixed), jnp.inf)
    t4 = jnp.where(others, gap, 0)
    return InputTerms(
        jnp.where(others, entries, 0).max(),
        t4.max() if terms == "max" else t4.sum() / (v.shape[0] - 1),
    )
