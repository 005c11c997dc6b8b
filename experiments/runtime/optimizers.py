"""The optimiser of every trained model, and the values that no training can have."""

import math
from collections.abc import Collection, Mapping
from typing import TYPE_CHECKING, Any

import jax
import optax

from experiments.runtime.errors import UserError
from experiments.runtime.settings import plain

if TYPE_CHECKING:
    from _typeshed import DataclassInstance


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


RANGES: Mapping[str, tuple[float, float]] = {
    "num_steps": (0, math.inf),
    "batch_size": (1, math.inf),
    "warmup_steps": (0, math.inf),
    "learning_rate": (0, math.inf),
    "weight_decay": (0, math.inf),
    "grad_clip": (0, math.inf),
    "ema_decay": (0, 1),
    "warmup_fraction": (0, 1),
    "keep": (1, math.inf),
    "accumulate": (1, math.inf),
    "log_every": (0, math.inf),
    "eval_every": (0, math.inf),
    "save_every": (0, math.inf),
}


def check_training(train: "DataclassInstance", where: str = "train") -> None:
    """Raises `UserError` for a value of a config's `train` that no training can have."""
    values = plain(train)
    for name, (low, high) in RANGES.items():
        value = values.get(name, low)
        if not low <= value <= high or math.isinf(value):
            ends = f"{low:g} to {high:g}" if math.isfinite(high) else f"{low:g} or more, and finite"
            raise UserError(f"{where}.{name} is {value}; accepted: {ends}")
