"""Distils teachers into students by KL or by logits, and measures what students keep of them.

python -m experiments.distill --config=experiments/configs/distill/spiral.py:all --workdir=DIR \
    [--record=FILE.json] [--config.teacher.num=3 …]

The config's argument is an objective (kl, l1, l2) or "all", and may end in ":smoke". DIR receives
config.json, manifest.json, teacher/ and one folder an objective with metrics and checkpoints,
summary.json, tables.md, figures/ and report.html. The same command again resumes.
"""

import functools
import pathlib
import sys
from collections.abc import Iterable
from typing import Any

from ml_collections import ConfigDict

from experiments.distillation import tables
from experiments.distillation.aggregate import read_course, summarise
from experiments.distillation.figures import figures
from experiments.distillation.measures import make_measures
from experiments.distillation.setup import Setup, check_finished_run, make_setup
from experiments.distillation.stages import (
    PER_MODEL,
    Intervals,
    describe_teachers,
    restore_variables,
    run_stage,
    student_stage,
    teach,
    teacher_stage,
)
from experiments.reporting.html import publish
from experiments.reporting.markdown import block
from experiments.runtime import cli
from experiments.runtime.manifest import (
    claim_workdir,
    environment,
    write_bytes,
    write_json,
    write_manifest,
)
from experiments.runtime.preemption import StopSignal

OPTIONS = {"record": (str, "Also write the summary to this file.")}


def distil(
    config: ConfigDict, workdir: pathlib.Path, *, allowed_changes: Iterable[str] = ()
) -> dict[str, Any] | None:
    """Runs what is left of a distillation; returns its summary, or None if a signal stopped it."""
    given = config.to_dict()
    setup = make_setup(given)
    teacher_run = check_finished_run("teacher", given, setup.task)
    student_run = check_finished_run("student", given, setup.task)
    restore = functools.partial(restore_variables, example=setup.task.train.x)
    variables = teacher_run and restore(teacher_run / "teacher", setup.teachers)
    starts = {o: student_run and restore(student_run / o, setup.students) for o in setup.objectives}
    claim_workdir(workdir, given, allowed_changes)
    write_manifest(workdir, data=setup.task.facts())
    measure = make_measures(setup.task, setup.label_sets)
    intervals = Intervals(config.log_every, config.eval.every, config.save_every)
    with StopSignal() as stop:
        if teacher_run is None:
            stage = teacher_stage(setup, workdir / "teacher")
            variables = run_stage(stage, intervals, stop).variables
        if stop:
            return None
        taught = teach(setup, variables, workdir / "teacher_outputs.npz")
        for objective in setup.objectives:
            folder, start = workdir / objective, starts[objective]
            stage = student_stage(setup, objective, taught, measure, folder, start)
            run_stage(stage, intervals, stop)
            if stop:
                return None
    teachers = describe_teachers(setup.task, taught.models, measure)
    return _report(setup, teachers, given, workdir)


def _report(
    setup: Setup, teachers: dict[str, Any], config: dict[str, Any], workdir: pathlib.Path
) -> dict[str, Any]:
    courses = {
        objective: read_course(workdir / objective / PER_MODEL, setup.teachers.size)
        for objective in setup.objectives
    }
    summary = {
        "environment": environment() | {"command": _command()},
        "config": config,
        "data": setup.task.facts(),
        "seeds": {
            "teachers": setup.teachers.size,
            "students_of_each": setup.students.size // setup.teachers.size,
        },
        "teachers": teachers,
    } | summarise(courses)
    write_json(workdir / "summary.json", summary)
    publish(tables, summary, figures(summary, courses), workdir, write_bytes)
    return summary


def _command() -> str:
    """The command line without this machine's folders."""
    kept = [a for a in sys.argv[1:] if not a.startswith(("--workdir", "--record"))]
    return " ".join(["python -m experiments.distill", *kept, "--workdir=DIR"])


def main(record: str | None) -> None:
    workdir = cli.workdir()
    summary = distil(cli.config(), workdir, allowed_changes=cli.allowed_changes())
    if summary is None:
        return
    if record:
        write_json(pathlib.Path(record), summary)
    print(block(tables.tables(summary)))


if __name__ == "__main__":
    cli.run(main, options=OPTIONS)
