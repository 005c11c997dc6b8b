"""What a trained encoder does to the data by depth, and what the counterterm makes of it."""

from collections.abc import Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from numpy.typing import ArrayLike

import diffenc
from diffenc.path import shift

Measured = dict[str, Any]


def encoded(
    model: diffenc.Diffusion, params: Any, x: np.ndarray, t: Sequence[float], label: Any = None
) -> np.ndarray:
    """x_t − x at each time, [times, n, *shape]: kept apart from x, as near the data it is small."""
    process = model.bind(params, label)

    def offset(t):
        gamma = model.gamma(params, jnp.full((len(x),), t))
        return process.offset(jnp.asarray(x), gamma)

    return np.asarray(jax.jit(lambda t: jax.lax.map(offset, t))(jnp.asarray(t, jnp.float32)))


def changes(offsets: np.ndarray, t: ArrayLike, s: ArrayLike) -> np.ndarray:
    """(x_t − x_s)/(t − s) from x_t − x and then x_s − x in `offsets`, channels summed."""
    at_t, at_s = np.split(offsets, 2)
    steps = (np.asarray(t) - np.asarray(s)).reshape(-1, *(1,) * (at_t.ndim - 1))
    rate = (at_t - at_s) / steps
    return rate.sum(-1) if rate.ndim == 5 else rate


def by_time(
    model: diffenc.Diffusion,
    params: Any,
    x: np.ndarray,
    t: Sequence[float],
    key: jax.Array,
    label: Any = None,
) -> dict[str, list[float]]:
    """Statistics of the encoding and of the counterterm at each time, over all of x.

    x_t's mean, standard deviation, least and greatest value; root mean squares of x_t − x, of the
    inner network's y and of dy/dt; in bits/dim per unit of t: the slope's `size`, which is the cost
    without a counterterm, the cost `left` with the published one and `own` with the model's, and
    `least` with the best number at this t, `best_counterterm`. `left_error` is one standard error.
    """
    process = model.bind(params, label)
    data = jnp.asarray(x)

    def measure(inputs):
        t, k_eps = inputs
        times = jnp.full((len(data),), t)
        level = lambda t: model.gamma(params, t)
        gamma, rate = jax.jvp(level, (times,), (jnp.ones_like(times),))
        variance = jax.nn.sigmoid(gamma[0])
        offset = process.offset(data, gamma)
        x_t, drift = process.with_drift(data, gamma)
        y = data + offset / variance
        y_rate = (drift - y + x_t) * rate[0]
        found = shift(process, data, jax.random.normal(k_eps, data.shape), gamma)
        scale = rate[0] / (np.prod(model.shape) * np.log(2))
        own = jnp.broadcast_to(process.counterterm_at(gamma), gamma.shape)[0]
        best, left = found.best_counterterm(), scale * found.cost(1.0)
        root = lambda a: jnp.sqrt(jnp.mean(a**2))
        return {
            "gamma": gamma[0],
            "mean": x_t.mean(),
            "deviation": x_t.std(),
            "min": x_t.min(),
            "max": x_t.max(),
            "moved": root(offset),
            "y": root(y),
            "dy_dt": root(y_rate),
            "size": scale * found.slope.mean(),
            "left": left.mean(),
            "left_error": left.std() / np.sqrt(len(data)),
            "own": scale * found.cost(own).mean(),
            "least": scale * found.cost(best).mean(),
            "best_counterterm": best,
        }

    inputs = jnp.asarray(t, jnp.float32), jax.random.split(key, len(t))
    rows = jax.jit(lambda inputs: jax.lax.map(measure, inputs))(inputs)
    return {"t": list(map(float, t))} | {k: np.asarray(v).tolist() for k, v in rows.items()}


def path_costs(measured: Measured) -> dict[str, float]:
    """Integrals over t in bits/dim: upper bounds on what the encoder's movement costs.

    With no counterterm, the published one, the model's own, and the best number at each t.
    """
    names = {"none": "size", "published": "left", "own": "own", "best": "least"}
    t = measured["t"]
    return {name: float(np.trapezoid(measured[key], t)) for name, key in names.items()}
