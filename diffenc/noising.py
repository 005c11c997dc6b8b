"""The noising process: signal and noise levels, x, ε and v, and the transitions both ways.

Everything is a function of γ, the log noise-to-signal ratio, with α² + σ² = 1 (variance
preserving). What is narrower than float32 is promoted first. Kingma et al. 2021,
https://arxiv.org/abs/2107.00630; the transitions under an encoder from Nielsen et al. 2023
(DiffEnc), https://arxiv.org/abs/2310.19789.
"""

import math

import jax
import jax.numpy as jnp
import numpy as np
from jax.typing import ArrayLike
from jaxtyping import Array, Float

from diffenc import checks
from repgeo import inputs

# One level for the whole batch, or one for each example.
Level = Float[ArrayLike, ""] | Float[ArrayLike, " b"]
Batch = Float[ArrayLike, "b *shape"]


def wide(x: ArrayLike) -> Array:
    """x in float32 where it is narrower or no floating-point number, else as it is.

    Floating-point arrays of JAX are not looked at: they come from where that was done.

    Raises:
        ValueError: others that are no finite real numbers.
    """
    if isinstance(x, int | float) and not isinstance(x, bool | np.generic) and math.isfinite(x):
        return jnp.asarray(float(x))  # weak: it takes the type of what it meets
    if isinstance(x, jax.Array) and jnp.issubdtype(x.dtype, jnp.floating):
        return x.astype(jnp.promote_types(x.dtype, jnp.float32))
    return inputs.single("array", inputs.array("array", x))


def alpha(gamma: Float[ArrayLike, "*b"]) -> Float[Array, "*b"]:
    """Signal scale α = sigmoid(−γ)^½, in (0, 1)."""
    return jnp.sqrt(jax.nn.sigmoid(-wide(gamma)))


def sigma(gamma: Float[ArrayLike, "*b"]) -> Float[Array, "*b"]:
    """Noise scale σ = sigmoid(γ)^½, in (0, 1)."""
    return jnp.sqrt(jax.nn.sigmoid(wide(gamma)))


def step_fraction(gamma_s: Float[ArrayLike, "*b"], gamma_t: Float[ArrayLike, "*b"]) -> Array:
    """c_ts = 1 − SNR_t / SNR_s = −expm1(γ_s − γ_t), in (0, 1) for γ_s < γ_t."""
    return -jnp.expm1(wide(gamma_s) - wide(gamma_t))


def _back(gamma_s: Array, gamma_t: Array) -> Array:
    """γ_s − γ_t; ValueError where it is known to be positive."""
    if inputs.surely(lambda s, t: (np.asarray(s) > np.asarray(t)).any(), gamma_s, gamma_t):
        raise ValueError("a step goes down from gamma_t to gamma_s: no gamma_s may be the higher")
    return gamma_s - gamma_t


def per_example(level: Level, like: Batch) -> Array:
    """The level shaped to multiply a batch: a scalar as it is, [b] as [b, 1, ..., 1].

    Raises:
        ValueError: another number of levels than one, or one for each example.
    """
    level = wide(level)
    if level.shape not in ((), (1,), np.shape(like)[:1]):
        raise ValueError(
            f"gamma has shape {level.shape}; expected one level, or one per example: "
            f"{np.shape(like)[:1]}"
        )
    return level if level.ndim == 0 else level.reshape(level.shape + (1,) * (np.ndim(like) - 1))


def _scales(gamma: Level, like: Batch) -> tuple[Array, Array]:
    gamma = per_example(gamma, like)
    return alpha(gamma), sigma(gamma)


def diffuse(x_t: Batch, gamma: Level, eps: Batch) -> Float[Array, "b *shape"]:
    """z_t = α_t x_t + σ_t ε."""
    checks.alike(x_t=x_t, eps=eps)
    a, s = _scales(gamma, x_t)
    return a * wide(x_t) + s * wide(eps)


def velocity(x_t: Batch, eps: Batch, gamma: Level) -> Float[Array, "b *shape"]:
    """v_t = α_t ε − σ_t x_t (Salimans and Ho 2022, https://arxiv.org/abs/2202.00512)."""
    checks.alike(x_t=x_t, eps=eps)
    a, s = _scales(gamma, x_t)
    return a * wide(eps) - s * wide(x_t)


