"""Trains a diffusion model with or without a learned encoder; the same command again resumes.

python -m experiments.diffenc.train --config=experiments/configs/diffenc/digits.py:diffenc \
    --workdir=DIR [--config.train.num_steps=1000 …]

Several hosts run the same command each (docs/tpu.md), sharing DIR: with --multihost, or with
--coordinator, --num_processes and --process_index.

The config's argument is <model>, or <model>:smoke for a run of seconds. --then_evaluate adds what
evaluate and sample write, with one page, DIR/report.html. DIR receives config.json,
manifest.json, metrics.jsonl (bits/dim), checkpoints/, record.json and report.html.
"""

import dataclasses
import functools
import pathlib
from collections.abc import Iterable, Mapping
from typing import Any

import jax
from matplotlib.figure import Figure

import diffenc
from experiments.diffenc import figures, page, training
from experiments.diffenc.config import Config
from experiments.diffenc.evaluate import evaluate, table
from experiments.diffenc.evaluation import make_evaluator
from experiments.diffenc.run import Run, draw_noise, elbo_loss, load_trained, make_run
from experiments.diffenc.sample import sample
from experiments.runtime import cli, distributed, study
from experiments.runtime.batches import batch_indices, batches
from experiments.runtime.checkpoint import Checkpointer
from experiments.runtime.loop import Loop
from experiments.runtime.metrics import MetricsWriter, read_metrics
from experiments.runtime.profiling import profiled
from experiments.runtime.progress import Progress
from experiments.runtime.ranges import check_batch_fits
from experiments.runtime.state import TrainState
from experiments.runtime.step import make_step
from experiments.runtime.study import Record, Request, Study
from experiments.runtime.utilisation import peak_flops
from experiments.runtime.workspace import METRICS, Workspace

OPTIONS = {
    "then_evaluate": (bool, "Evaluate and draw samples when training is complete."),
    "profile": (bool, "Trace a few early steps into DIR/profile."),
    "peak_tflops": (float, "Peak TFLOP/s of one device for the MFU; known for TPUs and some GPUs."),
    **distributed.OPTIONS,
}


@dataclasses.dataclass(frozen=True, kw_only=True)
class Prepared(study.Prepared[Config]):
    """Everything that a config determines."""

    run: Run


def prepare(config: Config) -> Prepared:
    """Data, model and optimiser. Raises `UserError` for names and values that cannot be."""
    config.check()
    run = make_run(config)
    check_batch_fits("config.train.batch_size", config.train.batch_size, run.source.train.size)
    factory = run.state_factory()
    factory.abstract()  # refuses what shapes and shardings rule out
    return Prepared(
        config=config,
        digests={run.source.name: run.source.sha256},
        facts=run.source.facts(),
        stated={"parameters": _count(run)},
        layouts={"": factory.abstract},
        run=run,
    )


def train(prepared: Prepared, space: Workspace, *, profile: bool, peak: float | None) -> Record:
    """Trains what is left; the last lines of metrics.jsonl."""
    run = prepared.run
    plan = run.config.train
    with space.metrics() as writer, space.checkpoints(plan.keep) as checkpointer:
        loop = _make_loop(run, space, writer, checkpointer, peak_flops(peak))
        loop.say(_introduce(run))
        if profile:
            loop.train_step = profiled(loop.train_step, space.path / "profile")
        state, start = loop.resume(space.starting(run.state_factory()))
        stream = batches(
            run.source.train.take,
            run.source.train.size,
            seed=run.config.seed,
            batch_size=plan.batch_size,
            mesh=run.mesh,
            start=start,
            stop=plan.num_steps,
        )
        loop.run(state, start, stream)
    last = {line["split"]: line for line in read_metrics(space.path / METRICS)}
    return {"model": run.config.model.name, "parameters": _count(run), "last": last}


