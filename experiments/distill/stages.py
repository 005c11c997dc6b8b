"""The stages of a run: teachers, their logits, students. Each resumes where it stopped."""

import pathlib
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import jax
import numpy as np

from experiments.distill.measures import Measure, Models, models_of
from experiments.distill.population import (
    ExampleLoss,
    Members,
    Plan,
    Population,
    PopulationFactory,
    make_epoch,
    make_forward,
)
from experiments.distill.setup import Setup, teacher_loss
from experiments.distill.task import Examples, Task
from experiments.runtime import files
from experiments.runtime.checkpoint import Checkpointer
from experiments.runtime.loop import Loop, Schedule
from experiments.runtime.progress import Progress
from experiments.runtime.workspace import CHECKPOINTS, Workspace

PER_MODEL = "per_model.jsonl"
STAGE = "stage.json"

Values = dict[str, np.ndarray]


class Stage(NamedTuple):
    """One population to train.

    Attributes:
      inputs: what its training depends on beside the config, as `files.digest_of` reads it.
    """

    group: Members
    plan: Plan
    loss: ExampleLoss
    data: Mapping[str, np.ndarray]
    scale: float
    measure: Callable[[Population], Values]
    start_from: Any = None
    inputs: Any = None


def run_stage(stage: Stage, schedule: Schedule, space: Workspace) -> Population:
    """Trains the stage's population to its last epoch.

    The folder receives metrics.jsonl with means over models, per_model.jsonl with one value a
    model, and checkpoints/. The loop's steps are epochs. A population that was trained on other
    inputs is set aside.
    """
    _check_inputs(space, files.digest_of(stage.inputs))
    reached = {"epoch": 0}
    with (
        space.metrics() as writer,
        space.metrics(PER_MODEL) as per_model,
        space.checkpoints() as checkpointer,
    ):

        def evaluate(population: Population) -> dict[str, float | None]:
            values = stage.measure(population)
            per_model.write(reached["epoch"], "test", {n: v.tolist() for n, v in values.items()})
            return {name: _mean(name, v) for name, v in values.items()}

        def train_epoch(population: Population, index: int):
            reached["epoch"] = index + 1
            return epoch(population, index)

        epoch = make_epoch(stage.group, stage.plan, stage.loss, stage.data, stage.scale)
        loop = Loop(
            train_epoch,
            schedule,
            workspace=space,
            writer=writer,
            checkpointer=checkpointer,
            progress=Progress(schedule.num_steps, len(stage.data["x"]) * stage.group.size),
            evaluate=evaluate,
        )
        # An evaluation's line is cut to its first values.
        loop.say = lambda line: space.say("  ".join(line.split("  ")[:8]))
        population, start = loop.resume(factory(stage))
        reached["epoch"] = start
        per_model.rewind(start)
        return loop.run(population, start, range(start, schedule.num_steps))


def factory(stage: Stage) -> PopulationFactory:
    """How the stage's population at epoch 0 is made."""
    return PopulationFactory(stage.group, stage.data["x"], stage.start_from)


def _check_inputs(space: Workspace, inputs: str) -> None:
    path = space.path / STAGE
    if path.exists() and files.read_json(path)["inputs"] != inputs:
        space.set_aside("it was trained on what other teachers say")
    if not path.exists():
        space.write_json(STAGE, {"inputs": inputs})


def _mean(name: str, values: np.ndarray) -> float | None:
    """The mean over models; None for the side of a bound that is not finite."""
    mean = float(np.mean(values))
    of_bound = name.endswith(("_lhs", "_rhs", "_slack"))
    return None if of_bound and not np.isfinite(mean) else mean


def restore_variables(folder: pathlib.Path, group: Members, example: np.ndarray) -> Any:
    """The variables of a finished population from its stage's folder."""
    checkpointer = Checkpointer(folder / CHECKPOINTS)
    try:
        # The last one or none: those before it are not finished.
        last = checkpointer.steps()[-1]
        restored = checkpointer.restore(PopulationFactory(group, example).abstract(), last)
    finally:
        checkpointer.close()
    assert restored is not None, "the run was checked to hold a checkpoint"
    return restored.state.variables


