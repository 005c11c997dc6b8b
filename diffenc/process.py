"""The noising process: signal and noise levels, parametrisations, and the transitions both ways.

Everything is a function of gamma, the log noise-to-signal ratio, with alpha^2 + sigma^2 = 1
(variance preserving). Kingma et al. 2021, https://arxiv.org/abs/2107.00630; the transitions under
an encoder from Nielsen et al. 2023 (DiffEnc), https://arxiv.org/abs/2310.19789.
"""

import jax
import jax.numpy as jnp
from jax.typing import ArrayLike
from jaxtyping import Array, Float

# One level for the whole batch, or one for each example.
Level = Float[ArrayLike, ""] | Float[ArrayLike, " b"]
Batch = Float[ArrayLike, "b *shape"]


def alpha(gamma: Float[ArrayLike, "*b"]) -> Float[Array, "*b"]:
    """Signal scale, sqrt(sigmoid(-gamma)), in (0, 1)."""
    return jnp.sqrt(jax.nn.sigmoid(-jnp.asarray(gamma)))


def sigma(gamma: Float[ArrayLike, "*b"]) -> Float[Array, "*b"]:
    """Noise scale, sqrt(sigmoid(gamma)), in (0, 1)."""
    return jnp.sqrt(jax.nn.sigmoid(jnp.asarray(gamma)))


def snr(gamma: Float[ArrayLike, "*b"]) -> Float[Array, "*b"]:
    """Signal-to-noise ratio alpha^2 / sigma^2 = exp(-gamma)."""
    return jnp.exp(-jnp.asarray(gamma))


def step_fraction(gamma_s: Float[ArrayLike, "*b"], gamma_t: Float[ArrayLike, "*b"]) -> Array:
    """c_ts = 1 - SNR_t / SNR_s = -expm1(gamma_s - gamma_t), in (0, 1) for gamma_s < gamma_t."""
    return -jnp.expm1(jnp.asarray(gamma_s) - jnp.asarray(gamma_t))


def per_example(level: Level, like: Batch) -> Array:
    """The level shaped to multiply a batch: a scalar as it is, [b] as [b, 1, ..., 1]."""
    level = jnp.asarray(level)
    return level if level.ndim == 0 else level.reshape(level.shape + (1,) * (jnp.ndim(like) - 1))


def _scales(gamma: Level, like: Batch) -> tuple[Array, Array]:
    gamma = per_example(gamma, like)
    return alpha(gamma), sigma(gamma)


def diffuse(x_t: Batch, gamma: Level, eps: Batch) -> Float[Array, "b *shape"]:
    """z_t = alpha_t x_t + sigma_t eps."""
    a, s = _scales(gamma, x_t)
    return a * x_t + s * eps


def velocity(x_t: Batch, eps: Batch, gamma: Level) -> Float[Array, "b *shape"]:
    """v_t = alpha_t eps - sigma_t x_t (Salimans and Ho 2022, https://arxiv.org/abs/2202.00512)."""
    a, s = _scales(gamma, x_t)
    return a * eps - s * x_t


def x_from_v(z: Batch, v: Batch, gamma: Level) -> Float[Array, "b *shape"]:
    """x = alpha z - sigma v."""
    a, s = _scales(gamma, z)
    return a * z - s * v


def x_from_eps(z: Batch, eps: Batch, gamma: Level) -> Float[Array, "b *shape"]:
    """x = (z - sigma eps) / alpha."""
    a, s = _scales(gamma, z)
    return (z - s * eps) / a


def eps_from_v(z: Batch, v: Batch, gamma: Level) -> Float[Array, "b *shape"]:
    """eps = sigma z + alpha v."""
    a, s = _scales(gamma, z)
    return s * z + a * v


def eps_from_x(z: Batch, x: Batch, gamma: Level) -> Float[Array, "b *shape"]:
    """eps = (z - alpha x) / sigma."""
    a, s = _scales(gamma, z)
    return (z - a * x) / s


def v_from_x(z: Batch, x: Batch, gamma: Level) -> Float[Array, "b *shape"]:
    """v = (alpha z - x) / sigma."""
    a, s = _scales(gamma, z)
    return (a * z - x) / s


def v_from_eps(z: Batch, eps: Batch, gamma: Level) -> Float[Array, "b *shape"]:
    """v = (eps - sigma z) / alpha."""
    a, s = _scales(gamma, z)
    return (eps - s * z) / a


def transition_variance(
    gamma_s: Float[ArrayLike, "*b"],
    gamma_t: Float[ArrayLike, "*b"],
    mixing: Float[ArrayLike, "*b"] | None = None,
) -> Float[Array, "*b"]:
    """sigma_Q^2 = sigma_s^2 (1 - e^-U), the variance of q(z_s | z_t, x).

    `mixing` is U, the integral of the volatility over the step (`diffenc.volatility`); by default
    gamma_t - gamma_s, which makes it sigma_s^2 c_ts.
    """
    if mixing is None:
        return jax.nn.sigmoid(jnp.asarray(gamma_s)) * step_fraction(gamma_s, gamma_t)
    return jax.nn.sigmoid(jnp.asarray(gamma_s)) * -jnp.expm1(-jnp.asarray(mixing))


def posterior_mean(
    z: Batch,
    x_t: Batch,
    x_s: Batch,
    gamma_s: Level,
    gamma_t: Level,
    mixing: Level | None = None,
) -> Float[Array, "b *shape"]:
    """Mean of q(z_s | z_t, x) when the encoding depends on depth, U = `mixing`.

    mu_Q = alpha_s x_s + sigma_s e^(-U/2) (z_t - alpha_t x_t)/sigma_t, which is
    (alpha_s/alpha_t) e^(gamma_s-gamma_t) z_t + alpha_s c_ts x_t + alpha_s (x_s - x_t) by default.
    """
    share, carried = _mixed(z, gamma_s, gamma_t, mixing)
    return carried + alpha(per_example(gamma_s, z)) * (share * x_t + (x_s - x_t))


def generative_mean(
    z: Batch,
    x_hat: Batch,
    gamma_s: Level,
    gamma_t: Level,
    counterterm: Level = 0.0,
    mixing: Level | None = None,
) -> Float[Array, "b *shape"]:
    """Mean of p(z_s | z_t), with `counterterm` times DiffEnc's correction of the mean shift.

    mu_P = (alpha_s/alpha_t) e^(gamma_s-gamma_t) z_t
           + alpha_s [c_ts + counterterm (gamma_t - gamma_s) sigma_t^2] x_hat.
    A counterterm of 0 is VDM, 1 is DiffEnc. With `mixing` = U both exponents gamma_s - gamma_t,
    that in c_ts too, are halfway between it and -U; U -> 0 without counterterm is DDIM.
    """
    g_s, g_t = per_example(gamma_s, z), per_example(gamma_t, z)
    shift = per_example(counterterm, z) * (g_t - g_s) * jax.nn.sigmoid(g_t)
    share, carried = _mixed(z, gamma_s, gamma_t, mixing)
    return carried + alpha(g_s) * (share + shift) * x_hat


def _mixed(z: Batch, gamma_s: Level, gamma_t: Level, mixing: Level | None) -> tuple[Array, Array]:
    """(1 - e^-k, (alpha_s/alpha_t) e^-k z), k the mean of gamma_t - gamma_s and of the mixing."""
    g_s, g_t = per_example(gamma_s, z), per_example(gamma_t, z)
    back = g_s - g_t
    if mixing is not None:
        back = 0.5 * (back - per_example(mixing, z))
    return -jnp.expm1(back), alpha(g_s) / alpha(g_t) * jnp.exp(back) * z
