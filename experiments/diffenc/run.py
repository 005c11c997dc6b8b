"""A config as live objects: data, model, optimiser, and the trained state of a work directory."""

import dataclasses
import pathlib
from typing import Any, NamedTuple

import jax
import optax
from jax.sharding import Mesh

import diffenc
from experiments import data
from experiments.diffenc.config import Config, Train
from experiments.runtime import settings
from experiments.runtime.batches import check_batch_size
from experiments.runtime.checkpoint import Checkpointer
from experiments.runtime.errors import CheckpointError, UserError
from experiments.runtime.files import read_json
from experiments.runtime.manifest import CONFIG, MANIFEST, check_data
from experiments.runtime.mesh import make_mesh
from experiments.runtime.optimizers import adamw
from experiments.runtime.state import StateFactory, TrainState
from experiments.runtime.workspace import CHECKPOINTS


class Run(NamedTuple):
    """Everything that a config determines."""

    config: Config
    source: data.Source
    model: diffenc.Diffusion
    optimizer: optax.GradientTransformation
    mesh: Mesh
    key: jax.Array

    def state_factory(self) -> StateFactory:
        """How the state at step 0 is made."""
        init_key = jax.random.fold_in(self.key, 0)
        sharding = self.config.train.sharding
        return StateFactory(self.model.init, self.optimizer, init_key, self.mesh, sharding)


def make_run(config: Config, source: data.Source | None = None, mesh: Mesh | None = None) -> Run:
    """Builds data (unless `source` is given), model and optimiser.

    `mesh` may be of devices that are not here, to compile for them; default: all that are.

    Raises:
      UserError: for names and values that cannot be.
    """
    mesh = make_mesh() if mesh is None else mesh
    check_batch_size(config.train.batch_size, mesh, config.train.accumulate)
    if source is None:
        source = data.read(config.data)
    options = {k: v for k, v in settings.plain(config.model.options).items() if v is not None}
    if options.pop("conditional", False):
        options["num_classes"] = source.num_classes
    if mesh.devices.flat[0].platform != "cpu":
        options.setdefault("unroll", False)
    try:
        model = diffenc.build(config.model.name, source.shape, source.levels, **options)
    except (ValueError, TypeError) as error:
        raise UserError(str(error)) from error
    key = jax.random.key(config.seed)
    return Run(config, source, model, make_optimizer(config.train), mesh, key)


def make_optimizer(train: Train) -> optax.GradientTransformation:
    """AdamW as published: β 0.9, 0.99; decay on all but biases; linear warm-up.

    After the warm-up the rate is constant (published), or falls to zero as a cosine.
    """
    peak, warm = train.learning_rate, train.warmup_steps
    if train.decay == "constant":
        tail = optax.constant_schedule(peak)
    else:
        tail = optax.cosine_decay_schedule(peak, max(1, train.num_steps - warm))
    rate = optax.join_schedules([optax.linear_schedule(0.0, peak, warm), tail], [warm])
    return adamw(
        rate,
        b1=0.9,
        b2=0.99,
        weight_decay=train.weight_decay,
        undecayed=("bias",),
        grad_clip=train.grad_clip,
    )


def draw_noise(batch: dict[str, jax.Array], key: jax.Array) -> dict[str, jax.Array]:
    """The batch with its times, stratified over all of it, and its noise."""
    codes = batch["codes"]
    k_t, k_eps, k_eps_0, _ = jax.random.split(key, 4)
    return batch | {
        "t": diffenc.stratified_times(k_t, codes.shape[0])[0],
        "eps": jax.random.normal(k_eps, codes.shape),
        "eps_0": jax.random.normal(k_eps_0, codes.shape),
    }


def elbo_loss(model: diffenc.Diffusion):
    """`loss(params, batch, key)` after `draw_noise`: each example's three terms in bits/dim."""

    def loss(params: Any, batch: dict[str, jax.Array], key: jax.Array):
        terms = model.elbo_terms(
            params,
            batch["codes"],
            t=batch["t"],
            eps=batch["eps"],
            eps_0=batch["eps_0"],
            conditioning=batch["label"] if model.options.num_classes else None,
            dropout_key=jax.random.split(key, 4)[3],
        )
        return {
            name: diffenc.bits_per_dim(value, model.shape)
            for name, value in terms._asdict().items()
        }

    return loss


def load_config(workdir: pathlib.Path) -> Config:
    """The config of the run in `workdir`; keys that were added since have their defaults.

    Raises:
      UserError: there is none, or it is damaged.
    """
    if not (workdir / CONFIG).exists():
        raise UserError(f"{workdir} holds no run (no config.json); train one there first")
    stored = read_json(workdir / CONFIG)
    if "name" not in stored.get("model", {}):
        raise UserError(f"{workdir} is no diffusion run; its own command writes its page")
    return settings.read(Config, stored)


def load_source(workdir: pathlib.Path, path: str | None = None) -> data.Source:
    """The data of the run in `workdir`, from where its config says or from `path`.

    Raises:
      UserError: they cannot be read, or are not those that the run was trained on.
    """
    where = load_config(workdir).data
    try:
        source = data.read(where if path is None else dataclasses.replace(where, path=path))
    except UserError as error:
        message = str(error).replace("--config.data.path=", "--data=")
        raise UserError(f"{message} (--data=PATH says where the data lie now)") from error
    check_data(workdir, {source.name: source.sha256})
    return source


def load_trained(
    workdir: pathlib.Path, path: str | None = None, *, with_data: bool = True
) -> tuple[Run, TrainState]:
    """The run in `workdir` and its newest intact state.

    `path` is where the data lie now; without `with_data` they are not read, and the run knows
    their form alone.
    """
    if with_data:
        source = load_source(workdir, path)
    else:
        load_config(workdir)  # says it best where there is no run
        source = data.recorded(read_json(workdir / MANIFEST)["data"])
    run = make_run(load_config(workdir), source)
    checkpointer = Checkpointer(workdir / CHECKPOINTS)
    try:
        restored = checkpointer.restore(run.state_factory().abstract())
    finally:
        checkpointer.close()
    if restored is None:
        raise CheckpointError(f"{workdir} has no checkpoint yet; train it first")
    return run, restored.state


# The flag of commands that read the data of a trained run.
DATA = {"data": (str, "Where the data of the run lie now; default: where its config says.")}
