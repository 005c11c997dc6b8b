"""Distances between models whose labels are spread over devices, as language-model heads are.

Unembeddings are cut along the labels; no device holds all of them, nor any array of inputs by all
labels. Results are those of the functions of the same name that take whole arrays.
"""

from collections.abc import Callable
from functools import lru_cache, partial

import jax
import jax.numpy as jnp
from jax.sharding import Mesh, PartitionSpec
from jaxtyping import Array, ArrayLike, Float, Real

from similarity import checks
from similarity.distribution import kl_terms
from similarity.family import HIGHEST
from similarity.logit_distance import apply_factor, padded
from similarity.stats import triangular


def logit_distance_sq(
    f: Real[ArrayLike, "n m"],
    g: Real[ArrayLike, "k m"],
    f2: Real[ArrayLike, "n m2"],
    g2: Real[ArrayLike, "k m2"],
    *,
    mesh: Mesh,
    axis: str,
) -> Float[Array, ""]:
    """d_logit² with labels sharded over a mesh axis; k need not be divisible by its size.

    Each device factorises its labels, and 2m × 2m triangles are all that is exchanged: nothing
    that grows with the inputs or the labels. Exactly 0 for equal models.
    """
    return _over_labels(_logit_distance_sq, f, g, f2, g2, mesh, axis)


def kl(
    f: Real[ArrayLike, "n m"],
    g: Real[ArrayLike, "k m"],
    f2: Real[ArrayLike, "n m2"],
    g2: Real[ArrayLike, "k m2"],
    *,
    mesh: Mesh,
    axis: str,
) -> Float[Array, " n"]:
    """KL(p(·|x)‖p'(·|x)) in nats for each input, with labels sharded over a mesh axis.

    One n-vector for each normaliser and one for the sum are exchanged.
    """
    return _over_labels(_kl, f, g, f2, g2, mesh, axis)


def _over_labels(
    kernel: Callable[..., Array],
    f: ArrayLike,
    g: ArrayLike,
    f2: ArrayLike,
    g2: ArrayLike,
    mesh: Mesh,
    axis: str,
) -> Array:
    if axis not in mesh.shape:
        raise ValueError(f"axis={axis!r} given; the mesh has {tuple(mesh.shape)}")
    f, g, f2, g2 = padded(*checks.pair(f, g, f2, g2))
    fill = -g.shape[0] % mesh.shape[axis]
    real = jnp.pad(jnp.ones((g.shape[0], 1), g.dtype), ((0, fill), (0, 0)))
    g, g2 = (jnp.pad(x, ((0, fill), (0, 0))) for x in (g, g2))
    return _over(mesh, axis, kernel)(f, g, f2, g2, real)


@lru_cache(maxsize=32)  # a program a kernel and mesh, not one a call
def _over(mesh: Mesh, axis: str, kernel: Callable[..., Array]) -> Callable[..., Array]:
    whole, cut = PartitionSpec(), PartitionSpec(axis)
    run = jax.shard_map(
        partial(kernel, axis=axis),
        # With axes that need no sharding stated: those of `jax.make_mesh` would need that of f.
        mesh=Mesh(mesh.devices, mesh.axis_names),
        in_specs=(whole, cut, whole, cut, cut),
        out_specs=whole,
    )
    return jax.jit(run)


def _logit_distance_sq(
    f: Array, g: Array, f2: Array, g2: Array, real: Array, *, axis: str
) -> Array:
    k = jax.lax.psum(real.sum(), axis)
    g, difference = (
        real * (x - jax.lax.psum(x.sum(axis=0, keepdims=True), axis) / k) for x in (g, g - g2)
    )
    here = triangular(jnp.concatenate([g, difference], axis=1))
    return apply_factor(f, f2, triangular(_gather(here, axis))).mean()


def _kl(f: Array, g: Array, f2: Array, g2: Array, real: Array, *, axis: str) -> Array:
    absent = real[:, 0][None, :] == 0

    def log_probs(f: Array, g: Array) -> Array:
        u = jnp.where(absent, -jnp.inf, jnp.matmul(f, g.T, precision=HIGHEST))
        top = jax.lax.pmax(u.max(axis=1, keepdims=True), axis)
        total = jax.lax.psum(jnp.exp(u - top).sum(axis=1, keepdims=True), axis)
        return u - top - jnp.log(total)

    return jax.lax.psum(kl_terms(log_probs(f, g), log_probs(f2, g2)).sum(axis=1), axis)


def _gather(x: Array, axis: str) -> Array:
    """Rows of all devices, the same on each: a sum of disjoint blocks, which `psum` knows to be."""
    size, here = jax.lax.axis_size(axis), jax.lax.axis_index(axis)
    blocks = jnp.zeros((size, *x.shape), x.dtype).at[here].set(x)
    return jax.lax.psum(blocks, axis).reshape(-1, x.shape[1])
