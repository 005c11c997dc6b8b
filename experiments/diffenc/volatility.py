"""The volatility of a trained run: its own, the best one by depth, and what it saves."""

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

import diffenc
from diffenc import volatility as forms
from diffenc.likelihood import dequantise
from diffenc.volatility_choice import Moments, estimate
from experiments.diffenc.run import Run
from experiments.runtime.errors import UserError

CHOICES = ("optimal",)
LEVELS = 65


def measure(
    model: diffenc.Diffusion, params: Any, x: np.ndarray, key: jax.Array, label: Any = None
) -> dict[str, Any]:
    """By level gamma: `optimal` u*, the model's `own` u, and the loss with u = 1, own and optimal.

    Losses in bits/dim per unit of gamma, means over x with fresh noise at each level.
    """
    gamma = model.gamma(params, jnp.linspace(0.0, 1.0, LEVELS))
    process = model.bind(params, label)

    def measured(key, x):
        found = estimate(key, process, x, gamma)
        best, own = jax.vmap(Moments.optimal)(found), forms.at(process.volatility, gamma)
        bits = lambda u: diffenc.bits_per_dim(found.loss(u), model.shape)
        losses = {"published_loss": bits(1.0), "own_loss": bits(own), "optimal_loss": bits(best)}
        return {"gamma": gamma, "optimal": best, "own": own, **losses}

    values = jax.jit(measured)(key, jnp.asarray(x))
    return {name: np.asarray(value, np.float64).tolist() for name, value in values.items()}


def from_training(run: Run, params: Any, num: int = 1024) -> dict[str, Any]:
    """`measure` on `num` training images, with their number: u* must not see the test split."""
    if run.model.options.depth is not None:
        raise UserError(
            f"--volatility=optimal is for continuous time; this run has depth "
            f"{run.model.options.depth}: evaluate it without"
        )
    batch = run.source.train.take(np.arange(min(num, run.source.train.size)))
    label = batch["label"] if run.model.options.num_classes else None
    x = np.asarray(dequantise(batch["codes"], run.source.levels))
    key = jax.random.fold_in(jax.random.key(run.config.eval.seed), 1)
    return {"images": len(x), **measure(run.model, params, x, key, label)}


def chosen(measured: dict[str, Any]) -> forms.Volatility:
    """u* of `measure`, between its levels too."""
    levels, values = (jnp.asarray(measured[name], jnp.float32) for name in ("gamma", "optimal"))
    return forms.interpolated(levels, values)
