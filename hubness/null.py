"""What chance alone gives: measures of N_k where neighbours are drawn uniformly.

Then N_k is Binomial(m, k/n), close to Poisson(λ) with λ = m·k/n, and any measure has a floor above
zero that grows as λ falls: with 120,000 points, 7,600 queries and k=10, λ = 0.63, the skewness of
pure chance is 1.26 and its Robin Hood index 0.53. Gaussian points on a sphere reach the floor.
"""

import jax.numpy as jnp
from jax.scipy.special import gammaln
from jaxtyping import Array, Float

Scalar = Float[Array, ""] | float


def skewness_null(mean: Scalar) -> Float[Array, ""]:
    """1/√λ, the skewness of Poisson(λ); 0 where nothing is counted at all."""
    mean = jnp.asarray(mean, float)
    return jnp.where(mean > 0, 1 / jnp.sqrt(jnp.where(mean > 0, mean, 1)), 0)


def robin_hood_null(mean: Scalar) -> Float[Array, ""]:
    """E|N − λ| / 2λ = e^{−λ} λ^⌊λ⌋ / ⌊λ⌋! for N ~ Poisson(λ); 0 where nothing is counted."""
    mean = jnp.asarray(mean, float)
    some, whole = mean > 0, jnp.floor(mean)
    safe = jnp.where(some, mean, 1)
    exact = jnp.exp(-safe + whole * jnp.log(safe) - gammaln(whole + 1))
    # Beyond 10³ the exponent cancels in float32; Stirling is within 1/(12λ) < 1e-4 there.
    return jnp.where(some, jnp.where(mean > 1e3, 1 / jnp.sqrt(2 * jnp.pi * safe), exact), 0)


def antihub_rate_null(mean: Scalar) -> Float[Array, ""]:
    """P(N = 0) = e^{−λ} for N ~ Poisson(λ)."""
    return jnp.exp(-jnp.asarray(mean, float))
