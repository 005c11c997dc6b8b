"""Neighbours by the bivariate normal law of two distance rows, in O(n²) memory."""

import jax
import jax.numpy as jnp
import numpy as np
from jax.scipy.special import ndtr
from jaxtyping import Array, Float

from hubness.search import blocks, pairwise, topk
from hubness.search.knn import Neighbors

MAX_POINTS = 5_000
MIN_SD = 1e-7  # of the mean, where all distances of a row are equal (hub-toolbox)
_NODES, _WEIGHTS = np.polynomial.legendre.leggauss(20)


@jax.jit(static_argnames=("k", "metric", "exclude_self", "same"))
def nearest(
    x: Float[Array, "n d"],
    q: Float[Array, "m d"],
    k: int,
    metric: str,
    exclude_self: bool,
    same: bool,
) -> Neighbors:
    """The k points of least `full_distance` of each query; `same` where q are the points."""
    space = pairwise.make_space(q, x, metric)
    rows_x = _standard_rows(x, x, metric, True)
    rows_q = rows_x if same else _standard_rows(x, q, metric, exclude_self)
    c = min(k + topk.SPARE + exclude_self, x.shape[0])

    def block(rows, _):
        z, mean, sd = (pairwise.take(a, rows) for a in rows_q)
        correlation = pairwise.products(z, rows_x[0])
        query = mean[:, None], sd[:, None]
        key = full_distance(
            _distances(space, rows), query, [a[None] for a in rows_x[1:]], correlation
        )
        best = topk.no_candidates(rows.shape[0], c, x.dtype)
        index = topk.merge(best, -key, jnp.arange(x.shape[0], dtype=jnp.int32)).index
        return index, jnp.take_along_axis(correlation, index, axis=1)

    index, correlation = blocks.map_rows(block, q.shape[0])
    cost = topk.pair_costs(space, index, 0 if exclude_self else None)
    own = jnp.isinf(cost)
    d = pairwise.distance(jnp.where(own, 0, cost), metric)
    query, point = [a[:, None] for a in rows_q[1:]], [a[index] for a in rows_x[1:]]
    key = jnp.where(own, jnp.inf, full_distance(d, query, point, correlation))
    key, _, index = topk.sort_rows((key, cost), index, k)
    return Neighbors(key, index)


def _distances(space, rows):
    """Distances of some queries to every point."""
    q = pairwise.query_operand(space, rows)
    score = pairwise.products(q, pairwise.point_operand(space)) + space.bias[None]
    return pairwise.distance(pairwise.score_costs(space, score, q), space.metric)


def _standard_rows(x, q, metric, exclude_self):
    """Distance rows, centred and of unit length with 0 at the point itself; their mean and sd."""
    d = _distances(pairwise.make_space(q, x, metric), jnp.arange(q.shape[0]))
    other = ~jnp.eye(*d.shape, dtype=bool) if exclude_self else jnp.ones(d.shape, bool)
    mean = jnp.mean(d, axis=1, where=other)
    z = jnp.where(other, d - mean[:, None], 0)
    length = jnp.linalg.norm(z, axis=1)
    sd = spread(mean, length / jnp.sqrt(other.sum(axis=1)))
    return z / spread(mean, length)[:, None], mean, sd


def spread(mean: Float[Array, " n"], sd: Float[Array, " n"]) -> Float[Array, " n"]:
    """The standard deviation, kept above 0 at any scale."""
    sd = jnp.maximum(sd, MIN_SD * jnp.abs(mean))
    return jnp.where(sd == 0, 1, sd)  # all duplicates: every distance is the mean


def full_distance(d, query, point, correlation):
    """1 − P(X > d, Y > d) = Φ(h) + Φ(k) − P(X < d, Y < d), h and k the standardised distances."""
    h, k = ((d - mean) / sd for mean, sd in (query, point))
    both = lower_orthant(h, k, correlation)
    return jnp.clip(ndtr(h) + ndtr(k) - both, 0, 1)


