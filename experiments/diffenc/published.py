"""A checkpoint file of the published VDM or DiffEnc code as a state that training goes on from."""

import hashlib
import pathlib
import re
from collections.abc import Mapping
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

import diffenc
from diffenc.upstream import decode_state, from_published, mismatches, weights_of
from experiments.diffenc.run import Run
from experiments.runtime.errors import UserError
from experiments.runtime.state import TrainState

WEIGHTS = ("params", "ema_params")
SHOWN = 6  # leaves of a kind that an error names


class Published(NamedTuple):
    """What was read: two published trees, flat, the step they are of, and the file's digest."""

    params: Mapping[str, Any]
    ema: Mapping[str, Any]
    step: int
    sha256: str


def read(path: pathlib.Path, weights: str | None = None) -> Published:
    """The trained weights of a file that the published code saved, its "params" and "ema_params".

    With `weights` the tree of that name serves as both. Nothing in the file is executed. Raises
    `UserError` for a file that cannot be read whole, or that holds numbers which are not finite.
    """
    if weights not in (None, *WEIGHTS):
        raise UserError(f"--weights={weights} is unknown; accepted: {', '.join(WEIGHTS)}")
    if path.is_dir():
        raise UserError(f"{path} is a folder; give one file in it, such as checkpoint_N")
    if not path.is_file():
        raise UserError(f"there is no file {path}")
    data = path.read_bytes()
    names = WEIGHTS if weights is None else (weights, weights)
    try:
        state = decode_state(data)
        params, ema = (weights_of(state, name) for name in names)
    except ValueError as error:
        raise UserError(f"{path}, {len(data):,} bytes: {error}") from error
    for name, tree in zip(names, (params, ema), strict=True):
        bad = [leaf for leaf, value in tree.items() if not _is_float32(np.asarray(value))]
        if bad:
            raise UserError(
                f"{path}: {name} holds values that are not finite numbers of float32: "
                f"{_shorten(bad)}"
            )
    step = np.asarray(state.get("step"))
    if step.ndim or not np.issubdtype(step.dtype, np.integer) or not 0 <= step < 2**31:
        raise UserError(
            f"{path} does not say at which step it was saved: a whole number from 0 is needed, and "
            f"it holds {state.get('step')!r}"
        )
    return Published(params, ema, int(step), hashlib.sha256(data).hexdigest())


def _is_float32(value: np.ndarray) -> bool:
    """Whether all values are real numbers that float32 holds."""
    real = np.issubdtype(value.dtype, np.floating) or value.dtype == jnp.bfloat16
    with np.errstate(over="ignore"):
        return bool(real and np.isfinite(value.astype(np.float32)).all())


def to_state(published: Published, run: Run) -> TrainState:
    """The state of `run` with these weights and a new optimiser, laid out as the run's own is.

    Raises `UserError` where they are not those of the run's model; names models that they fit.
    """
    for tree in (published.params, published.ema):
        if wrong := mismatches(tree, run.model):
            raise UserError(_explain(wrong, tree, run.model))
    try:
        params, ema = (
            from_published(tree, run.model) for tree in (published.params, published.ema)
        )
    except ValueError as error:
        raise UserError(str(error)) from error
    step = jnp.asarray(published.step, jnp.int32)
    state = TrainState(step, params, ema, run.optimizer.init(params))
    shardings = jax.tree.map(lambda leaf: leaf.sharding, run.state_factory().abstract())
    return jax.device_put(state, shardings)


def _explain(wrong: Mapping[str, list[str]], tree: Mapping[str, Any], model) -> str:
    lines = [f"  {len(names)} {kind}: {_shorten(names)}" for kind, names in wrong.items()]
    fits = fitting(tree, model.shape, model.levels)
    hint = f"It fits {' or '.join(fits)}." if fits else "It fits no published model on these data."
    head = f"the checkpoint is not one of {model.name} with schedule={model.options.schedule!r}. "
    return "\n".join([head + hint, *lines])


def _shorten(names: list[str]) -> str:
    more = f", and {len(names) - SHOWN} more" if len(names) > SHOWN else ""
    return ", ".join(names[:SHOWN]) + more


def fitting(tree: Mapping[str, Any], shape: tuple[int, ...], levels: int) -> list[str]:
    """The models at published size, as arguments of a config, whose leaves are those of `tree`."""
    options, word = {}, ""
    if "gamma/w" in tree:
        options, word = {"schedule": "learned_linear"}, ":ends-learned"
    elif "gamma/l1/kernel" in tree:
        options, word = {"schedule": "monotone", "learn_endpoints": True}, ":schedule-learned"
    layers = len({block for name in tree for block in re.findall(r"down\.block_\d+", name)})
    found = []
    for name in diffenc.NAMES:
        try:
            model = diffenc.build(name, shape, levels, **options)
        except ValueError:  # not for data of this shape
            continue
        if model.options.num_layers == layers and not mismatches(tree, model):
            found.append(name + word)
    return found
