"""Noise schedules gamma(t): log noise-to-signal ratio, increasing from t = 0 to t = 1.

A schedule is a pair of pure functions, `init(key) -> params` and `gamma(params, t)`. Schedules
from Kingma et al. 2021 (VDM), https://arxiv.org/abs/2107.00630, and the published DiffEnc code.
"""

from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Key

Params = dict[str, Any]

MONOTONE_UNITS = 1024  # hidden units of the published learned schedule
# What no update can take from the slope of the network's straight line, 1 at first: gamma' > 0.
MONOTONE_FLOOR = 1e-3
ENDS = ("b", "w")  # of the monotone schedule; the rest of its parameters is its interior


class Schedule(NamedTuple):
    """`init(key)` gives the parameters (empty if there are none); `gamma(params, t)` the level."""

    init: Callable[[Key[Array, ""]], Params]
    gamma: Callable[[Params, Float[Array, "*b"]], Float[Array, "*b"]]


def fixed_linear(gamma_min: float, gamma_max: float) -> Schedule:
    """gamma(t) = gamma_min + (gamma_max - gamma_min) t, without parameters."""
    return Schedule(
        init=lambda key: {},
        gamma=lambda params, t: gamma_min + (gamma_max - gamma_min) * t,
    )


def polynomial(gamma_min: float, gamma_max: float) -> Schedule:
    """gamma(t) = (gamma_max/2) t^10 + (gamma_max/2 - gamma_min) t + gamma_min, no parameters.

    Raises ValueError where it would not increase: gamma_max/2 must exceed gamma_min, and
    11 gamma_max/2 must as well.
    """
    slope = gamma_max / 2 - gamma_min
    if slope <= 0 or slope + 5 * gamma_max <= 0:
        raise ValueError(
            f"the polynomial schedule does not increase from gamma_min={gamma_min} to "
            f"gamma_max={gamma_max}: it needs gamma_max > 2 gamma_min and 11 gamma_max > "
            "2 gamma_min; choose another range or schedule='fixed'"
        )
    return Schedule(
        init=lambda key: {},
        gamma=lambda params, t: gamma_max / 2 * t**10 + slope * t + gamma_min,
    )


def learned_linear(gamma_min: float, gamma_max: float) -> Schedule:
    """gamma(t) = b + |w| t: two learned numbers that set the end points, b and b + |w|."""

    def init(key):
        return {"b": jnp.full((1,), gamma_min), "w": jnp.full((1,), gamma_max - gamma_min)}

    return Schedule(init, lambda params, t: params["b"][0] + jnp.abs(params["w"][0]) * t)


def monotone(gamma_min: float, gamma_max: float, learn_endpoints: bool = False) -> Schedule:
    """gamma(t) = gamma_0 + (gamma_1 - gamma_0) (m(t) - m(0)) / (m(1) - m(0)), m a monotone net.

    m(t) = |w1| t + mean_j |w3_j| phi(2 |w2_j| (t - 1/2) + b2_j), phi(u) = 2 sigmoid(u) - 1: the
    published network, normalised so that its end points cannot drift. They are gamma_min and
    gamma_max, or with `learn_endpoints` the parameters b and b + |w| (VDM, appendix H).
    """
    rate = gamma_max - gamma_min

    def init(key):
        k_2, k_3 = jax.random.split(key)
        shape = (MONOTONE_UNITS,)
        params = {
            "w1": jnp.ones((1,)),
            "w2": 0.01 * jax.random.normal(k_2, shape),
            "b2": jnp.zeros(shape),
            "w3": 0.01 * jax.random.normal(k_3, shape),
        }
        return params | (
            {"b": jnp.full((1,), gamma_min), "w": jnp.full((1,), rate)} if learn_endpoints else {}
        )

    def unnormalised(params, t):
        inner = 2 * jnp.abs(params["w2"]) * (t - 0.5) + params["b2"]
        hidden = jnp.abs(params["w3"]) * (2 * jax.nn.sigmoid(inner) - 1)
        return (jnp.abs(params["w1"][0]) + MONOTONE_FLOOR) * t + hidden.mean()

    def gamma(params, t):
        net = lambda u: unnormalised(params, u)
        low, high = net(jnp.zeros_like(t, shape=())), net(jnp.ones_like(t, shape=()))
        share = (jnp.vectorize(net)(t) - low) / (high - low)
        if learn_endpoints:
            return params["b"][0] + jnp.abs(params["w"][0]) * share
        return gamma_min + rate * share

    return Schedule(init, gamma)


def variance_surrogate(
    gamma: Callable[[Float[Array, "*b"]], Float[Array, "*b"]],
    t: Float[Array, " b"],
    loss: Float[Array, " b"],
) -> Float[Array, " b"]:
    """Zeros whose mean has the gradient of ln E[loss^2] in the parameters of `gamma`.

    `loss` = (1/2) gamma'(t) R is the diffusion loss at times t. Between fixed ends its mean does
    not depend on the schedule, its second moment does, as VDM notes; it is least where
    gamma' E[R^2 | gamma]^(1/2) is constant. As E[loss^2] = E int (1/4) R(gamma)^2 gamma' dgamma,

        d E[loss^2] = E[loss^2 d ln gamma'(t(gamma))] at fixed gamma,
        d ln gamma'(t(gamma)) = d ln gamma'(t) - (gamma''/gamma'^2) d gamma(t):

    unlike VDM's, this gradient needs no derivative of the network. Divided by the batch's mean
    square, so that its size does not depend on that of the loss.
    """
    rate_of = lambda t: jax.jvp(gamma, (t,), (jnp.ones_like(t),))[1]
    rate, bend = jax.jvp(rate_of, (t,), (jnp.ones_like(t),))
    square = jax.lax.stop_gradient(loss**2)
    moved = jax.lax.stop_gradient(bend / rate**2) * gamma(t)
    surrogate = square / square.mean() * (jnp.log(rate) - moved)
    return surrogate - jax.lax.stop_gradient(surrogate)
