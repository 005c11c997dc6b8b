"""One pass over a pair of models: the mean and triangular factor of z = [f, log Z, f', log Z'].

Every measure that depends on the inputs through first and second moments follows from p + 1 rows,
p = m + m' + 2, however many inputs were seen. A triangular factor is kept, not a covariance: in
single precision a covariance has lost every digit of a distance below 1e-2.
"""

from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, ArrayLike, Bool, Float, Int, Real

from repgeo import inputs
from similarity import checks


class PairSample(NamedTuple):
    """p + 1 rows whose mean, and covariance over the number of rows, are those of all inputs."""

    f: Float[Array, "r m"]
    log_z: Float[Array, " r"]
    f2: Float[Array, "r m2"]
    log_z2: Float[Array, " r"]


class PairStats(NamedTuple):
    """Count, mean and triangular factor of z = [f, log Z, f', log Z'] over the inputs seen.

    [factor, factor2]ᵀ [factor, factor2] = Σ_x (z - z̄)(z - z̄)ᵀ. Measures take its `sample`:

        g, g2 = centre(g), centre(g2)  # or log Z is large, and rounded
        stats = PairStats.init(m, m2)
        for f, f2 in data:
            stats = stats.update(f, log_partition(f, g), f2, log_partition(f2, g2))
        sample = stats.sample()
        mcca(sample.f, sample.f2), logit_distance(sample.f, g, sample.f2, g2)

    and `llv_label_terms(stats, g, g2)` the label terms of d_LLV, the only ones that read log Z.
    """

    count: Int[Array, ""]
    mean: Float[Array, " m+1"]
    mean2: Float[Array, " m2+1"]
    factor: Float[Array, "p m+1"]
    factor2: Float[Array, "p m2+1"]

    @classmethod
    def init(cls, m: int, m2: int, dtype: jnp.dtype | type = jnp.float32) -> "PairStats":
        """Statistics of no inputs, for models of dimensions m and m2."""
        p = m + m2 + 2
        shapes = ((m + 1,), (m2 + 1,), (p, m + 1), (p, m2 + 1))
        zeros = (jnp.asarray(np.zeros(shape, dtype), dtype) for shape in shapes)
        return cls(jnp.asarray(np.zeros((), np.int32), np.int32), *zeros)

    def update(
        self,
        f: Real[ArrayLike, "n m"],
        log_z: Real[ArrayLike, " n"],
        f2: Real[ArrayLike, "n m2"],
        log_z2: Real[ArrayLike, " n"],
        mask: Bool[ArrayLike, " n"] | None = None,
    ) -> "PairStats":
        """Statistics with a batch added; rows whose mask is False are left out.

        Raises:
            ValueError: a shape disagrees with `init`, entries are not finite, or no boolean mask.
        """
        f, f2 = (checks.resolved("f", x) for x in checks.same_inputs(f, f2, least=1))
        log_z, log_z2 = checks.floating("log_z", log_z, 1), checks.floating("log_z2", log_z2, 1)
        n, m, m2 = f.shape[0], self.mean.size - 1, self.mean2.size - 1
        if (f.shape[1], f2.shape[1]) != (m, m2) or not n == log_z.size == log_z2.size:
            raise ValueError(
                f"f {f.shape}, log_z {log_z.shape}, f2 {f2.shape}, log_z2 {log_z2.shape} given; "
                f"accepted are (n, {m}), (n,), (n, {m2}), (n,)"
            )
        mask = np.ones(n, bool) if mask is None else inputs.read("mask", mask)
        if mask.shape != (n,) or mask.dtype != bool:
            raise ValueError(
                f"mask is {mask.dtype} of shape {mask.shape}; accepted are {n} booleans, one a row"
            )
        return _update(self, f, log_z, f2, log_z2, mask)

    def merge(self, other: "PairStats") -> "PairStats":
        """Statistics of the inputs of both, in any order.

        Raises:
            ValueError: they are of models of other dimensions.
        """
        widths = [(s.mean.shape[-1] - 1, s.mean2.shape[-1] - 1) for s in (self, other)]
        if widths[0] != widths[1]:
            raise ValueError(
                f"statistics of models of dimensions {widths[0]} and {widths[1]} given; accepted "
                "are those of equal dimensions"
            )
        return _merge(self, other)

    def gather(self, axis_name: str) -> "PairStats":
        """Statistics of the inputs of all devices along a mesh axis, inside `jax.shard_map`."""
        size, here = jax.lax.axis_size(axis_name), jax.lax.axis_index(axis_name)

        def everywhere(x: Array) -> Array:
            return jax.lax.psum(jnp.zeros((size, *x.shape), x.dtype).at[here].set(x), axis_name)

        return _combine(jax.tree.map(everywhere, self))

    def sample(self) -> PairSample:
        """p + 1 rows that stand for all inputs in any measure of first and second moments.

        Means and covariances divide by the number of rows. With H the reflection that takes the
        last axis to the diagonal, rows = √((p+1)/n) H [factor; √n mean].
        """
        return _sample(self)


