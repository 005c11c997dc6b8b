"""Imports a checkpoint of the published VDM or DiffEnc code as a run of ours.

python -m experiments.diffenc.import_published --checkpoint=FILE --workdir=DIR \\
    --config=experiments/configs/diffenc/cifar10.py:diffenc-32-4 --config.data.path=TFDS_FOLDER

FILE is what flax.training.checkpoints wrote there (msgpack): it is read as numbers, nothing in it
is run. DIR then is a run like any other for diffenc.evaluate, diffenc.sample, diffenc.inspect and
further training, and DIR/imported.json says where it comes from.

The file's `params` become the weights that training goes on from, its `ema_params` those that
evaluation, samples and inspection use, as in the papers. --weights=params or --weights=ema_params
takes one of them for both. The optimiser starts anew, with its warm-up. Learned end points of the
noise schedule: the config's word `ends-learned`; VDM's monotone network: `schedule-learned` and
--config.model.options.learn_endpoints=True. Without the data, --config.data.smoke=True
still lets you draw samples.
"""

import pathlib

import jax

from experiments.diffenc import page, published
from experiments.diffenc.config import Config
from experiments.diffenc.run import make_run
from experiments.diffenc.train import STUDY
from experiments.runtime import cli
from experiments.runtime.errors import UserError
from experiments.runtime.loop import Window, saved_with
from experiments.runtime.manifest import environment
from experiments.runtime.preemption import StopSignal
from experiments.runtime.settings import plain
from experiments.runtime.state import TrainState
from experiments.runtime.workspace import CHECKPOINTS, opened

OPTIONS = {
    "checkpoint": (str, "File of the published code, such as checkpoint_8000000."),
    "weights": (str, "params or ema_params, for both; default: each to its own place."),
}


def import_checkpoint(
    config: Config, workdir: pathlib.Path, checkpoint: pathlib.Path, weights: str | None = None
) -> TrainState:
    """Writes the run of `config` with the weights of `checkpoint` to `workdir`; returns its state.

    Nothing is written where file and model do not fit. Raises `UserError` for that, and for a
    folder that already has checkpoints.
    """
    run = make_run(config)
    found = published.read(checkpoint, weights)
    state = published.to_state(found, run)
    folder = workdir / CHECKPOINTS
    if folder.exists() and any(folder.iterdir()):
        raise UserError(f"{workdir} holds a trained run; import into another --workdir")
    facts = {
        "file": checkpoint.name,
        "sha256": found.sha256,
        "step": found.step,
        "weights": weights or "params for training, ema_params for evaluation",
    }
    parameters = sum(leaf.size for leaf in jax.tree.leaves(state.params))
    data = run.source.facts()
    with opened(
        workdir,
        plain(config),
        StopSignal(),
        digests={run.source.name: run.source.sha256},
        facts={"study": "diffenc", "data": data, "parameters": parameters},
    ) as space:
        with space.checkpoints(config.train.keep) as checkpointer:
            checkpointer.save(found.step, state, saved_with(Window(), evaluated=True))
        space.write_json("imported.json", facts | {"environment": environment()})
        page.write(workdir)
    return state


def main(checkpoint: str | None, weights: str | None) -> None:
    if not checkpoint:
        raise UserError("--checkpoint=FILE is missing: the file that the published code saved")
    if cli.trackers() or cli.allowed_changes():
        raise UserError("--track and --allow_config_change are for training; leave them out here")
    config, workdir = STUDY.read(cli.config()), cli.workdir()
    state = import_checkpoint(config, workdir, pathlib.Path(checkpoint), weights)
    step = int(state.step)
    print(f"imported at step {step:,}: python -m experiments.diffenc.evaluate --workdir={workdir}")
    if step >= config.train.num_steps:
        print(
            f"to train on, raise train.num_steps (now {config.train.num_steps:,}) and allow it: "
            "--config.train.num_steps=N --allow_config_change=train.num_steps"
        )


if __name__ == "__main__":
    cli.run(main, options=OPTIONS)
