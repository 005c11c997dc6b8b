"""How an encoder moves the data, what the counterterm takes back, and what the rest costs.

With a perfect network the diffusion loss is I(x; z_0) - I(x; z_1), which only the ends of the
encoding decide, plus the path cost

    (1/2) int e^(-gamma) E|dx_gamma/dlambda - E[dx_gamma/dlambda | z]|^2 dgamma >= 0,

because a Markov generative process cannot know how x moves beyond what z tells (for Gaussian data
the second term of (1/2) int v a'^2 / (a^2 v + e^gamma) dgamma of a linear encoder a(gamma) x). Any
prediction of the slope from z bounds it from above; the counterterm's is sigma^2 x_hat, of DiffEnc,
https://arxiv.org/abs/2310.19789.
"""

from collections.abc import Callable
from typing import NamedTuple

import jax.numpy as jnp
from jaxtyping import Array, Float

from diffenc import process
from diffenc.elbo import Parametrisation, per_example_sum, scaled_prediction
from diffenc.encoder import Encoder
from diffenc.process import per_example


class Shift(NamedTuple):
    """(1/2) e^-gamma times products of s = dx_gamma/dlambda and p = sigma^2 x_hat, per example.

    In nats per unit of gamma, so that integrals over gamma are parts of the diffusion loss.
    """

    slope: Float[Array, " b"]  # |s|^2
    predicted: Float[Array, " b"]  # |p|^2
    inner: Float[Array, " b"]  # <s, p>

    def cost(self, counterterm: float | Array = 1.0) -> Float[Array, " b"]:
        """(1/2) e^-gamma |dx_gamma/dlambda - counterterm sigma^2 x_hat|^2 >= 0."""
        return self.slope - 2 * counterterm * self.inner + counterterm**2 * self.predicted

    def best_counterterm(self) -> Float[Array, ""]:
        """The multiplier of least mean cost, E<s, p> / E|p|^2; 0 where nothing is predicted."""
        predicted = self.predicted.mean()
        known = predicted > 0
        return jnp.where(known, self.inner.mean() / jnp.where(known, predicted, 1.0), 0.0)


def shift(
    x: Float[Array, "b *shape"],
    eps: Float[Array, "b *shape"],
    gamma: Float[Array, " b"],
    *,
    encoder: Encoder,
    denoiser: Callable[[Array, Array], Array],
    conditioning: Float[Array, " b"] | None = None,
    parametrisation: Parametrisation = "v",
    counterterm: object = None,
    volatility: object = None,
) -> Shift:
    """The encoding's slope beside the counterterm's prediction of it, for data x and noise eps.

    Takes the keywords of a model's `parts`; its own counterterm and volatility are not used, as
    `Shift.cost` is told which counterterm.
    """
    del counterterm, volatility
    level = per_example(gamma, x)
    a, s = process.alpha(level), process.sigma(level)
    x_t, drift = encoder.with_drift(x, gamma, conditioning)
    z = process.diffuse(x_t, gamma, eps)
    # dx/dlambda = -sigma^2 drift, and e^(-gamma/2) sigma^2 = alpha sigma.
    slope = -a * s * drift
    predicted = s * scaled_prediction(denoiser(z, gamma), z, gamma, parametrisation)
    half = lambda u, v: 0.5 * per_example_sum(u * v)
    return Shift(half(slope, slope), half(predicted, predicted), half(slope, predicted))