def teacher_stage(setup: Setup) -> Stage:
    """Cross-entropy on labels, and on concepts where they are taught; all training examples."""
    task = setup.task
    forward = make_forward(setup.teacher_model, task.scale)

    def measure(population: Population) -> Values:
        outputs = forward(population.variables, task.test.x)
        scores = {"accuracy": (outputs[1].argmax(2) == task.test.label[None]).mean(1)}
        if task.teach_concept:
            assert task.test.concept is not None
            right = outputs[2].argmax(2) == task.test.concept[None]
            scores["concept_head_accuracy"] = right.mean(1)
        return scores

    return Stage(
        setup.teachers,
        setup.teacher_plan,
        teacher_loss(task.teach_concept),
        _arrays(task.train),
        task.scale,
        measure,
    )


class Taught(NamedTuple):
    """What students need of their teachers: logits of the training examples they see, and both
    parts on test data."""

    logits: np.ndarray
    models: Models


def teach(setup: Setup, variables: Any, space: Workspace) -> Taught:
    """`Taught` for teachers of these variables, kept as teacher_outputs.npz."""
    task = setup.task

    def compute() -> dict[str, np.ndarray]:
        forward = make_forward(setup.teacher_model, task.scale)
        logits = forward(variables, _distilled(setup).x)[1]
        models = models_of(forward(variables, task.test.x), variables)
        arrays = {"logits": logits, "f": models.f, "g": models.g}
        if models.concept_head is not None:
            arrays["concept_head"] = models.concept_head
        return arrays

    data = {"distilled": _distilled(setup).x, "test": task.test.x, "scale": task.scale}
    inputs = {"variables": _named(variables), "data": data}
    found = space.part("teacher_outputs", inputs, compute)
    return Taught(found["logits"], Models(found["f"], found["g"], found.get("concept_head")))


def _named(variables: Any) -> list[Any]:
    """The leaves of a tree with their paths, for a digest."""
    leaves = jax.tree_util.tree_flatten_with_path(jax.device_get(variables))[0]
    return [[jax.tree_util.keystr(path), leaf] for path, leaf in leaves]


def student_stage(
    setup: Setup,
    objective: str,
    taught: Taught,
    measure: Measure,
    start_from: Any = None,
) -> Stage:
    """Students of one objective, on the teachers' cached logits (dropout off, as published)."""
    task = setup.task
    examples = _distilled(setup)
    forward = make_forward(setup.student_model, task.scale)
    owner = np.asarray(setup.students.teacher)

    def of_population(population: Population) -> Values:
        students = models_of(forward(population.variables, task.test.x), population.variables)
        return measure(students, taught.models, owner)

    return Stage(
        setup.students,
        setup.student_plan,
        setup.objectives[objective],
        _arrays(examples) | {"teacher_logits": taught.logits},
        task.scale,
        of_population,
        start_from,
        inputs=[taught.logits, None if start_from is None else _named(start_from)],
    )


def _distilled(setup: Setup) -> Examples:
    task = setup.task
    return task.train if task.distilled is None else task.train.at(task.distilled)


def _arrays(examples: Examples) -> dict[str, np.ndarray]:
    arrays = {"x": examples.x, "label": examples.label.astype(np.int32)}
    if examples.concept is not None:
        arrays["concept"] = examples.concept.astype(np.int32)
    return arrays


def describe_teachers(task: Task, models: Models, measure: Measure) -> dict[str, Any]:
    """Each teacher's own scores, and what the concept theorem asks of it.

    The rank of its centred unembeddings g̃, their least and greatest singular values, and ‖B‖ of
    its concept head W = B g̃.
    """
    own = measure(models, models, np.arange(len(models.f)))
    centred = models.g - models.g.mean(1, keepdims=True)
    singular = np.linalg.svd(centred.astype(np.float64), compute_uv=False)
    facts: dict[str, Any] = {
        name: own[name].tolist()
        for name in ("accuracy", "min_probability", "concept_accuracy", "concept_nll")
        if name in own
    }
    facts["rank_of_centred_unembeddings"] = np.linalg.matrix_rank(centred).tolist()
    facts["singular_values"] = singular[:, [-1, 0]].tolist()
    facts["embedding_rms"] = np.sqrt(np.square(models.f).sum(2).mean(1)).tolist()
    if models.concept_head is not None:
        assert task.test.concept is not None
        maps = models.concept_head @ np.linalg.pinv(centred.astype(np.float64))
        facts["norm_of_B"] = np.linalg.norm(maps, ord=2, axis=(1, 2)).tolist()
        logits = np.einsum("tnm,tcm->tnc", models.f, models.concept_head)
        right = logits.argmax(2) == task.test.concept[None]
        facts["concept_head_accuracy"] = right.mean(1).tolist()
    return jax.tree.map(lambda v: float(f"{v:.6g}") if isinstance(v, float) else v, facts)