def lower_orthant(
    h: Float[Array, "..."], k: Float[Array, "..."], rho: Float[Array, "..."]
) -> Float[Array, "..."]:
    """P(X < h, Y < k) for standard normals with correlation rho; elementwise.

    dP/dρ is the bivariate density, integrated over ρ from 0, where P = Φ(h)Φ(k), with ρ = sin θ;
    or, for |ρ| > 0.925, back from |ρ| = 1, where P = Φ(min(h, k)).
    """
    rho = jnp.clip(rho, -1, 1)
    steep = jnp.abs(rho) > 0.925
    mild = ndtr(h) * ndtr(k) + _from_zero(h, k, jnp.where(steep, 0, rho))
    same = jnp.where(rho < 0, -k, k)
    gap = _to_one(h, same, jnp.where(steep, jnp.abs(rho), 1))
    positive = ndtr(jnp.minimum(h, k)) - gap
    negative = jnp.maximum(ndtr(h) - ndtr(-k), 0) + gap
    return jnp.where(steep, jnp.where(rho < 0, negative, positive), mild)


def _from_zero(h, k, rho):
    """∫_0^{asin ρ} exp(−(h² + k² − 2hk sin θ) / (2 cos² θ)) dθ / 2π."""
    half = jnp.arcsin(rho) / 2
    squares, product = (h * h + k * k) / 2, h * k

    def integrand(node):
        sine = jnp.sin(half * (1 + node))
        return jnp.exp((sine * product - squares) / (1 - sine * sine))

    return half * _quadrature(integrand) / (2 * jnp.pi)


def _to_one(h, k, rho):
    """∫_0^a e^{−b²/2s²} g(s) ds / 2π, a = √(1−ρ²), b = |h−k|, g = e^{−hk/(1+r)}/r, r = √(1−s²).

    e^{−b²/2s²} is too sharp for quadrature at small b, so the expansion of g to s⁴,
    e^{−hk/2} (1 + c s² (1 + 5d s²)), is integrated in closed form (Genz 2004, section 2.4) and
    quadrature serves only the rest.
    """
    a = jnp.sqrt((1 - rho) * (1 + rho))
    b, product = jnp.abs(h - k), jnp.maximum(h * k, -150)
    c, d = (4 - product) / 8, (12 - product) / 80
    a_safe = jnp.where(a == 0, 1, a)
    edge = jnp.where(a == 0, 0, jnp.exp(-0.5 * (b / a_safe) ** 2))
    i_0 = a * edge - b * jnp.sqrt(2 * jnp.pi) * ndtr(-b / a_safe)
    i_2 = (a**3 * edge - b**2 * i_0) / 3
    i_4 = (a**5 * edge - b**2 * i_2) / 5
    closed = jnp.exp(-product / 2) * (i_0 + c * (i_2 + 5 * d * i_4))

    def rest(node):
        s2 = (a_safe * (1 + node) / 2) ** 2
        r = jnp.sqrt(1 - s2)
        g = jnp.exp(-product / (1 + r)) / r
        smooth = jnp.exp(-product / 2) * (1 + c * s2 * (1 + 5 * d * s2))
        return jnp.exp(-(b**2) / (2 * s2)) * (g - smooth)

    gap = closed + 0.5 * a * _quadrature(rest)
    return jnp.where(a == 0, 0, gap) / (2 * jnp.pi)


def _quadrature(f):
    """∫_{−1}^{1} f by 20 Gauss-Legendre nodes, one after another: no array of nodes × pairs."""
    nodes = jnp.asarray(np.stack([_NODES, _WEIGHTS], axis=1), jnp.result_type(float))
    shape = jax.eval_shape(f, nodes[0, 0])
    step = lambda total, nw: (total + nw[1] * f(nw[0]), None)
    return jax.lax.scan(step, jnp.zeros(shape.shape, shape.dtype), nodes)[0]
