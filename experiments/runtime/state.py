"""What a training run carries from step to step."""

from collections.abc import Callable
from typing import Any, NamedTuple, Protocol, TypeVar

import jax
import jax.numpy as jnp
import optax
from jax.sharding import Mesh

from experiments.runtime.mesh import state_sharding

# A program that runs once is not worth all of LLVM's work: of a small U-Net 9 s of CPU time in
# place of 30, with the same bits (at level 0 the last one differs).
RUN_ONCE = {"xla_backend_optimization_level": 1, "xla_llvm_disable_expensive_passes": True}

State = TypeVar("State")
Made = TypeVar("Made", covariant=True)


class Factory(Protocol[Made]):
    """How to make the state of a run at step 0."""

    def abstract(self) -> Made:
        """Shapes, dtypes and shardings: all that restoring a checkpoint needs."""
        ...

    def __call__(self) -> Made:
        """The state itself."""
        ...


class TrainState(NamedTuple):
    """Everything that a checkpoint must hold; randomness and data order follow from `step`."""

    step: jax.Array
    params: Any
    ema: Any
    opt_state: Any


class StateFactory(NamedTuple):
    """How to make the state at step 0; calling it compiles and runs the initialisation."""

    init: Callable[[jax.Array], Any]
    optimizer: optax.GradientTransformation
    key: jax.Array
    mesh: Mesh
    sharding: str = "replicated"

    def _build(self, key: jax.Array) -> TrainState:
        params = self.init(key)
        # A copy: donating a state whose leaves are shared between params and EMA fails.
        ema = jax.tree.map(jnp.copy, params)
        return TrainState(jnp.zeros((), jnp.int32), params, ema, self.optimizer.init(params))

    def abstract(self) -> TrainState:
        """Shapes, dtypes and shardings: all that restoring a checkpoint needs."""
        shapes = jax.eval_shape(self._build, self.key)
        return jax.tree.map(
            lambda s, sharding: jax.ShapeDtypeStruct(s.shape, s.dtype, sharding=sharding),
            shapes,
            state_sharding(shapes, self.mesh, self.sharding),
        )

    def __call__(self) -> TrainState:
        """The state at step 0, made under `jit` so that no leaf is ever whole on one device."""
        shardings = jax.tree.map(lambda s: s.sharding, self.abstract())
        cpu = self.mesh.devices.flat[0].platform == "cpu"
        build = jax.jit(
            self._build, out_shardings=shardings, compiler_options=RUN_ONCE if cpu else None
        )
        return build(self.key)
