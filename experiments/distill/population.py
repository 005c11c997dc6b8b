"""Many models of one kind, differing in their seeds, trained by one compiled program."""

import dataclasses
import functools
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import optax
from jax.sharding import Mesh, NamedSharding, PartitionSpec

from experiments.runtime.mesh import AXIS, make_mesh
from experiments.runtime.step import all_finite

Example = Mapping[str, jax.Array]
Data = Mapping[str, np.ndarray]  # every example, on the leading axis
ExampleLoss = Callable[[tuple[jax.Array, ...], Example], jax.Array]

_ADAM = optax.scale_by_adam()
_EVAL_BATCH = 512


class Population(NamedTuple):
    """Variables and Adam's moments; every leaf has the models on its leading axis."""

    variables: Any
    opt_state: Any


@dataclasses.dataclass(frozen=True)
class Plan:
    """How long and how fast to train.

    The rate is held at `held_factor` of its value for `held_epochs`, then starts at the full
    value and falls by `gamma` an epoch, as published. A batch that the end of an epoch leaves
    short is filled with the epoch's first examples.
    """

    epochs: int
    batch_size: int
    learning_rate: float
    gamma: float
    held_epochs: int
    held_factor: float = 1e-3

    def rate(self, epoch: jax.Array | int) -> jax.Array:
        after = epoch - self.held_epochs
        factor = jnp.where(after < 0, self.held_factor, self.gamma ** jnp.maximum(after, 0))
        return self.learning_rate * factor


@dataclasses.dataclass(frozen=True)
class Members:
    """The models of a population: for each a key, and the teacher (a row of logits) it follows.

    `together` models are computed at once by vmap, the others one after another in the same
    program: batched products are slower than single ones on CPU, and faster elsewhere.
    """

    model: nn.Module
    keys: jax.Array
    teacher: jax.Array
    together: int

    @property
    def size(self) -> int:
        return len(self.keys)


def members(model: nn.Module, key: jax.Array, teachers: int, each: int, together: int) -> Members:
    """`each` models for each of `teachers` teachers, of seeds 0, 1, … below `key`.

    Seeds do not depend on how many there are: model (t, s) is the same in any population.
    """
    seeds = [
        jax.random.fold_in(jax.random.fold_in(key, t), s)
        for t in range(teachers)
        for s in range(each)
    ]
    if not together:
        together = 1 if jax.default_backend() == "cpu" else len(seeds)
    owner = jnp.repeat(jnp.arange(teachers), each)
    return Members(model, jnp.stack(seeds), owner, min(together, len(seeds)))


@dataclasses.dataclass(frozen=True)
class PopulationFactory:
    """Makes the population at epoch 0; a `StateFactory` for the loop."""

    group: Members
    example: np.ndarray
    start_from: Any = None

    def _build(self, keys: jax.Array) -> Population:
        example = jnp.zeros((1, *self.example.shape[1:]))
        variables = jax.lax.map(
            lambda key: self.group.model.init(jax.random.fold_in(key, 0), example), keys
        )
        return Population(variables, jax.vmap(_ADAM.init)(variables["params"]))

    def abstract(self) -> Population:
        sharding = population_sharding(self.group)
        shapes = jax.eval_shape(self._build, self.group.keys)
        return jax.tree.map(
            lambda s: jax.ShapeDtypeStruct(s.shape, s.dtype, sharding=sharding), shapes
        )

    def __call__(self) -> Population:
        new = jax.jit(self._build, out_shardings=population_sharding(self.group))(self.group.keys)
        return new if self.start_from is None else new._replace(variables=self.start_from)


def population_sharding(group: Members) -> NamedSharding:
    """Models split over as many devices as divide their number, when all are computed at once."""
    count = len(jax.devices()) if group.together == group.size else 1
    mesh: Mesh = make_mesh(max(d for d in range(1, count + 1) if group.size % d == 0))
    return NamedSharding(mesh, PartitionSpec(AXIS))


