"""Trains a diffusion model with or without a learned encoder; the same command again resumes.

python -m experiments.train_diffenc --config=experiments/configs/diffenc/digits.py:diffenc \
    --workdir=DIR [--config.train.num_steps=1000 …]

Several hosts run the same command each (docs/tpu.md), sharing DIR: with --multihost, or with
--coordinator, --num_processes and --process_index.

The config's argument is <model>, or <model>:smoke for a run of seconds. --then_evaluate adds what
eval_diffenc and sample_diffenc write, with one page, DIR/report.html. DIR receives config.json,
manifest.json, metrics.jsonl (bits/dim) and checkpoints/.
"""

import pathlib
from collections.abc import Iterable

import jax
from ml_collections import ConfigDict

import diffenc
from experiments.diffusion.evaluation import make_evaluator
from experiments.diffusion.run import Run, draw_noise, elbo_loss, make_run
from experiments.eval_diffenc import evaluate, table
from experiments.runtime import cli, distributed
from experiments.runtime.batches import batch_indices, batches
from experiments.runtime.checkpoint import Checkpointer
from experiments.runtime.errors import UserError
from experiments.runtime.loop import Loop, Schedule
from experiments.runtime.manifest import claim_workdir, write_manifest
from experiments.runtime.metrics import MetricsWriter, check_trackers, make_sinks
from experiments.runtime.preemption import StopSignal
from experiments.runtime.profiling import profiled
from experiments.runtime.progress import Progress
from experiments.runtime.state import TrainState
from experiments.runtime.step import make_step
from experiments.runtime.utilisation import peak_flops
from experiments.sample_diffenc import sample

OPTIONS = {
    "then_evaluate": (bool, "Evaluate and draw samples when training is complete."),
    "profile": (bool, "Trace a few early steps into DIR/profile."),
    "peak_tflops": (float, "Peak TFLOP/s of one device for the MFU; known for TPUs and some GPUs."),
    **distributed.OPTIONS,
}


def train(
    config: ConfigDict,
    workdir: pathlib.Path,
    *,
    allowed_changes: Iterable[str] = (),
    trackers: Iterable[str] = (),
    profile: bool = False,
    peak_tflops: float | None = None,
) -> TrainState:
    """Trains, or goes on training, the run of `config` in `workdir`; returns the last state."""
    run, plan = make_run(config), config.train
    run.state_factory().abstract()  # refuses values that cannot be before the folder is taken
    check_trackers(trackers)
    claim_workdir(workdir, config.to_dict(), allowed_changes)
    write_manifest(workdir, data=run.source.facts(), parameters=_count(run))
    with StopSignal() as stop:
        writer = MetricsWriter(
            workdir / "metrics.jsonl", make_sinks(list(trackers), workdir, config.to_dict())
        )
        checkpointer = Checkpointer(workdir / "checkpoints", plan.keep)
        try:
            loop = _make_loop(run, workdir, writer, checkpointer, stop, peak_flops(peak_tflops))
            loop.say(_introduce(run))
            if profile:
                loop.train_step = profiled(loop.train_step, workdir / "profile")
            state, start = loop.resume(run.state_factory())
            stream = batches(
                run.source.train.take,
                run.source.train.size,
                seed=config.seed,
                batch_size=plan.batch_size,
                mesh=run.mesh,
                start=start,
                stop=plan.num_steps,
            )
            return loop.run(state, start, stream, stop)[0]
        finally:
            checkpointer.close()
            writer.close()


def _make_loop(
    run: Run,
    workdir: pathlib.Path,
    writer: MetricsWriter,
    checkpointer: Checkpointer,
    stop: StopSignal,
    peak: float | None,
) -> Loop:
    plan, evaluation = run.config.train, run.config.eval
    evaluator = make_evaluator(
        run.model,
        run.source.test,
        times_per_image=evaluation.times_per_image_in_training,
        batch_size=evaluation.batch_size,
        key=jax.random.key(evaluation.seed),
        mesh=run.mesh,
        interrupted=lambda: stop,
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
    )
    size, seed = run.source.train.size, run.config.seed
    return Loop(
        train_step,
        Schedule(plan.num_steps, plan.log_every, plan.eval_every, plan.save_every),
        workdir=workdir,
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


def main(then_evaluate: bool, profile: bool, peak_tflops: float | None, **cluster) -> None:
    workdir = cli.workdir()
    distributed.start(**cluster)
    if then_evaluate and jax.process_count() > 1:
        raise UserError(
            "--then_evaluate runs in one process: train first, then "
            "`python -m experiments.eval_diffenc --workdir=DIR` on one host"
        )
    state = train(
        cli.config(),
        workdir,
        allowed_changes=cli.allowed_changes(),
        trackers=cli.trackers(),
        profile=profile,
        peak_tflops=peak_tflops,
    )
    if then_evaluate and int(state.step) == cli.config().train.num_steps:
        print(table(evaluate(workdir)["summary"]))
        sample(workdir)
        print(f"all of it, with pictures: {workdir / 'report.html'}")


if __name__ == "__main__":
    cli.run(main, options=OPTIONS)
