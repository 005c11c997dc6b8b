"""A diffusion with its parameters in place: what the bounds, the flow and the step choice take.

`Diffusion.bind` makes one of a model's parameters. Any other encoder and denoiser make one too:

    Process(residual_encoder(y), denoiser, counterterm=1.0)
"""

from collections.abc import Callable, Mapping
from typing import NamedTuple

import jax
from jaxtyping import Array, Float

from diffenc.encoder import Encoder
from diffenc.noising import per_example
from diffenc.prediction import Prediction, V
from diffenc.volatility import PUBLISHED, Form, Volatility, cosine_series, init_series

# (z, γ [b]) -> the network's output for z, an array like z.
Denoiser = Callable[[Array, Array], Array]
# The multiplier of the counterterm σ² x̂: 0 is VDM, 1 is DiffEnc, or a function of γ.
Counterterm = float | Callable[[Array], Array]


def learned_counterterm(
    weights: Float[Array, " waves"], low: float, high: float
) -> Callable[[Array], Array]:
    """1 plus a cosine series in γ: DiffEnc where all weights are 0."""
    return lambda gamma: 1.0 + cosine_series(weights, gamma, low, high)


COUNTERTERMS: Mapping[str, Form] = {
    "off": Form(lambda *_: 0.0),
    "on": Form(lambda *_: 1.0),
    "learned": Form(learned_counterterm, init_series),
}
"""The short names of `diffenc.build`."""


class Process(NamedTuple):
    """The noising process that the encoder makes, and the generative process of the denoiser."""

    encoder: Encoder
    denoiser: Denoiser
    prediction: Prediction = V  # what the denoiser's output is a prediction of
    counterterm: Counterterm = 0.0
    volatility: Volatility = PUBLISHED
    conditioning: Float[Array, " b"] | None = None  # for the encoder; the denoiser has its own
    shape: tuple[int, ...] | None = None  # of an example; None where any will do

    def offset(
        self, x: Float[Array, "b *shape"], gamma: Float[Array, "*level"]
    ) -> Float[Array, "b *shape"]:
        """x_γ − x at one level, or at one for each example."""
        return self.encoder.offset(x, gamma, self.conditioning)

    def with_drift(
        self, x: Float[Array, "b *shape"], gamma: Float[Array, " b"]
    ) -> tuple[Float[Array, "b *shape"], Float[Array, "b *shape"]]:
        """(x_γ, (dx_γ/dγ) / σ²)."""
        return self.encoder.with_drift(x, gamma, self.conditioning)

    def encode(
        self, x: Float[Array, "b *shape"], gamma: Float[Array, " b"]
    ) -> tuple[Float[Array, "b *shape"], Float[Array, "b *shape"]]:
        """(x_γ, dx_γ/dγ). The derivative in the log SNR is minus the slope."""
        x_t, drift = self.with_drift(x, gamma)
        return x_t, jax.nn.sigmoid(per_example(gamma, x)) * drift

    def x_hat(
        self, z: Float[Array, "b *shape"], gamma: Float[Array, " b"]
    ) -> Float[Array, "b *shape"]:
        """The denoiser's prediction of x_γ from z."""
        return self.prediction.x_hat(self.denoiser(z, gamma), z, gamma)

    def counterterm_at(self, gamma: Float[Array, "*level"]) -> float | Float[Array, "*level"]:
        """The counterterm's multiplier at a level."""
        return self.counterterm(gamma) if callable(self.counterterm) else self.counterterm
