"""A run's folder whose state is as at its beginning, for tests of what reads runs."""

import pathlib

import jax

from experiments.diffenc.config import Config
from experiments.diffenc.train import prepare
from experiments.runtime import settings
from experiments.runtime.loop import Window, saved_with
from experiments.runtime.preemption import StopSignal
from experiments.runtime.workspace import opened


def untrained(workdir: pathlib.Path, config: Config) -> None:
    """Makes `workdir` the folder of a run that says it is at step 2."""
    prepared = prepare(config)
    facts = {"data": prepared.facts, **prepared.stated}
    with (
        opened(
            workdir,
            settings.plain(prepared.config),
            StopSignal(),
            digests=prepared.digests,
            facts=facts,
        ) as space,
        space.checkpoints() as saved,
        space.metrics() as writer,
    ):
        state = prepared.run.state_factory()()._replace(step=jax.numpy.int32(2))
        saved.save(2, state, saved_with(Window(), evaluated=True))
        terms = dict.fromkeys(("bits_per_dim", "diffusion", "prior", "reconstruction"), 8.0)
        writer.write(2, "train", terms)
