"""One optimiser step as a compiled function of (state, batch)."""

from collections.abc import Callable, Mapping
from typing import Any

import jax
import jax.numpy as jnp
import optax
from jax.sharding import Mesh

from experiments.runtime.errors import UserError
from experiments.runtime.mesh import batch_sharding
from experiments.runtime.state import TrainState

Metrics = dict[str, jax.Array]
Loss = Callable[[Any, Any, jax.Array], Mapping[str, jax.Array]]
Draw = Callable[[Any, jax.Array], Any]
Step = Callable[[TrainState, Any], tuple[TrainState, Metrics]]


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
) -> Step:
    """A jitted `step(state, batch) -> (state, metrics)`; the state passed to it is donated.

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

    def step(state: TrainState, batch):
        step_key = jax.random.fold_in(key, state.step)
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

    shardings = jax.tree.map(lambda a: a.sharding, state)
    return jax.jit(
        step,
        in_shardings=(shardings, batch_sharding(mesh)),
        out_shardings=(shardings, None),
        donate_argnums=0,
    )