def triangular(x: Float[Array, "n p"]) -> Float[Array, "p p"]:
    """R of x = Q R with p rows whatever n: zero rows are added when n < p."""
    short = max(0, x.shape[1] - x.shape[0])
    return jnp.linalg.qr(jnp.pad(x, ((0, short), (0, 0))), mode="r")


def _split(stats: PairStats, count: Array, mean: Array, factor: Array) -> PairStats:
    at = stats.mean.shape[-1]
    return PairStats(count, mean[:at], mean[at:], factor[:, :at], factor[:, at:])


@jax.jit
def _update(
    stats: PairStats, f: Array, log_z: Array, f2: Array, log_z2: Array, mask: Array
) -> PairStats:
    parts = inputs.alike(f, log_z[:, None], f2, log_z2[:, None])
    z = jnp.concatenate(parts, axis=1).astype(stats.mean.dtype)
    mask = mask.astype(bool)
    count = mask.sum(dtype=jnp.int32)
    kept = jnp.where(mask[:, None], z, 0)
    mean = kept.sum(axis=0) / jnp.maximum(count, 1)
    centred = jnp.where(mask[:, None], z - mean[None, :], 0)
    # A second centring removes the rounding of the first mean, which grows with |mean|.
    shift = centred.sum(axis=0) / jnp.maximum(count, 1)
    centred = jnp.where(mask[:, None], centred - shift[None, :], 0)
    batch = _split(stats, count, mean + shift, triangular(centred))
    return _merge(stats, batch)


@jax.jit
def _merge(stats: PairStats, other: PairStats) -> PairStats:
    return _combine(jax.tree.map(lambda *x: jnp.stack(x), stats, other))


@jax.jit
def _combine(parts: PairStats) -> PairStats:
    """One out of a stack of statistics: QR of all factors and the spread of their means."""
    weights = parts.count.astype(parts.mean.dtype)
    means = jnp.concatenate([parts.mean, parts.mean2], axis=1)
    share = weights / jnp.maximum(weights.sum(), 1)
    mean = (share[:, None] * (means - means[:1])).sum(axis=0) + means[0]
    spread = jnp.sqrt(weights)[:, None] * (means - mean[None, :])
    factors = jnp.concatenate([parts.factor, parts.factor2], axis=2)
    rows = jnp.concatenate([factors.reshape(-1, means.shape[1]), spread])
    return _split(parts, parts.count.sum(dtype=jnp.int32), mean, triangular(rows))


@jax.jit
def _sample(stats: PairStats) -> PairSample:
    dtype, rows = stats.mean.dtype, stats.factor.shape[0] + 1
    n = jnp.maximum(stats.count, 1).astype(dtype)
    z = jnp.concatenate([stats.factor, stats.factor2], axis=1)
    mean = jnp.concatenate([stats.mean, stats.mean2])
    stacked = jnp.concatenate([z, (jnp.sqrt(n) * mean)[None, :]])
    axis = (jnp.arange(rows) == rows - 1).astype(dtype) - rows**-0.5
    along = jnp.matmul(axis, stacked, precision=jax.lax.Precision.HIGHEST)
    reflected = stacked - (2 / jnp.vdot(axis, axis)) * axis[:, None] * along[None, :]
    first, second = jnp.split(jnp.sqrt(rows / n) * reflected, [stats.mean.size], axis=1)
    return PairSample(first[:, :-1], first[:, -1], second[:, :-1], second[:, -1])