def _make_loop(
    run: Run,
    space: Workspace,
    writer: MetricsWriter,
    checkpointer: Checkpointer,
    peak: float | None,
) -> Loop[TrainState]:
    plan, evaluation = run.config.train, run.config.eval
    evaluator = make_evaluator(
        run.model,
        run.source.test,
        times_per_image=evaluation.times_per_image_in_training,
        batch_size=evaluation.batch_size,
        key=jax.random.key(evaluation.seed),
        mesh=run.mesh,
        interrupted=lambda: space.stop,
    )
    train_step = make_step(
        elbo_loss(run.model),
        run.optimizer,
        key=jax.random.fold_in(run.key, 1),
        ema_decay=plan.ema_decay,
        state=run.state_factory().abstract(),
        mesh=run.mesh,
        accumulate=plan.accumulate,
        draw=draw_noise,
        total="bits_per_dim",
    )
    size, seed = run.source.train.size, run.config.seed
    return Loop(
        train_step,
        plan.schedule,
        workspace=space,
        writer=writer,
        checkpointer=checkpointer,
        progress=Progress(
            plan.num_steps,
            plan.batch_size,
            "images",
            flops=diffenc.model_flops(run.model.options, run.model.shape).training,
            peak=peak,
        ),
        evaluate=lambda state: evaluator(state.ema).summary(),
        describe_batch=lambda step: {
            "seed": seed,
            "step": step,
            "indices": batch_indices(seed, step, size, plan.batch_size).tolist(),
        },
    )


def _introduce(run: Run) -> str:
    plan, devices = run.config.train, f"{run.mesh.size} × {jax.devices()[0].device_kind}"
    return (
        f"{run.model.name} on {run.source.name}, {devices}: {_count(run):,} parameters, "
        f"{plan.num_steps:,} steps of {plan.batch_size} images; the first step compiles"
    )


def _count(run: Run) -> int:
    shapes = jax.eval_shape(run.model.init, run.key)
    return sum(leaf.size for leaf in jax.tree.leaves(shapes))


def draw(record: Record, prepared: Prepared, space: Workspace) -> Mapping[str, Figure]:
    """The training curves, as far as they go."""
    history = read_metrics(space.path / METRICS)
    return {"training": figures.training_curves({record["model"]: history})} if history else {}


STUDY = Study(
    name="diffenc",
    settings=Config,
    prepare=prepare,
    run=functools.partial(train, profile=False, peak=None),
    figures=draw,
    reporting=training,
    page=lambda space: page.write(space.path),
    fixed={
        "seed": "the order of the data and the noise would change within a run",
        "train.batch_size": "the data position is counted in batches",
    },
    trains=True,
    no_weights="",
)


def trained(
    config: Config,
    workdir: pathlib.Path,
    *,
    allowed_changes: Iterable[str] = (),
    trackers: Iterable[str] = (),
) -> TrainState:
    """Trains, or continues to train, the run of `config` in `workdir`; returns the last state."""
    study.run(STUDY, config, Request(workdir, tuple(allowed_changes), tuple(trackers)))
    return load_trained(workdir)[1]


def main(
    then_evaluate: bool,
    profile: bool,
    peak_tflops: float | None,
    record: str | None,
    json: bool,
    init_from: str | None,
    **cluster: Any,
) -> int:
    workdir = cli.workdir()
    distributed.start(**cluster)
    run = functools.partial(train, profile=profile, peak=peak_tflops)
    made = STUDY._replace(run=run)
    publishing = {"record": record, "json": json, "init_from": init_from}
    done, code = study.finished(made, STUDY.read(cli.config()), **publishing)
    if then_evaluate and done:
        result = evaluate(workdir)
        sample(workdir)
        if not distributed.is_lead():
            return code
        print(table(result["summary"]))
        print(f"all of it, with pictures: {workdir / 'report.html'}")
    return code


if __name__ == "__main__":
    cli.run(main, options={**OPTIONS, **study.OPTIONS})
