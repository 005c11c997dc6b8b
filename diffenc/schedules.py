"""Noise schedules γ(t): log noise-to-signal ratio, increasing from t = 0 to t = 1.

A schedule is a frozen value with two pure functions, `init(key) -> params` and `gamma(params, t)`.
From Kingma et al. 2021 (VDM), https://arxiv.org/abs/2107.00630, and the published DiffEnc code.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Literal, Protocol, runtime_checkable

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Key

Params = dict[str, Array]

MONOTONE_UNITS = 1024  # hidden units of the published learned schedule
# What no update can take from the slope of the network's straight line, 1 at first: γ' > 0.
MONOTONE_FLOOR = 1e-3
ENDS = ("b", "w")  # of the monotone schedule; the rest of its parameters is its interior

# What the interior of the monotone schedule minimises.
Interior = Literal["variance", "elbo"]


@runtime_checkable
class Schedule(Protocol):
    """A schedule with ends γ_min and γ_max, where they are not learned."""

    @property
    def gamma_min(self) -> float: ...

    @property
    def gamma_max(self) -> float: ...

    def init(self, key: Key[Array, ""]) -> Params:
        """The parameters; empty if there are none."""
        ...

    def gamma(self, params: Params, t: Float[Array, "*b"]) -> Float[Array, "*b"]:
        """The level γ(t)."""
        ...


@dataclass(frozen=True)
class FixedLinear:
    """γ(t) = γ_min + (γ_max − γ_min) t, without parameters."""

    gamma_min: float
    gamma_max: float

    def init(self, key: Key[Array, ""]) -> Params:
        return {}

    def gamma(self, params: Params, t: Float[Array, "*b"]) -> Float[Array, "*b"]:
        return self.gamma_min + (self.gamma_max - self.gamma_min) * t


@dataclass(frozen=True)
class Polynomial:
    """γ(t) = (γ_max/2) t¹⁰ + (γ_max/2 − γ_min) t + γ_min, no parameters.

    Raises:
        ValueError: it would not increase: γ_max/2 and 11 γ_max/2 must exceed γ_min.
    """

    gamma_min: float
    gamma_max: float

    def __post_init__(self):
        if self._slope <= 0 or self._slope + 5 * self.gamma_max <= 0:
            raise ValueError(
                f"the polynomial schedule does not increase from gamma_min={self.gamma_min} to "
                f"gamma_max={self.gamma_max}: it needs gamma_max > 2 gamma_min and 11 gamma_max > "
                "2 gamma_min; choose another range or schedule='fixed'"
            )

    @property
    def _slope(self) -> float:
        return self.gamma_max / 2 - self.gamma_min

    def init(self, key: Key[Array, ""]) -> Params:
        return {}

    def gamma(self, params: Params, t: Float[Array, "*b"]) -> Float[Array, "*b"]:
        return self.gamma_max / 2 * t**10 + self._slope * t + self.gamma_min


@dataclass(frozen=True)
class LearnedLinear:
    """γ(t) = b + |w| t: two learned numbers that set the end points, b and b + |w|."""

    gamma_min: float
    gamma_max: float

    def init(self, key: Key[Array, ""]) -> Params:
        rate = self.gamma_max - self.gamma_min
        return {"b": jnp.full((1,), self.gamma_min), "w": jnp.full((1,), rate)}

    def gamma(self, params: Params, t: Float[Array, "*b"]) -> Float[Array, "*b"]:
        return params["b"][0] + jnp.abs(params["w"][0]) * t


@dataclass(frozen=True)
class Monotone:
    """γ(t) = γ_0 + (γ_1 − γ_0) (m(t) − m(0)) / (m(1) − m(0)), m a monotone network.

    m(t) = |w1| t + mean_j |w3_j| φ(2 |w2_j| (t − 1/2) + b2_j), φ(u) = 2 sigmoid(u) − 1: the
    published network, normalised so that its end points cannot drift. They are γ_min and γ_max, or
    with `learn_endpoints` the parameters b and b + |w| (VDM, appendix H). The interior minimises
    the variance of the loss (`variance_surrogate`) or the bound.
    """

    gamma_min: float
    gamma_max: float
    learn_endpoints: bool = False
    interior: Interior = "variance"

    def init(self, key: Key[Array, ""]) -> Params:
        k_2, k_3 = jax.random.split(key)
        shape = (MONOTONE_UNITS,)
        params = {
            "w1": jnp.ones((1,)),
            "w2": 0.01 * jax.random.normal(k_2, shape),
            "b2": jnp.zeros(shape),
            "w3": 0.01 * jax.random.normal(k_3, shape),
        }
        if self.learn_endpoints:
            params |= LearnedLinear(self.gamma_min, self.gamma_max).init(key)
        return params

    def gamma(self, params: Params, t: Float[Array, "*b"]) -> Float[Array, "*b"]:
        net = lambda u: _unnormalised(params, u)
        low, high = net(jnp.zeros_like(t, shape=())), net(jnp.ones_like(t, shape=()))
        share = (jnp.vectorize(net)(t) - low) / (high - low)
        if self.learn_endpoints:
            return params["b"][0] + jnp.abs(params["w"][0]) * share
        return self.gamma_min + (self.gamma_max - self.gamma_min) * share


def _unnormalised(params: Params, t: Float[Array, ""]) -> Float[Array, ""]:
    inner = 2 * jnp.abs(params["w2"]) * (t - 0.5) + params["b2"]
    hidden = jnp.abs(params["w3"]) * (2 * jax.nn.sigmoid(inner) - 1)
    return (jnp.abs(params["w1"][0]) + MONOTONE_FLOOR) * t + hidden.mean()


SCHEDULES: dict[str, type[FixedLinear | LearnedLinear | Monotone | Polynomial]] = {
    "fixed": FixedLinear,
    "learned_linear": LearnedLinear,
    "monotone": Monotone,
    "polynomial": Polynomial,
}
"""The short names of `diffenc.build`."""


def split(schedule: Schedule, params: Mapping[str, Array]) -> tuple[Params, Params | None]:
    """Parameters through which the bound is differentiated, and those for the loss's variance.

    The second are None, and the first all, unless the interior minimises the variance.
    """
    if not isinstance(schedule, Monotone) or schedule.interior != "variance":
        return dict(params), None
    still = jax.lax.stop_gradient
    ends = {name: leaf for name, leaf in params.items() if name in ENDS}
    interior = {name: leaf for name, leaf in params.items() if name not in ENDS}
    return ends | still(interior), still(ends) | interior


def variance_surrogate(
    gamma: Callable[[Float[Array, "*b"]], Float[Array, "*b"]],
    t: Float[Array, " b"],
    loss: Float[Array, " b"],
) -> Float[Array, " b"]:
    """Zeros whose mean has the gradient of ln E[loss²] in the parameters of `gamma`.

    `loss` = ½ γ'(t) R is the diffusion loss at times t. Between fixed ends its mean does not depend
    on the schedule, its second moment does, as VDM notes; it is least where γ' E[R² | γ]^½ is
    constant. As E[loss²] = E ∫ ¼ R(γ)² γ' dγ,

        d E[loss²] = E[loss² d ln γ'(t(γ))] at fixed γ,
        d ln γ'(t(γ)) = d ln γ'(t) − (γ''/γ'²) d γ(t):

    unlike VDM's, this gradient needs no derivative of the network. Divided by the batch's mean
    square, so that its size does not depend on that of the loss.
    """
    rate_of = lambda t: jax.jvp(gamma, (t,), (jnp.ones_like(t),))[1]
    rate, bend = jax.jvp(rate_of, (t,), (jnp.ones_like(t),))
    square = jax.lax.stop_gradient(loss**2)
    moved = jax.lax.stop_gradient(bend / rate**2) * gamma(t)
    surrogate = square / square.mean() * (jnp.log(rate) - moved)
    return surrogate - jax.lax.stop_gradient(surrogate)
