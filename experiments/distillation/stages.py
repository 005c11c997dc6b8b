"""The stages of a run: teachers, their logits, students. Each resumes where it stopped."""

import pathlib
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import jax
import numpy as np

from experiments.distillation.measures import Measure, Models, models_of
from experiments.distillation.population import (
    ExampleLoss,
    Members,
    Plan,
    Population,
    PopulationFactory,
    make_epoch,
    make_forward,
)
from experiments.distillation.setup import Setup, teacher_loss
from experiments.distillation.task import Examples, Task
from experiments.runtime.checkpoint import Checkpointer
from experiments.runtime.loop import Loop, Schedule
from experiments.runtime.metrics import MetricsWriter
from experiments.runtime.preemption import StopSignal
from experiments.runtime.progress import Progress

PER_MODEL = "per_model.jsonl"

Values = dict[str, np.ndarray]


class Intervals(NamedTuple):
    """How often a stage logs, measures and saves, in epochs."""

    log: int
    measure: int
    save: int


class Stage(NamedTuple):
    """One population to train in one folder."""

    folder: pathlib.Path
    group: Members
    plan: Plan
    loss: ExampleLoss
    data: Mapping[str, np.ndarray]
    scale: float
    measure: Callable[[Population], Values]
    start_from: Any = None


def run_stage(stage: Stage, intervals: Intervals, stop: StopSignal) -> Population:
    """Trains the stage's population to its last epoch, or to a stop signal.

    The folder receives metrics.jsonl with means over models, per_model.jsonl with one value a
    model, and checkpoints/. The loop's steps are epochs.
    """
    stage.folder.mkdir(parents=True, exist_ok=True)
    per_model = MetricsWriter(stage.folder / PER_MODEL)
    writer = MetricsWriter(stage.folder / "metrics.jsonl")
    checkpointer = Checkpointer(stage.folder / "checkpoints", keep=1)
    epochs = stage.plan.epochs
    reached = {"epoch": 0}

    def evaluate(population: Population) -> dict[str, float]:
        values = stage.measure(population)
        per_model.write(reached["epoch"], "test", {n: v.tolist() for n, v in values.items()})
        return {name: float(np.mean(v)) for name, v in values.items()}

    def train_epoch(population: Population, index: int):
        reached["epoch"] = index + 1
        return epoch(population, index)

    try:
        epoch = make_epoch(stage.group, stage.plan, stage.loss, stage.data, stage.scale)
        loop = Loop(
            train_epoch,
            Schedule(epochs, intervals.log, intervals.measure, intervals.save),
            workdir=stage.folder,
            writer=writer,
            checkpointer=checkpointer,
            progress=Progress(epochs, len(stage.data["x"]) * stage.group.size),
            evaluate=evaluate,
            say=_said_briefly(stage.folder.name),
        )
        factory = PopulationFactory(stage.group, stage.data["x"], stage.start_from)
        population, start = loop.resume(factory)
        reached["epoch"] = start
        per_model.rewind(start)
        return loop.run(population, start, range(start, epochs), stop)[0]
    finally:
        checkpointer.close()
        writer.close()
        per_model.close()


def _said_briefly(name: str) -> Callable[[str], None]:
    """A printer that names the stage and cuts an evaluation's line to its first values."""

    def say(line: str) -> None:
        words = line.split("  ")
        print(f"[{name}] " + "  ".join(words[:8]), flush=True)

    return say


def restore_variables(folder: pathlib.Path, group: Members, example: np.ndarray) -> Any:
    """The variables of a finished population from its stage's folder."""
    checkpointer = Checkpointer(folder / "checkpoints", keep=1)
    try:
        restored = checkpointer.restore(PopulationFactory(group, example).abstract())
    finally:
        checkpointer.close()
    assert restored is not None, "the run was checked to hold a checkpoint"
    return restored.state.variables


def teacher_stage(setup: Setup, folder: pathlib.Path) -> Stage:
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
        folder,
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


def teach(setup: Setup, variables: Any, cache: pathlib.Path) -> Taught:
    """`Taught` for teachers of these variables, computed once and kept in the file `cache`."""
    task = setup.task
    if not cache.exists():
        forward = make_forward(setup.teacher_model, task.scale)
        logits = forward(variables, _distilled(setup).x)[1]
        models = models_of(forward(variables, task.test.x), variables)
        arrays = {"logits": logits, "f": models.f, "g": models.g}
        if models.concept_head is not None:
            arrays["concept_head"] = models.concept_head
        temporary = cache.with_suffix(".tmp.npz")
        np.savez(temporary, **arrays)
        temporary.replace(cache)
    with np.load(cache, allow_pickle=False) as stored:
        models = Models(stored["f"], stored["g"], stored.get("concept_head"))
        return Taught(stored["logits"], models)


def student_stage(
    setup: Setup,
    objective: str,
    taught: Taught,
    measure: Measure,
    folder: pathlib.Path,
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
        folder,
        setup.students,
        setup.student_plan,
        setup.objectives[objective],
        _arrays(examples) | {"teacher_logits": taught.logits},
        task.scale,
        of_population,
        start_from,
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
