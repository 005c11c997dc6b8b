"""How an encoder moves the data, what the counterterm takes back, and what the rest costs.

With a perfect network the diffusion loss is I(x; z_0) − I(x; z_1), which only the ends of the
encoding decide, plus the path cost

    ½ ∫ e^(−γ) E|dx_γ/dλ − E[dx_γ/dλ | z]|² dγ ≥ 0,

because a Markov generative process cannot know how x moves beyond what z tells (for Gaussian data
the second term of ½ ∫ v a'² / (a² v + e^γ) dγ of a linear encoder a(γ) x). Any
prediction of the slope from z bounds it from above; the counterterm's is σ² x̂, of DiffEnc,
https://arxiv.org/abs/2310.19789.
"""

from typing import NamedTuple

import jax.numpy as jnp
from jax.typing import ArrayLike
from jaxtyping import Array, Float

from diffenc import checks, noising, process_checks
from diffenc.elbo import per_example_sum
from diffenc.noising import per_example
from diffenc.process import Process


class Shift(NamedTuple):
    """½ e^(−γ) times products of s = dx_γ/dλ and p = σ² x̂, per example.

    In nats per unit of γ, so that integrals over γ are parts of the diffusion loss.
    """

    slope: Float[Array, " b"]  # |s|²
    predicted: Float[Array, " b"]  # |p|²
    inner: Float[Array, " b"]  # <s, p>

    def cost(self, counterterm: float | Array = 1.0) -> Float[Array, " b"]:
        """½ e^(−γ) |dx_γ/dλ − counterterm σ² x̂|² ≥ 0."""
        return self.slope - 2 * counterterm * self.inner + counterterm**2 * self.predicted

    def best_counterterm(self) -> Float[Array, ""]:
        """The multiplier of least mean cost, E<s, p> / E|p|²; 0 where nothing is predicted."""
        predicted = self.predicted.mean()
        known = predicted > 0
        return jnp.where(known, self.inner.mean() / jnp.where(known, predicted, 1.0), 0.0)


def shift(
    process: Process,
    x: Float[ArrayLike, "b *shape"],
    eps: Float[ArrayLike, "b *shape"],
    gamma: Float[ArrayLike, "*level"],
) -> Shift:
    """The encoding's slope beside the counterterm's prediction of it, for data x and noise ε.

    At one level, or at one for each example.

    The process's own counterterm and volatility are not used, as `Shift.cost` is told which
    counterterm.

    Raises:
        ValueError: arrays of another kind or shape.
    """
    x, eps = process_checks.data(process, x=x, eps=eps)
    gamma = checks.level(gamma, len(x))
    level = per_example(gamma, x)
    a, s = noising.alpha(level), noising.sigma(level)
    x_t, drift = process.with_drift(x, gamma)
    z = noising.diffuse(x_t, gamma, eps)
    # dx/dλ = −σ² drift, and e^(−γ/2) σ² = α σ.
    slope = -a * s * drift
    predicted = s * process.prediction.scaled_x_hat(process.denoiser(z, gamma), z, gamma)
    half = lambda u, v: 0.5 * per_example_sum(u * v)
    return Shift(half(slope, slope), half(predicted, predicted), half(slope, predicted))