def x_from_v(z: Batch, v: Batch, gamma: Level) -> Float[Array, "b *shape"]:
    """x = α z − σ v."""
    checks.alike(z=z, v=v)
    a, s = _scales(gamma, z)
    return a * wide(z) - s * wide(v)


def x_from_eps(z: Batch, eps: Batch, gamma: Level) -> Float[Array, "b *shape"]:
    """x = (z − σ ε) / α."""
    checks.alike(z=z, eps=eps)
    a, s = _scales(gamma, z)
    return (wide(z) - s * wide(eps)) / a


def v_from_x(z: Batch, x: Batch, gamma: Level) -> Float[Array, "b *shape"]:
    """v = (α z − x) / σ: what makes a denoiser of an x̂ of your own."""
    checks.alike(z=z, x=x)
    a, s = _scales(gamma, z)
    return (a * wide(z) - wide(x)) / s


def transition_variance(
    gamma_s: Float[ArrayLike, "*b"],
    gamma_t: Float[ArrayLike, "*b"],
    mixing: Float[ArrayLike, "*b"] | None = None,
) -> Float[Array, "*b"]:
    """σ_Q² = σ_s² (1 − e^(−U)), the variance of q(z_s | z_t, x).

    `mixing` is U, the integral of the volatility over the step (`diffenc.volatility`); by default
    γ_t − γ_s, which makes it σ_s² c_ts.

    Raises:
        ValueError: a γ_s above its γ_t, or a negative mixing, where they are known.
    """
    if mixing is None:
        return jax.nn.sigmoid(wide(gamma_s)) * -jnp.expm1(_back(wide(gamma_s), wide(gamma_t)))
    known = wide(mixing)
    if inputs.surely(lambda u: (u < 0).any(), known):
        raise ValueError("mixing must be at least 0: the volatility's integral over a step down")
    return jax.nn.sigmoid(wide(gamma_s)) * -jnp.expm1(-known)


def posterior_mean(
    z: Batch,
    x_t: Batch,
    x_s: Batch,
    gamma_s: Level,
    gamma_t: Level,
    mixing: Level | None = None,
) -> Float[Array, "b *shape"]:
    """Mean of q(z_s | z_t, x) when the encoding depends on depth, U = `mixing`.

    μ_Q = α_s x_s + σ_s e^(−U/2) (z_t − α_t x_t)/σ_t, which is
    (α_s/α_t) e^(γ_s−γ_t) z_t + α_s c_ts x_t + α_s (x_s − x_t) by default.
    """
    checks.alike(z=z, x_t=x_t, x_s=x_s)
    share, carried = _mixed(z, gamma_s, gamma_t, mixing)
    return carried + alpha(per_example(gamma_s, z)) * (share * wide(x_t) + (wide(x_s) - wide(x_t)))


def generative_mean(
    z: Batch,
    x_hat: Batch,
    gamma_s: Level,
    gamma_t: Level,
    counterterm: Level = 0.0,
    mixing: Level | None = None,
) -> Float[Array, "b *shape"]:
    """Mean of p(z_s | z_t), with `counterterm` times DiffEnc's correction of the mean shift.

    μ_P = (α_s/α_t) e^(γ_s−γ_t) z_t + α_s [c_ts + counterterm (γ_t − γ_s) σ_t²] x̂.
    A counterterm of 0 is VDM, 1 is DiffEnc. With `mixing` = U both exponents γ_s − γ_t, that in
    c_ts too, are halfway between it and −U; U → 0 without counterterm is DDIM.
    """
    checks.alike(z=z, x_hat=x_hat)
    g_s, g_t = per_example(gamma_s, z), per_example(gamma_t, z)
    shift = per_example(counterterm, z) * (g_t - g_s) * jax.nn.sigmoid(g_t)
    share, carried = _mixed(z, gamma_s, gamma_t, mixing)
    return carried + alpha(g_s) * (share + shift) * wide(x_hat)


def _mixed(z: Batch, gamma_s: Level, gamma_t: Level, mixing: Level | None) -> tuple[Array, Array]:
    """(1 − e^(−k), (α_s/α_t) e^(−k) z), k the mean of γ_t − γ_s and of the mixing."""
    g_s, g_t = per_example(gamma_s, z), per_example(gamma_t, z)
    back = _back(g_s, g_t)
    if mixing is not None:
        back = 0.5 * (back - per_example(mixing, z))
    return -jnp.expm1(back), alpha(g_s) / alpha(g_t) * jnp.exp(back) * wide(z)
