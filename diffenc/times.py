"""Low-discrepancy times for the diffusion loss."""

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Key

from diffenc import checks


def stratified_times(key: Key[Array, ""], num: int, draws: int = 1) -> Float[Array, "draws num"]:
    """Times in [0, 1): row j lies in [j, j+1) / draws, and there one in each of `num` strata.

    t_ji = (j + ((i + r_j) mod num + u_ji) / num) / draws, with jitter u uniform in [0, 1) and one
    random rotation r_j a row, so that each t_ji is uniform over its row's interval and each
    example's mean over rows is unbiased. One draw for the whole batch, on every device alike: the
    strata do not depend on how the batch is sharded. The published code rotates a fixed grid,
    separately on each device; jitter has about 1/6 of its standard deviation at 128 examples.

    Raises:
        ValueError: `num` or `draws` is no integer, or below 1.

    Examples:
        >>> t = diffenc.stratified_times(jax.random.key(0), 4)
        >>> np.floor(4 * np.sort(t[0])).tolist()
        [0.0, 1.0, 2.0, 3.0]
    """
    num, draws = checks.counts(num=num, draws=draws)
    k_rotation, k_jitter = jax.random.split(key)
    rotation = jax.random.randint(k_rotation, (draws, 1), 0, num)
    jitter = jax.random.uniform(k_jitter, (draws, num))
    stratum = (jnp.arange(num)[None, :] + rotation) % num
    row = jnp.arange(draws)[:, None]
    # The float below 1 keeps rounding from carrying a time over the edge.
    return jnp.minimum((row + (stratum + jitter) / num) / draws, 1 - 2.0**-24)
