"""One optimiser step as a compiled function of (state, batch)."""

from collections.abc import Callable, Mapping
from functools import cached_property
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax
from jax.sharding import Mesh, NamedSharding

from experiments.runtime.errors import UserError
from experiments.runtime.mesh import batch_sharding, replicated
from experiments.runtime.state import TrainState

Metrics = dict[str, jax.Array]
Loss = Callable[[Any, Any, jax.Array], Mapping[str, jax.Array]]
Step = Callable[[TrainState, Any], tuple[TrainState, Metrics]]
Draw = Callable[[Any, jax.Array], Any]


class CompiledStep:
    """A training step, `step(state, batch) -> (state, metrics)`, compiled when it is first called.

    Its key is given to the program, not written into it: all seeds share one compilation.
    """

    def __init__(self, jitted: Any, key_data: np.ndarray, everywhere: NamedSharding):
        self._jitted, self._data, self._everywhere = jitted, key_data, everywhere

    @cached_property
    def _key(self) -> jax.Array:
        part = lambda index: self._data[index]
        with jax.transfer_guard("allow"):  # once a run
            return jax.make_array_from_callback(self._data.shape, self._everywhere, part)

    def __call__(self, state: TrainState, batch: Any) -> tuple[TrainState, Metrics]:
        return self._jitted(self._key, state, batch)

    def lower(self, state: TrainState, batch: Any) -> jax.stages.Lowered:
        """The step for arguments that may be abstract, on devices that need not be here."""
        shape, dtype = self._data.shape, self._data.dtype
        key = jax.ShapeDtypeStruct(shape, dtype, sharding=self._everywhere)
        return self._jitted.lower(key, state, batch)


def all_finite(tree: Any) -> jax.Array:
    """Whether no leaf holds NaN or an infinity."""
    found = [jnp.isfinite(leaf).all() for leaf in jax.tree.leaves(tree)]
    return jnp.stack(found).all()


def make_step(
    loss: Loss,
    optimizer: optax.GradientTransformation,
    *,
    key: jax.Array,
    ema_decay: float,
    state: Any,
    mesh: Mesh,
    accumulate: int = 1,
    draw: Draw = lambda batch, key: batch,
    total: str = "loss",
) -> CompiledStep:
    """The step of a loss and an optimizer; the state passed to it is donated.

    `state` here only gives the layout: arrays, or `StateFactory.abstract()`.

    `loss(params, batch, key)` returns the terms of each example's loss by name, each [batch]. Their
    means over the batch are taken here and nowhere else; the sum of the means is minimised and is
    the metric `total`, beside those of the terms. The key is `fold_in(key, step)`, so that a
    resumed run draws the same noise. Metrics gain `grad_norm` and `finite` (1 where loss, gradient
    and the updated parameters are). `draw(batch, key)`, with the same key, may add noise to the
    batch. With `accumulate` > 1 what it returns is cut into that many equal parts, whose gradients
    are averaged; the loss of each part gets its own key. So the noise is that of the whole batch,
    and only what the loss itself draws depends on `accumulate`.

    Raises:
      UserError: `accumulate` is below 1.
    """
    if accumulate < 1:
        raise UserError(f"accumulate is {accumulate}; accepted: 1 (the batch at once) or more")

    def mean_loss(params, batch, key):
        means = {name: jnp.mean(term) for name, term in loss(params, batch, key).items()}
        value = sum(means.values())
        return value, {total: value} | means

    gradient = jax.value_and_grad(mean_loss, has_aux=True)

    def whole(params, batch, key):
        (value, metrics), grads = gradient(params, batch, key)
        return value, metrics, grads

    def in_parts(params, batch, key):
        parts = jax.tree.map(
            lambda a: a.reshape(a.shape[0] // accumulate, accumulate, *a.shape[1:]).swapaxes(0, 1),
            batch,
        )
        keys = jax.random.split(key, accumulate)
        shapes = jax.eval_shape(whole, params, jax.tree.map(lambda a: a[0], parts), key)
        zeros = jax.tree.map(lambda s: jnp.zeros(s.shape, s.dtype), shapes)

        def add(total, part):
            return jax.tree.map(jnp.add, total, whole(params, *part)), None

        total, _ = jax.lax.scan(add, zeros, (parts, keys))
        return jax.tree.map(lambda a: a / accumulate, total)

    def step(key_data, state: TrainState, batch):
        step_key = jax.random.fold_in(jax.random.wrap_key_data(key_data, impl=kind), state.step)
        value, metrics, grads = (whole if accumulate == 1 else in_parts)(
            state.params, draw(batch, step_key), step_key
        )
        updates, opt_state = optimizer.update(grads, state.opt_state, state.params)
        params = optax.apply_updates(state.params, updates)
        ema = optax.incremental_update(params, state.ema, 1.0 - ema_decay)
        norm = optax.tree.norm(grads)
        finite = jnp.isfinite(value) & jnp.isfinite(norm) & all_finite(params)
        metrics = metrics | {"grad_norm": norm, "finite": finite.astype(jnp.float32)}
        return TrainState(state.step + 1, params, ema, opt_state), metrics

    kind, shardings = jax.random.key_impl(key), jax.tree.map(lambda a: a.sharding, state)
    jitted = jax.jit(
        step,
        in_shardings=(replicated(mesh), shardings, batch_sharding(mesh)),
        out_shardings=(shardings, None),
        donate_argnums=1,
    )
    return CompiledStep(jitted, np.asarray(jax.random.key_data(key)), replicated(mesh))
