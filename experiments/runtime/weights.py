"""A new run that starts from another's weights, leaf by leaf where they fit."""

import pathlib
from typing import Any, Generic, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from experiments.runtime.checkpoint import Checkpointer, layout
from experiments.runtime.errors import UserError
from experiments.runtime.state import Factory, State

TREES = ("params", "ema")  # what is taken of a state; its optimiser starts anew


class Weights(NamedTuple):
    """The arrays of another run by path, such as "params/w", and where they are from."""

    run: pathlib.Path
    step: int
    arrays: dict[str, np.ndarray]

    def fitting(self, state: Any) -> dict[str, str]:
        """Why each leaf of the weights in `state` is not taken; "" for those that are."""
        here, there = layout(state), layout(self.arrays)
        wanted = [name for name in here if name.split("/")[0] in TREES]
        if not wanted:
            raise UserError(f"--init_from={self.run}: this run has no weights to start")
        return {name: _difference(here[name], there.get(name)) for name in wanted}


def _difference(here: str, there: str | None) -> str:
    if there is None:
        return "is not there"
    return "" if here == there else f"is {there} there and {here} here"


def read(run: pathlib.Path, state: Any) -> Weights:
    """The newest weights of `run`, of which some must fit `state`.

    Raises:
      UserError: there is no such run, no intact checkpoint, or nothing fits.
    """
    folder = run / "checkpoints"
    if not folder.is_dir():
        raise UserError(f"--init_from={run} holds no checkpoints; give the --workdir of a run")
    checkpointer = Checkpointer(folder)
    try:
        step, tree = checkpointer.arrays()
    finally:
        checkpointer.close()
    named, _ = jax.tree_util.tree_flatten_with_path(tree)
    arrays = {"/".join(str(getattr(k, "key", k)) for k in path): leaf for path, leaf in named}
    weights = Weights(run, step, arrays)
    why = weights.fitting(state)
    if all(why.values()):
        name, reason = next(iter(why.items()))
        raise UserError(f"--init_from={run}: no leaf fits this model; {name}, for one, {reason}")
    return weights


class Borrowed(NamedTuple, Generic[State]):
    """A factory whose states have another run's weights where they fit."""

    factory: Factory[State]
    weights: Weights

    def abstract(self) -> State:
        return self.factory.abstract()

    def __call__(self) -> State:
        state = self.factory()
        fits = {name for name, why in self.weights.fitting(state).items() if not why}
        names = iter(layout(state))

        def take(leaf: jax.Array) -> jax.Array:
            name = next(names)
            if name not in fits:
                return leaf
            return jax.device_put(jnp.asarray(self.weights.arrays[name]), leaf.sharding)

        return jax.tree.map(take, state)

    def report(self) -> str:
        """Which leaves are taken, and why the others are not."""
        why = self.weights.fitting(self.abstract())
        taken = [name for name, reason in why.items() if not reason]
        left = [f"{name} {reason}" for name, reason in why.items() if reason]
        lines = [
            f"weights of {self.weights.run} at step {self.weights.step:,}: took {len(taken)} of "
            f"{len(why)} leaves: {', '.join(taken)}"
        ]
        return "\n".join(lines + [f"not taken: {'; '.join(left)}"] * bool(left))
