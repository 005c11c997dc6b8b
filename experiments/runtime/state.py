"""What a training run carries from step to step."""

from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import optax
from jax.sharding import Mesh

from experiments.runtime.mesh import state_sharding


class TrainState(NamedTuple):
    """Everything that a checkpoint must hold; randomness and data order follow from `step`."""

    step: jax.Array
    params: Any
    ema: Any
    opt_state: Any


def create_state(
    init: Callable[[jax.Array], Any],
    optimizer: optax.GradientTransformation,
    key: jax.Array,
    mesh: Mesh,
    sharding: str = "replicated",
) -> TrainState:
    """The state at step 0, made under `jit` so that no leaf is ever whole on one device."""

    def build(key):
        params = init(key)
        # A copy: donating a state whose leaves are shared between params and EMA fails.
        ema = jax.tree.map(jnp.copy, params)
        return TrainState(jnp.zeros((), jnp.int32), params, ema, optimizer.init(params))

    shardings = state_sharding(jax.eval_shape(build, key), mesh, sharding)
    return jax.jit(build, out_shardings=shardings)(key)