def make_epoch(
    group: Members, plan: Plan, loss: ExampleLoss, data: Data, scale: float
) -> Callable[[Population, int], tuple[Population, dict[str, jax.Array]]]:
    """A compiled `epoch(population, index) -> (population, metrics)`; the population is donated.

    `data` holds the training examples on the leading axis; "teacher_logits" has teachers before
    it. `loss(outputs, example)` is that of one example. Metrics: mean `loss`, and `finite`.
    """
    one = functools.partial(_train_epoch, group.model, plan, loss, scale)

    def epoch(population: Population, data: Example, index: jax.Array):
        step = lambda each: one(each[0], each[1], each[2], data, index)
        together = (population, group.keys, group.teacher)
        if group.together == group.size:
            population, losses = jax.vmap(lambda *each: step(each))(*together)
        else:
            population, losses = jax.lax.map(step, together, batch_size=group.together)
        finite = jnp.isfinite(losses).all() & all_finite(population.variables)
        return population, {"loss": losses.mean(), "finite": finite.astype(jnp.float32)}

    sharding = population_sharding(group)
    compiled = jax.jit(epoch, donate_argnums=0, out_shardings=(sharding, None))
    placed = jax.device_put(dict(data), NamedSharding(sharding.mesh, PartitionSpec()))
    return lambda population, index: compiled(population, placed, jnp.int32(index))


def _train_epoch(model, plan, loss, scale, population, key, teacher, data, index):
    """One model's pass over the data, in an order drawn from its key and the epoch."""
    k_order, k_drop = jax.random.split(jax.random.fold_in(jax.random.fold_in(key, 1), index))
    order = _epoch_order(k_order, len(data["x"]), plan.batch_size)
    rate = plan.rate(index)

    def step(population: Population, batch):
        rows, k_step = batch
        example = {name: v[rows] for name, v in data.items() if name != "teacher_logits"}
        if "teacher_logits" in data:
            example["teacher_logits"] = data["teacher_logits"][teacher, rows]
        mean = functools.partial(_mean_loss, model, loss, scale, example, k_step)
        variables = population.variables
        gradient = jax.value_and_grad(mean, has_aux=True)
        (value, changed), grads = gradient(variables["params"], _without_params(variables))
        updates, opt_state = _ADAM.update(grads, population.opt_state)
        params = jax.tree.map(lambda p, u: p - rate * u, variables["params"], updates)
        return Population({**variables, **changed, "params": params}, opt_state), value

    population, losses = jax.lax.scan(
        step, population, (order, jax.random.split(k_drop, len(order)))
    )
    return population, losses.mean()


def _epoch_order(key: jax.Array, num_examples: int, batch_size: int) -> jax.Array:
    steps = -(-num_examples // batch_size)
    order = jax.random.permutation(key, num_examples)
    return jnp.resize(order, (steps, batch_size))


def _mean_loss(model, loss, scale, example, key, params, state):
    outputs, changed = model.apply(
        {"params": params, **state},
        _scaled(example["x"], scale),
        train=True,
        rngs={"dropout": key},
        mutable=list(state),
    )
    return jax.vmap(loss)(outputs, example).mean(), changed


def make_forward(
    model: nn.Module, scale: float
) -> Callable[[Any, np.ndarray], tuple[np.ndarray, ...]]:
    """A function of (variables of a population, x) that gives each output as [models, n, …].

    Models and blocks of inputs are taken one after another: memory is that of one block.
    """

    @jax.jit
    def block(variables, x):
        one = lambda v: model.apply(v, _scaled(x, scale), train=False)
        return jax.lax.map(one, variables)

    def forward(variables: Any, x: np.ndarray) -> tuple[np.ndarray, ...]:
        blocks = []
        for start in range(0, len(x), _EVAL_BATCH):
            part = x[start : start + _EVAL_BATCH]
            padded = np.pad(part, [(0, _EVAL_BATCH - len(part))] + [(0, 0)] * (x.ndim - 1))
            outputs = jax.device_get(block(variables, padded))
            blocks.append(tuple(out[:, : len(part)] for out in outputs))
        return tuple(np.concatenate(parts, axis=1) for parts in zip(*blocks, strict=True))

    return forward


def _scaled(x: jax.Array, scale: float) -> jax.Array:
    return x.astype(jnp.float32) * scale


def _without_params(variables: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in variables.items() if name != "params"}
