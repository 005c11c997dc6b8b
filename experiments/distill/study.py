"""Teachers, their students by every objective, and what students keep of their teachers."""

import dataclasses
import functools
from collections.abc import Mapping
from typing import Any

from matplotlib.figure import Figure

from experiments.distill import tables
from experiments.distill.aggregate import Course, read_course, summarise
from experiments.distill.config import Config
from experiments.distill.figures import figures
from experiments.distill.measures import make_measures
from experiments.distill.population import Members, PopulationFactory
from experiments.distill.setup import Setup, check_finished_run, make_setup
from experiments.distill.stages import (
    PER_MODEL,
    describe_teachers,
    restore_variables,
    run_stage,
    student_stage,
    teach,
    teacher_stage,
)
from experiments.runtime import study
from experiments.runtime.loop import Schedule
from experiments.runtime.study import Record, Study
from experiments.runtime.workspace import Workspace

ORDER = "the order of the data would change within a run"


@dataclasses.dataclass(frozen=True, kw_only=True)
class Prepared(study.Prepared[Config]):
    """Everything that a config determines, and the weights it takes from other runs.

    Attributes:
      variables: of finished teachers, where the config names a run of some.
      starts: what the students of each objective start from, None for a fresh start.
    """

    setup: Setup
    variables: Any
    starts: Mapping[str, Any]


def prepare(config: Config) -> Prepared:
    """Data, networks, plans, and weights of other runs. Raises `UserError` for what cannot be."""
    setup = make_setup(config)
    teacher_run = check_finished_run("teacher", config, setup.task)
    student_run = check_finished_run("student", config, setup.task)
    restore = functools.partial(restore_variables, example=setup.task.train.x)
    facts = setup.task.facts()
    groups = {"teacher": setup.teachers} | dict.fromkeys(setup.objectives, setup.students)
    return Prepared(
        config=config,
        digests={setup.task.name: setup.task.sha256},
        facts=facts,
        layouts={name: functools.partial(_abstract, setup, g) for name, g in groups.items()},
        setup=setup,
        variables=teacher_run and restore(teacher_run / "teacher", setup.teachers),
        starts={
            objective: student_run and restore(student_run / objective, setup.students)
            for objective in setup.objectives
        },
    )


def _abstract(setup: Setup, group: Members) -> Any:
    return PopulationFactory(group, setup.task.train.x).abstract()


def run(prepared: Prepared, space: Workspace) -> dict[str, Any]:
    """Trains what is left, and summarises every objective."""
    setup, config, variables = prepared.setup, prepared.config, prepared.variables
    every = (config.log_every, config.eval.every, config.save_every)
    if variables is None:
        plan = Schedule(config.teacher.epochs, *every)
        variables = run_stage(teacher_stage(setup), plan, space.at("teacher")).variables
    taught = teach(setup, variables, space)
    measure = make_measures(setup.task, setup.label_sets)
    plan = Schedule(config.student.epochs, *every)
    for objective, start in prepared.starts.items():
        stage = student_stage(setup, objective, taught, measure, start)
        run_stage(stage, plan, space.at(objective))
    inputs = {"models": taught.models._asdict(), "label_sets": setup.label_sets}
    describe = lambda: describe_teachers(setup.task, taught.models, measure)
    return {
        "seeds": {
            "teachers": setup.teachers.size,
            "students_of_each": setup.students.size // setup.teachers.size,
        },
        "teachers": space.part("teachers", inputs, describe),
    } | summarise(_courses(setup, space))


def _courses(setup: Setup, space: Workspace) -> dict[str, Course]:
    return {
        objective: read_course(space.path / objective / PER_MODEL, setup.teachers.size)
        for objective in setup.objectives
    }


def draw(record: Record, prepared: Prepared, space: Workspace) -> dict[str, Figure]:
    """The figures, from every measured epoch."""
    return figures(record, _courses(prepared.setup, space))


STUDY = Study(
    name="distill",
    settings=Config,
    prepare=prepare,
    run=run,
    figures=draw,
    reporting=tables,
    fixed={
        "seed": "what is trained already has other seeds",
        "teacher.batch_size": ORDER,
        "student.batch_size": ORDER,
    },
    trains=True,
    no_weights="give --config.teacher.run=RUN or --config.student.start_from=RUN",
)
