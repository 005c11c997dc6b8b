"""Decoders p(x | z_0), the scaling of grey levels, and bits per dimension."""

import math
from collections.abc import Sequence

import jax
import jax.numpy as jnp
import numpy as np
from jax.typing import ArrayLike
from jaxtyping import Array, Float, Int, Integer

from diffenc import checks, process_checks
from repgeo import inputs


def bits_per_dim(nats: Float[ArrayLike, "*b"], shape: Sequence[int]) -> Float[Array, "*b"]:
    """nats / (D ln 2), D the number of dimensions of one example of `shape`.

    Raises:
        ValueError: `shape` is no tuple of positive integers, or nats are no finite real numbers.

    Examples:
        >>> nats = 2 * 3 * np.log(2)  # two bits for each of three numbers
        >>> round(float(diffenc.bits_per_dim(nats, (1, 1, 3))), 6)
        2.0
    """
    dimensions = math.prod(checks.example(shape))
    return process_checks.finite("nats", nats) / (dimensions * math.log(2))


def dequantise(codes: Integer[ArrayLike, "*b"], levels: int) -> Float[Array, "*b"]:
    """x = 2 (k + ½) / levels − 1 in (−1, 1): the centre of each code's bin, without noise.

    Raises:
        ValueError: the codes are no integers in [0, levels), or levels no number of levels.
    """
    levels = checks.grey_levels(levels)
    known = checks.codes("codes", codes, levels)
    return 2 * (known.astype(jnp.result_type(float)) + 0.5) / levels - 1


def quantise(x: Float[ArrayLike, "*b"], levels: int) -> Int[Array, "*b"]:
    """The code whose bin centre is nearest, also the decoder's most probable one.

    Raises:
        ValueError: no finite real numbers, or levels that are no number of levels.
    """
    levels = checks.grey_levels(levels)
    if isinstance(x, np.ndarray) and not inputs.is_traced(levels):  # with all of its digits
        code = np.floor((inputs.array("x", x).astype(np.float64) + 1) * levels / 2)
        return jnp.asarray(np.clip(code, 0, levels - 1), jnp.int32)
    code = jnp.floor((process_checks.finite("x", x) + 1) * levels / 2)
    return jnp.clip(code, 0, levels - 1).astype(jnp.int32)


def discretised_log_prob(
    codes: Integer[ArrayLike, "b *shape"],
    z: Float[ArrayLike, "b *shape"],
    gamma_0: Float[ArrayLike, ""],
    levels: int,
) -> Float[Array, " b"]:
    """log p(codes | z_0) in nats per example, z = z_0 / α_0.

    Each dimension is a softmax over the codes with logits −(z − v_k)² e^(−γ_0) / 2 (VDM,
    https://arxiv.org/abs/2107.00630). Bins are summed as they are computed, never stored: memory
    is that of z, in the forward pass and (by recomputing) in the backward pass.

    Raises:
        ValueError: the codes are no integers in [0, levels), z no finite real numbers of their
            shape, or gamma_0 no single level.
    """
    levels = checks.grey_levels(levels)
    checks.alike(codes=codes, z=z)
    codes, z = checks.codes("codes", codes, levels), process_checks.finite("z", z)
    precision = jnp.exp(-process_checks.one_level("gamma_0", gamma_0))
    nearest = dequantise(quantise(jax.lax.stop_gradient(z), levels), levels).astype(z.dtype)

    def logits(values: Array, z: Array, nearest: Array, precision: Array) -> Array:
        """Relative to the nearest bin's, which is the largest, so at most 0."""
        return -0.5 * precision * (values - nearest) * (values + nearest - 2 * z)

    @jax.checkpoint
    def log_normaliser(z: Array, precision: Array) -> Array:
        values = dequantise(jnp.arange(levels), levels).astype(z.dtype)
        values = values.reshape((1,) * z.ndim + (levels,))
        return jnp.log(jnp.exp(logits(values, z[..., None], nearest[..., None], precision)).sum(-1))

    chosen = logits(dequantise(codes, levels).astype(z.dtype), z, nearest, precision)
    return (chosen - log_normaliser(z, precision)).reshape(len(z), -1).sum(-1)


def gaussian_log_prob(
    x: Float[ArrayLike, "b *shape"],
    z: Float[ArrayLike, "b *shape"],
    gamma_0: Float[ArrayLike, ""],
) -> Float[Array, " b"]:
    """log N(x; z_0 / α_0, e^γ_0) in nats per example: the decoder of real vectors.

    Raises:
        ValueError: no finite real numbers, two shapes, levels for each example, or differences
            whose squares overflow or vanish.
    """
    checks.alike(x=x, z=z)
    away = inputs.array("x", x) - inputs.array("z", z)  # in the precision given
    level = process_checks.one_level("gamma_0", gamma_0)
    away, gamma_0 = inputs.single("x - z", inputs.array("x - z", away, degree=2)), level
    density = -0.5 * (jnp.exp(-gamma_0) * away**2 + gamma_0 + math.log(2 * math.pi))
    return density.reshape(len(away), -1).sum(-1)
