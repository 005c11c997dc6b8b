"""The optimiser of every trained model."""

from collections.abc import Collection
from typing import Any

import jax
import optax


def adamw(
    rate: optax.Schedule,
    *,
    weight_decay: float,
    undecayed: Collection[str],
    grad_clip: float = 0.0,
    b1: float = 0.9,
    b2: float = 0.999,
) -> optax.GradientTransformation:
    """AdamW with a rate by step; leaves named in `undecayed` have no weight decay.

    With `grad_clip` above 0 gradients are clipped to that global norm first.
    """

    def decayed(params: Any) -> Any:
        return jax.tree_util.tree_map_with_path(
            lambda path, _: path[-1].key not in undecayed, params
        )

    optimizer = optax.adamw(rate, b1, b2, weight_decay=weight_decay, mask=decayed)
    if grad_clip <= 0:
        return optimizer
    return optax.chain(optax.clip_by_global_norm(grad_clip), optimizer)
