"""All seeds of one architecture trained by one compiled program, resumable."""

import dataclasses
from collections.abc import Mapping
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from experiments.closeness.config import Train
from experiments.closeness.networks import TwoSided, steps_per_epoch
from experiments.closeness.task import Task
from experiments.distill.population import (
    Members,
    Plan,
    Population,
    PopulationFactory,
    make_epoch,
    make_forward,
    members,
)
from experiments.runtime import settings
from experiments.runtime.loop import Loop, Schedule
from experiments.runtime.progress import Progress
from experiments.runtime.workspace import Workspace


class Trained(NamedTuple):
    """Test-split embeddings and all unembeddings of each seed, with test scores."""

    f: np.ndarray
    g: np.ndarray
    accuracy: np.ndarray
    loss: np.ndarray


@dataclasses.dataclass(frozen=True)
class Training:
    """What is trained: models of one architecture, alike but for their initial weights.

    The order of the data is that of one key, as published.
    """

    model: TwoSided
    width: int
    task: Task
    train: Train
    key: jax.Array

    @property
    def group(self) -> Members:
        train = self.train
        return members(self.model, self.key, 1, train.num_seeds, train.together)

    @property
    def plan(self) -> Plan:
        """Epochs, the last one full, that hold the steps asked for."""
        train = self.train
        epochs = -(-train.num_steps // steps_per_epoch(len(self.task.x), train.batch_size))
        return Plan(epochs, train.batch_size, train.learning_rate, gamma=1.0, held_epochs=0)

    def factory(self) -> PopulationFactory:
        return PopulationFactory(self.group, self.task.x)

    def abstract(self) -> Population:
        return self.factory().abstract()


def train_seeds(training: Training, space: Workspace) -> Trained:
    """Trains the models to the end of their plan, or goes on; what they are then is kept.

    The loop's steps are epochs.
    """
    task, train = training.task, settings.plain(training.train)
    for name in ("log_every", "eval_every", "save_every"):
        del train[name]  # they change no model
    inputs = {
        "model": repr(training.model),
        "data": task.sha256,
        "train": train,
        "key": jax.random.key_data(training.key),
    }
    compute = lambda: trained(training.model, task, _run(training, space))._asdict()
    return Trained(**space.part("models", inputs, compute))


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


def _run(training: Training, space: Workspace) -> Population:
    group, task, plan, train = training.group, training.task, training.plan, training.train
    # The keys given to the epochs order the data; those given to the factory draw the weights.
    order = jnp.stack([jax.random.fold_in(training.key, 1)] * group.size)
    data = {"x": task.x, "label": task.label}
    epoch = make_epoch(dataclasses.replace(group, keys=order), plan, label_loss, data, task.scale)

    def evaluate(population: Population) -> dict[str, float]:
        scores = trained(training.model, task, population)
        return {"accuracy": float(scores.accuracy.mean()), "loss": float(scores.loss.mean())}

    with space.metrics() as writer, space.checkpoints() as checkpointer:
        loop = Loop(
            epoch,
            Schedule(plan.epochs, train.log_every, train.eval_every, train.save_every),
            workspace=space,
            writer=writer,
            checkpointer=checkpointer,
            progress=Progress(plan.epochs, len(task.x) * group.size),
            evaluate=evaluate,
        )
        population, start = loop.resume(training.factory())
        return loop.run(population, start, range(start, plan.epochs))
