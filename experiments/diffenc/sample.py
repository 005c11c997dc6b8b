"""Draws samples from a trained run with the ancestral sampler and its EMA weights.

python -m experiments.diffenc.sample --workdir=DIR [--num=64] [--num_steps=1000] [--label=3]

Writes DIR/samples.npz (integer codes), DIR/figures/samples.png and DIR/report.html. The encoder is
never called, and the data are not read. Many samples are drawn in batches, split over all devices
of all hosts (docs/tpu.md); the same command again continues after the last finished one.
"""

import functools
import math
import pathlib
import shutil
from collections.abc import Callable
from typing import Any

import jax
import numpy as np

from experiments.arrays import flatten
from experiments.diffenc import figures, page
from experiments.diffenc.run import Run, load_trained
from experiments.runtime import cli, distributed, row_progress, store
from experiments.runtime.errors import UserError
from experiments.runtime.files import digest_of
from experiments.runtime.mesh import batch_sharding, replicated
from experiments.runtime.ranges import Between
from experiments.runtime.store import Store

VALUES = 2**20  # drawn at once (341 images of CIFAR), so that memory does not grow with --num
SHOWN = 256  # of the picture
PARTS = "samples.parts"
Draw = Callable[[jax.Array, int, np.ndarray | None], np.ndarray]
OPTIONS = {
    "num": (int, "Samples to draw; default: the config's sample.num."),
    "num_steps": (int, "Steps of the sampler; default: the config's sample.num_steps."),
    "seed": (int, "Seed of the noise; default: the config's sample.seed."),
    "label": (int, "The class to draw, for a class-conditional model; default: all in turn."),
    **distributed.OPTIONS,
}


def sample(
    workdir: pathlib.Path,
    *,
    num: int | None = None,
    num_steps: int | None = None,
    seed: int | None = None,
    label: int | None = None,
) -> np.ndarray:
    """Codes [num, *shape] drawn from the run in `workdir`; what is None comes from its config."""
    run, state = load_trained(workdir, with_data=False)
    settings = run.config.sample
    num = int(settings.num if num is None else num)
    own = run.model.options.depth or settings.num_steps  # a finite depth is its own number of steps
    num_steps = int(own if num_steps is None else num_steps)
    if num < 1 or num_steps < 1:
        raise UserError(f"num={num} and num_steps={num_steps} must both be at least 1")
    classes = run.model.options.num_classes
    if label is not None and not 0 <= label < (classes or 0):
        raise UserError(f"--label={label}: this model has {classes or 'no'} classes")
    conditioning = None
    if classes:
        conditioning = np.arange(num) % classes if label is None else np.full(num, label)
    seed = int(settings.seed if seed is None else seed)
    if seed not in (stated := Between(0, 2**32)):
        raise stated.refusal("--seed", seed)
    draw = _drawer(run, state.ema, num_steps)
    size = max(run.mesh.size, VALUES // math.prod(run.source.shape))
    size -= size % run.mesh.size
    if num <= size:
        codes = draw(jax.random.key(seed), num, conditioning)
    else:
        inputs = {"step": int(state.step), "num_steps": num_steps, "seed": seed, "label": label}
        whole = jax.jit(lambda a: a, out_shardings=replicated(run.mesh))(state.ema)
        inputs["weights"] = digest_of(flatten(jax.device_get(whole)))
        parts = Store(workdir / PARTS, print)
        codes = _in_batches(draw, num, size, conditioning, inputs, parts)
    if not distributed.is_lead():
        return codes
    store.save(workdir / "samples.npz", {"codes": codes})
    picture = {f"{run.config.model.name}, {num_steps} steps": codes[:SHOWN]}
    page.add_figures({"samples": figures.samples(picture, run.source.levels)}, workdir)
    shutil.rmtree(workdir / PARTS, ignore_errors=True)
    return codes


def _drawer(run: Run, params: Any, num_steps: int) -> Draw:
    """A compiled `draw(key, num, conditioning)`, its samples split over the devices if they can."""

    # Whole on every device, so that each of several processes can read them.
    @functools.partial(jax.jit, static_argnames="num", out_shardings=replicated(run.mesh))
    def compiled(key, num, params, conditioning):
        codes = run.model.sample(key, params, num, num_steps, conditioning=conditioning)
        if num % run.mesh.size:
            return codes
        return jax.lax.with_sharding_constraint(codes, batch_sharding(run.mesh))

    return lambda key, num, given: np.asarray(compiled(key, num, params, given))


def _in_batches(
    draw: Draw,
    num: int,
    size: int,
    conditioning: np.ndarray | None,
    inputs: dict[str, Any],
    parts: Store,
) -> np.ndarray:
    """Samples in batches of `size`, each with noise of its own; finished ones are kept."""
    key = jax.random.key(inputs["seed"])

    def batch(start: int, stop: int) -> dict[str, np.ndarray]:
        # Of one size, so that one program serves all.
        given = None if conditioning is None else np.resize(conditioning[start:stop], size)
        codes = draw(jax.random.fold_in(key, start // size), size, given)
        return {"codes": codes[: stop - start]}

    line = row_progress.line("samples")
    return parts.rows(inputs, num, batch, chunk_rows=size, say=line)["codes"]


def main(num, num_steps, seed, label, **cluster) -> None:
    workdir = cli.workdir()
    distributed.start(**cluster)
    codes = sample(workdir, num=num, num_steps=num_steps, seed=seed, label=label)
    if distributed.is_lead():
        print(f"{len(codes)} samples of shape {codes.shape[1:]} in {workdir / 'samples.npz'}")


if __name__ == "__main__":
    cli.run(main, options=OPTIONS, needs_config=False, accepts_config=False)
