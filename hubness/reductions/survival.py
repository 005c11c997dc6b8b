"""Survival functions in logarithms: gamma in both tails, and a quick normal one for ranking."""

import jax.numpy as jnp
import numpy as np
from jax.scipy.special import erfc, gammainc, gammaincc
from jaxtyping import Array, Float

LARGE_SHAPE = 20.0
# Coefficients of C_0, C_1, C_2 in η: DLMF 8.12(ii), Temme 1979.
_TEMME = np.array(
    [
        [-1 / 3, 1 / 12, -2 / 135, 1 / 864, 1 / 2835, -139 / 777600, 1 / 25515]
        + [-571 / 261273600, -281 / 151559100, 8.296711340953086e-7],
        [-1 / 540, -1 / 288, 1 / 378, -77 / 77760, 2.0576131687242798e-4, -4.0187757201646e-7]
        + [-1.8098550334489978e-5, 7.6491609160811101e-6, 0, 0],
        [25 / 6048, -139 / 51840, 1 / 1296, 2.0093878600823045e-6, -1.0736653226365161e-4]
        + [5.2923448829120125e-5, 0, 0, 0, 0],
    ]
)


def quick_log_normal_sf(z: Float[Array, "..."]) -> Float[Array, "..."]:
    """log(1 − Φ(z)) within 0.5 % for every z (0.01 % typically); elementwise.

    Six times cheaper than log_ndtr on a CPU: for finding candidates, whose ranks are then
    computed exactly. Upper tail R(|z|) e^{−z²/2} by Bryc 2002 (Appl. Math. Comput. 127); below
    zero −log(1 − S) is S times a polynomial fitted on [0, ½] to 5e-5.
    """
    t = jnp.abs(z)
    top = (t + 5.575192695) * t + 12.77436324
    bottom = ((2.50662827463 * t + 14.38718147) * t + 31.53531977) * t + 25.548726
    ratio, half_square = top / bottom, 0.5 * t * t
    s = ratio * jnp.exp(-half_square)
    left = s * _horner((1.00004508, 0.49573105, 0.39632043, -0.05950336, 0.74689657), s)
    return jnp.where(z < 0, -left, jnp.log(ratio) - half_square)


def log_gamma_sf(a: Float[Array, "..."], x: Float[Array, "..."]) -> Float[Array, "..."]:
    """log Q(a, x), the log of the share of Gamma(a, 1) above x ≥ 0; elementwise.

    jax.scipy's series lose three digits in float32 at a = 1,000, the shape of distances in high
    dimension: from a = 20 on, Temme's uniform expansion replaces them.
    """
    large = a > LARGE_SHAPE
    lower_t, upper_t = _temme(jnp.where(large, a, LARGE_SHAPE), jnp.where(large, x, LARGE_SHAPE))
    small_a, small_x = jnp.where(large, 1, a), jnp.where(large, 1, x)
    lower = jnp.where(large, lower_t, gammainc(small_a, small_x))
    upper = jnp.where(large, upper_t, gammaincc(small_a, small_x))
    tiny = jnp.finfo(upper.dtype).tiny
    return jnp.where(x < a, jnp.log1p(-jnp.minimum(lower, 0.9)), jnp.log(jnp.maximum(upper, tiny)))


def _temme(a, x):
    """P and Q by Q = erfc(η√(a/2))/2 + e^{−aη²/2} (C_0 + C_1/a + C_2/a²) / √(2πa)."""
    mu = x / a - 1
    phi = jnp.maximum(_minus_log1p(mu), 0)  # η²/2
    eta = jnp.sign(mu) * jnp.sqrt(2 * phi)
    series = sum(_horner(row, jnp.clip(eta, -2, 2)) / a**i for i, row in enumerate(_TEMME))
    rest = jnp.exp(-a * phi) / jnp.sqrt(2 * jnp.pi * a) * series
    z = eta * jnp.sqrt(a / 2)
    return jnp.maximum(0.5 * erfc(-z) - rest, 0), 0.5 * erfc(z) + rest


def _minus_log1p(mu):
    """μ − log(1 + μ) without cancellation: sμ − 2(s³/3 + s⁵/5 + ...), s = μ/(2 + μ)."""
    s = mu / (2 + mu)
    odd = _horner(2 / np.arange(3.0, 21.0, 2.0), s * s)
    far = mu - jnp.log1p(jnp.maximum(mu, -1 + 1e-7))
    return jnp.where(jnp.abs(mu) < 0.5, s * mu - s**3 * odd, far)


def _horner(coefficients, x):
    total = jnp.zeros_like(x)
    for c in coefficients[::-1]:
        total = total * x + float(c)
    return total
