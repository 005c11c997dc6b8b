"""All seeds of one architecture trained by one compiled program, resumable."""

import dataclasses
import pathlib
from collections.abc import Mapping
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from experiments.distillation.population import (
    Members,
    Plan,
    Population,
    PopulationFactory,
    make_epoch,
    make_forward,
    members,
)
from experiments.identifiability.networks import TwoSided, steps_per_epoch
from experiments.identifiability.task import Task
from experiments.runtime.checkpoint import Checkpointer
from experiments.runtime.loop import Loop, Schedule
from experiments.runtime.metrics import MetricsWriter
from experiments.runtime.preemption import StopSignal
from experiments.runtime.progress import Progress


class Trained(NamedTuple):
    """Test-split embeddings and all unembeddings of each seed, with test scores."""

    f: np.ndarray
    g: np.ndarray
    accuracy: np.ndarray
    loss: np.ndarray


def train_seeds(
    model: TwoSided,
    task: Task,
    train: Mapping[str, Any],
    folder: pathlib.Path,
    stop: StopSignal,
    *,
    seeds: int,
    key: jax.Array,
) -> Trained | None:
    """Trains `seeds` models to `train.num_steps`, or goes on; None if a signal stopped it.

    Seeds differ in their initial weights only: the order of the data is that of one key, as
    published. The loop's steps are epochs, the last one full.
    """
    group = members(model, key, 1, seeds, train["together"])
    # The keys given to the epochs order the data; those given to the factory draw the weights.
    in_step = dataclasses.replace(group, keys=jnp.stack([jax.random.fold_in(key, 1)] * seeds))
    epochs = -(-train["num_steps"] // steps_per_epoch(len(task.x), train["batch_size"]))
    plan = Plan(epochs, train["batch_size"], train["learning_rate"], gamma=1.0, held_epochs=0)
    data = {"x": task.x, "label": task.label}
    epoch = make_epoch(in_step, plan, label_loss, data, task.scale)
    population, reached = _run(epoch, group, task, plan, train, folder, stop)
    return trained(model, task, population) if reached == epochs else None


def label_loss(outputs: tuple[jax.Array, ...], example: Mapping[str, jax.Array]) -> jax.Array:
    """-log p(y|x) of one example, in nats."""
    return -jax.nn.log_softmax(outputs[1])[example["label"]]


def trained(model: TwoSided, task: Task, population: Population) -> Trained:
    """What a population makes of the test split."""
    f, logits = make_forward(model, task.scale)(population.variables, task.test_x)
    unembed = jax.jit(jax.vmap(lambda v: model.apply(v, method=TwoSided.unembeddings)))
    log_p = np.asarray(jax.nn.log_softmax(logits))
    label = np.broadcast_to(task.test_label[None, :, None], (*log_p.shape[:2], 1))
    return Trained(
        f,
        np.asarray(unembed(population.variables)),
        (logits.argmax(2) == task.test_label[None]).mean(1),
        -np.take_along_axis(log_p, label, 2)[..., 0].mean(1),
    )


def _run(
    epoch: Any,
    group: Members,
    task: Task,
    plan: Plan,
    train: Mapping[str, Any],
    folder: pathlib.Path,
    stop: StopSignal,
) -> tuple[Population, int]:
    folder.mkdir(parents=True, exist_ok=True)
    writer = MetricsWriter(folder / "metrics.jsonl")
    checkpointer = Checkpointer(folder / "checkpoints", keep=1)

    def evaluate(population: Population) -> dict[str, float]:
        scores = trained(group.model, task, population)
        return {"accuracy": float(scores.accuracy.mean()), "loss": float(scores.loss.mean())}

    try:
        loop = Loop(
            epoch,
            Schedule(plan.epochs, train["log_every"], train["eval_every"], train["save_every"]),
            workdir=folder,
            writer=writer,
            checkpointer=checkpointer,
            progress=Progress(plan.epochs, len(task.x) * group.size),
            evaluate=evaluate,
            say=lambda line: print(f"[{folder.name}] {line}", flush=True),
        )
        population, start = loop.resume(PopulationFactory(group, task.x))
        return loop.run(population, start, range(start, plan.epochs), stop)
    finally:
        checkpointer.close()
        writer.close()
