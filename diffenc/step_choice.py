"""Which levels to step through when generating: the noise schedule for inference, after training.

For a given number of steps, the levels that make the finite-depth bound tightest, by dynamic
programming over a grid, as in Watson et al. 2021, https://arxiv.org/abs/2106.03802; here for any
encoder, with the counterterm, and with each step's variance at its optimum if asked.
"""

import jax
import jax.numpy as jnp
import numpy as np
from jax.typing import ArrayLike
from jaxtyping import Array, Float, Int, Key

from diffenc import noising, process_checks
from diffenc.finite_depth import step_cost
from diffenc.process import Process
from repgeo import inputs


def pair_costs(
    key: Key[Array, ""],
    process: Process,
    x: Float[ArrayLike, "b *shape"],
    levels: Float[ArrayLike, " n"],
) -> Float[Array, "n n"]:
    """Expected cost ℓ of the step from level t down to level s, [t, s], in nats per example.

    Infinite where s is not below t. The network runs once a level, the encoder n times a level.

    Raises:
        ValueError: data of another kind or shape, or levels that do not increase.
    """
    (x,), levels = process_checks.data(process, x=x), process_checks.levels(levels)
    full = lambda gamma: jnp.full((len(x),), gamma)

    def row(inputs: tuple[Array, Array]) -> Array:
        index, k_eps = inputs
        gamma_t = full(levels[index])
        eps = jax.random.normal(k_eps, x.shape, x.dtype)
        at_t = process.offset(x, gamma_t)
        z = noising.diffuse(x + at_t, gamma_t, eps)
        output = process.denoiser(z, gamma_t)

        def cost(other: Array) -> Array:
            # Where s is not below t, any level that is will do: the value is not used.
            gamma_s = full(jnp.where(other < index, levels[other], levels[index] - 1))
            shift = process.offset(x, gamma_s) - at_t
            costs = step_cost(process, output, z, x + at_t, shift, gamma_s, gamma_t, eps)
            return jnp.where(other < index, costs.mean(), jnp.inf)

        return jax.lax.map(cost, jnp.arange(len(levels)))

    return jax.lax.map(row, (jnp.arange(len(levels)), jax.random.split(key, len(levels))))


def best_levels(
    costs: Float[ArrayLike, "n n"], num_steps: int
) -> tuple[Int[Array, " steps"], Float[Array, ""]]:
    """Indices of the num_steps + 1 levels, the first and the last among them, of least total cost.

    `costs[t, s]` is the price of the step from t down to s: `pair_costs`, or `optimal_cost` of it
    where each step has its best variance. Returns the increasing indices and the total.

    Raises:
        ValueError: costs that are not square, hold NaN or -inf, or let a step go up (a finite price
            where s is not below t); not 1 ≤ num_steps < n; or no way of so many steps.
    """
    size = process_checks.square("costs", costs)
    whole = isinstance(num_steps, int | np.integer) and not isinstance(num_steps, bool)
    if not whole or not 1 <= num_steps < size:
        raise ValueError(
            f"num_steps={num_steps} must be an integer in [1, {size - 1}] for {size} levels"
        )
    costs = process_checks.step_prices(costs)

    def extend(best: Array, _: None) -> tuple[Array, Array]:
        """From the cheapest way to each level in k steps to that in k + 1."""
        through = costs + best[None, :]
        return through.min(1), through.argmin(1)

    start = jnp.full((size,), jnp.inf, costs.dtype).at[0].set(0.0)
    best, previous = jax.lax.scan(extend, start, length=num_steps)
    if inputs.surely(lambda total: total == jnp.inf, best[-1]):
        raise ValueError(
            f"no {num_steps} steps of finite price lead from the last level to the first; give "
            "another num_steps, or prices of more steps"
        )
    retrace = lambda level, came_from: (came_from[level], level)
    first, rest = jax.lax.scan(retrace, jnp.asarray(size - 1), previous, reverse=True)
    return jnp.concatenate([first[None], rest]), best[-1]
