"""What the denoiser predicts, v or ε: one object each, with all that the losses need of it.

Every formula avoids dividing by α or σ and subtracting large numbers, so that float32 keeps its
digits from γ = −13 to 5. Only `x_hat` of ε divides, by α, as it must.
"""

from dataclasses import dataclass
from typing import Protocol, runtime_checkable

from jaxtyping import Array, Float

from diffenc import noising
from diffenc.noising import per_example

Batch = Float[Array, "b *shape"]
Level = Float[Array, ""] | Float[Array, " b"]


@runtime_checkable
class Prediction(Protocol):
    """Functions of the network's output for z at level γ."""

    def x_hat(self, output: Batch, z: Batch, gamma: Level) -> Batch:
        """x̂, the prediction of x_γ."""
        ...

    def scaled_x_hat(self, output: Batch, z: Batch, gamma: Level) -> Batch:
        """α x̂."""
        ...

    def error(self, output: Batch, x_t: Batch, gamma: Level, eps: Batch) -> Batch:
        """ε − ε̂ = −α (x_γ − x̂) / σ, for z = α x_γ + σ ε."""
        ...

    def flow(self, output: Batch, z: Batch, gamma: Level) -> Batch:
        """α² z − α x̂, twice the speed of z in γ along the probability flow."""
        ...


@dataclass(frozen=True)
class VPrediction:
    """The output is v̂, of v = α ε − σ x_γ (Salimans and Ho, https://arxiv.org/abs/2202.00512)."""

    def x_hat(self, output: Batch, z: Batch, gamma: Level) -> Batch:
        return noising.x_from_v(z, output, gamma)

    def scaled_x_hat(self, output: Batch, z: Batch, gamma: Level) -> Batch:
        return noising.alpha(per_example(gamma, z)) * noising.x_from_v(z, output, gamma)

    def error(self, output: Batch, x_t: Batch, gamma: Level, eps: Batch) -> Batch:
        return noising.alpha(per_example(gamma, x_t)) * (noising.velocity(x_t, eps, gamma) - output)

    def flow(self, output: Batch, z: Batch, gamma: Level) -> Batch:
        level = per_example(gamma, z)
        return noising.alpha(level) * noising.sigma(level) * output


@dataclass(frozen=True)
class EpsPrediction:
    """The output is ε̂ (Ho et al. 2020, https://arxiv.org/abs/2006.11239)."""

    def x_hat(self, output: Batch, z: Batch, gamma: Level) -> Batch:
        return noising.x_from_eps(z, output, gamma)

    def scaled_x_hat(self, output: Batch, z: Batch, gamma: Level) -> Batch:
        return z - noising.sigma(per_example(gamma, z)) * output

    def error(self, output: Batch, x_t: Batch, gamma: Level, eps: Batch) -> Batch:
        return eps - output

    def flow(self, output: Batch, z: Batch, gamma: Level) -> Batch:
        s = noising.sigma(per_example(gamma, z))
        return s * (output - s * z)


V, EPS = VPrediction(), EpsPrediction()
PREDICTIONS: dict[str, Prediction] = {"v": V, "eps": EPS}
"""The short names of `diffenc.build`."""
