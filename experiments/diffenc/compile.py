"""Compiles a training step for a TPU that is not here: does it fit, and how fast can it be?

python -m experiments.diffenc.compile --config=experiments/configs/diffenc/cifar10.py:diffenc-32-4 \
    [--topology=v5e:2x4] [--workdir=DIR]

Needs the extra `tpu` and no TPU. Says what a chip must hold against what it has, its FLOPs, the
bytes it moves, the collectives, and the least time of a step. Where the step does not fit, changes
of the config are tried until it does: bfloat16, recomputation, both, the batch in parts, a split
state, and at last a smaller batch. The data are not read. DIR receives compile.json.
"""

from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax.sharding import Mesh

import diffenc
from experiments import data
from experiments.diffenc.config import Config
from experiments.diffenc.run import Run, draw_noise, elbo_loss, make_run
from experiments.diffenc.tables import change_words
from experiments.reporting.markdown import Table, columns, render
from experiments.runtime import cli, settings
from experiments.runtime.errors import UserError
from experiments.runtime.files import write_json
from experiments.runtime.manifest import environment
from experiments.runtime.mesh import batch_sharding
from experiments.runtime.step import make_step
from experiments.runtime.topology import COLUMNS, EXAMPLES, Report, measured, mesh_of, row

DEFAULT = "v5e:2x4"
OPTIONS = {
    "topology": (str, f"Chips to compile for: {EXAMPLES}; default {DEFAULT}."),
}
_LESS = {"model.options.dtype": "bfloat16", "model.options.remat": True}
# The first that fits is taken: what costs least of speed and of exactness comes first.
CHANGES: tuple[Mapping[str, Any], ...] = (
    {},
    {"model.options.dtype": "bfloat16"},
    {"model.options.remat": True},
    _LESS,
    *(_LESS | {"train.accumulate": parts} for parts in (2, 4, 8)),
    _LESS | {"train.accumulate": 8, "train.sharding": "fsdp"},
)


def lowered(run: Run) -> Any:
    """The step of `experiments.diffenc.train` on the mesh of the run, of abstract arguments."""
    plan, state = run.config.train, run.state_factory().abstract()
    step = make_step(
        elbo_loss(run.model),
        run.optimizer,
        key=jax.random.fold_in(run.key, 1),
        ema_decay=plan.ema_decay,
        state=state,
        mesh=run.mesh,
        accumulate=plan.accumulate,
        draw=draw_noise,
        total="bits_per_dim",
    )
    sharding, size = batch_sharding(run.mesh), plan.batch_size
    dtype = run.source.test.take(np.arange(1))["codes"].dtype
    codes = jax.ShapeDtypeStruct((size, *run.source.shape), dtype, sharding=sharding)
    label = jax.ShapeDtypeStruct((size,), jnp.int32, sharding=sharding)
    return step.lower(state, {"codes": codes, "label": label})


def compiled(config: Config, mesh: Mesh) -> Report:
    """What the compiler makes of the training step of a config."""
    source = data.read(replace(config.data, smoke=True))  # of its form: the data stay away
    run = make_run(config, source, mesh)
    flops = diffenc.model_flops(run.model.options, run.model.shape).training
    return measured(lambda: lowered(run), mesh, flops * config.train.batch_size)


def changed(config: Config, change: Mapping[str, Any]) -> Config:
    """The config with other values of some dotted keys."""
    flags = settings.as_flags(config)
    flags.update_from_flattened_dict(dict(change))
    return settings.read(Config, flags.to_dict())


def search(config: Config, mesh: Mesh) -> Iterator[tuple[Mapping[str, Any], Report]]:
    """Changes of the config and what came of each, up to the first that fits."""
    size = config.train.batch_size
    smaller = [_LESS | {"train.batch_size": size // parts} for parts in (2, 4, 8)]
    seen: list[Config] = []
    for change in (*CHANGES, *smaller):
        made = changed(config, change)
        if made.train.batch_size % (mesh.size * made.train.accumulate) or not made.train.batch_size:
            continue
        if made in seen:  # the config asks for it already
            continue
        seen.append(made)
        report = compiled(made, mesh)
        yield change, report
        if report.fits:
            return


def verdict(tried: list[tuple[Mapping[str, Any], Report]]) -> str:
    """Whether it fits, and what to change if not."""
    change, report = tried[-1]
    if not report.fits:
        return "does not fit, whatever was tried: use more chips, or ones with more memory"
    used = f"{report.facts['hbm_gib']:.1f} of {report.facts['hbm_of_chip_gib']:g} GiB a chip"
    if not change:
        return f"fits: {used}"
    flags = " ".join(f"--config.{key}={value}" for key, value in change.items())
    return f"does not fit as it is; with {flags} it takes {used}"


def main(topology: str | None) -> None:
    config = settings.read(Config, cli.config(), "config.")
    config.check()
    name = topology or DEFAULT
    print(f"{config.model.name}, batch {config.train.batch_size}, on {name}")
    tried = []
    for change, report in search(config, mesh_of(name)):
        tried.append((change, report))
        print(render(Table(columns("change", *COLUMNS), [[change_words(change), *row(report)]])))
        if cli.has_workdir():
            found = [{"change": dict(c), "fits": r.fits, **r.facts} for c, r in tried]
            facts = {"model": config.model.name, "topology": name, "tried": found}
            write_json(cli.workdir() / "compile.json", facts | {"environment": environment()})
    if not tried:
        raise UserError(f"train.batch_size must be a multiple of the chips of {name}")
    print(verdict(tried))


if __name__ == "__main__":
    cli.run(main, options=OPTIONS)
