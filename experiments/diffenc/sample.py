"""Draws samples from a trained run with the ancestral sampler and its EMA weights.

python -m experiments.diffenc.sample --workdir=DIR [--num=64] [--num_steps=1000] [--label=3]

Writes DIR/samples.npz (integer codes), DIR/figures/samples.png and DIR/report.html. The encoder is
never called.
"""

import pathlib

import jax
import numpy as np

from experiments.diffenc import figures, page
from experiments.diffenc.run import load_trained
from experiments.runtime import cli
from experiments.runtime.errors import UserError

OPTIONS = {
    "num": (int, "Samples to draw; default: the config's sample.num."),
    "num_steps": (int, "Steps of the sampler; default: the config's sample.num_steps."),
    "seed": (int, "Seed of the noise; default: the config's sample.seed."),
    "label": (int, "The class to draw, for a class-conditional model; default: all in turn."),
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
    run, state = load_trained(workdir)
    settings = run.config.sample
    num = int(settings.num if num is None else num)
    own = run.model.options.depth or settings.num_steps  # a finite depth is its own number of steps
    num_steps = int(own if num_steps is None else num_steps)
    if num < 1 or num_steps < 1:
        raise UserError(f"num={num} and num_steps={num_steps} must both be at least 1")
    classes = run.model.options.num_classes
    if label is not None and not 0 <= label < (classes or 0):
        raise UserError(f"--label={label}: this model has {classes or 'no'} classes")
    key = jax.random.key(settings.seed if seed is None else seed)
    conditioning = None
    if classes:
        conditioning = np.arange(num) % classes if label is None else np.full(num, label)
    draw = jax.jit(
        lambda params: run.model.sample(key, params, num, num_steps, conditioning=conditioning)
    )
    codes = np.asarray(draw(state.ema))
    np.savez_compressed(workdir / "samples.npz", codes=codes)
    shown = {f"{run.config.model.name}, {num_steps} steps": codes}
    page.add_figures({"samples": figures.samples(shown, run.source.levels)}, workdir)
    return codes


def main(**options: int | None) -> None:
    codes = sample(cli.workdir(), **options)
    print(f"{len(codes)} samples of shape {codes.shape[1:]} in {cli.workdir() / 'samples.npz'}")


if __name__ == "__main__":
    cli.run(main, options=OPTIONS, needs_config=False, accepts_config=False)
