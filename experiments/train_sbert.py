"""Trains a sentence encoder on the STS benchmark; the same command again resumes.

python -m experiments.train_sbert --config=experiments/configs/sbert/sts.py:cos-none \
    --workdir=DIR --config.data.folder=DIR_WITH_STS [--config.model.folder=ENCODER]

The config's argument is <loss>-<normalisation>, or <loss>-<normalisation>:smoke for a run of
seconds on made-up data. DIR receives config.json, manifest.json, metrics.jsonl, checkpoints/, the
best encoder on the development set in best/, and result.json: STS and hubness before and after.
"""

import dataclasses
import pathlib
from collections.abc import Iterable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import optax
from jax.sharding import Mesh
from ml_collections import ConfigDict

from experiments.runtime import cli
from experiments.runtime.batches import batch_indices, batches, check_batch_size
from experiments.runtime.checkpoint import Checkpointer
from experiments.runtime.loop import Loop, Schedule
from experiments.runtime.manifest import claim_workdir, environment, write_json, write_manifest
from experiments.runtime.mesh import make_mesh
from experiments.runtime.metrics import MetricsWriter, make_sinks
from experiments.runtime.preemption import StopSignal
from experiments.runtime.progress import Progress
from experiments.runtime.state import StateFactory, TrainState
from experiments.runtime.step import make_step
from experiments.text import huggingface, sentence, sources, spaces, sts, tiny
from experiments.text.bert import Encoder
from experiments.text.pooling import pool
from experiments.text.sbert import pair_losses


class Run(NamedTuple):
    """Everything that a config determines."""

    config: ConfigDict
    model: sentence.SentenceModel
    train: sts.TrainingPairs
    dev: sources.Pairs
    test: sources.Pairs
    facts: dict[str, Any]


def make_run(config: ConfigDict, workdir: pathlib.Path) -> Run:
    """Reads model and data. Raises `UserError` for what is missing or does not fit."""
    folder, data = config.model.folder, config.data.folder
    if config.data.smoke:
        folder = tiny.write_encoder(workdir / "tiny-model")
        data = str(tiny.write_sts(workdir / "tiny-sts", {"train": 64, "dev": 32, "test": 32}))
    # The objective has its own normalisation: embeddings are trained and judged from the pooled.
    model = sentence.load(folder or spaces.minilm_folder(), max_length=config.model.max_length)
    settings = dataclasses.replace(model.settings, normalise=False)
    model = dataclasses.replace(model, settings=settings)
    splits = {split: sts.read_split(data, split) for split in ("train", "dev", "test")}
    facts = {
        "model": {"name": model.family, "sha256": model.sha256},
        "data": {k: {"pairs": len(p.score), "sha256": p.sha256} for k, p in splits.items()},
    }
    train = sts.training_pairs(model, splits["train"])
    return Run(config, model, train, splits["dev"], splits["test"], facts)


def make_optimizer(train: ConfigDict) -> optax.GradientTransformation:
    """AdamW with linear warm-up and linear decay to zero; no decay on biases and norm scales."""
    warmup = max(1, round(train.warmup_fraction * train.num_steps))
    rate = optax.join_schedules(
        [
            optax.linear_schedule(0.0, train.learning_rate, warmup),
            optax.linear_schedule(train.learning_rate, 0.0, max(1, train.num_steps - warmup)),
        ],
        [warmup],
    )

    def decayed(params: Any) -> Any:
        return jax.tree_util.tree_map_with_path(
            lambda path, _: path[-1].key not in ("bias", "scale"), params
        )

    adamw = optax.adamw(rate, weight_decay=train.weight_decay, mask=decayed)
    return optax.chain(optax.clip_by_global_norm(train.grad_clip), adamw)


def make_loss(run: Run):
    """`loss(params, batch, key)`: mean loss of the pairs, with dropout."""
    encoder, options = Encoder(run.model.config), run.config.objective

    def loss(params: Any, batch: dict[str, jax.Array], key: jax.Array):
        # Both sides of all pairs in one pass.
        ids, mask = (batch[name].reshape(-1, batch[name].shape[-1]) for name in ("ids", "mask"))
        hidden = encoder.apply({"params": params}, ids, mask, False, rngs={"dropout": key})
        u, v = (
            pool(hidden, mask, run.model.settings.pooling)
            .reshape(len(batch["score"]), 2, -1)
            .swapaxes(0, 1)
        )
        losses = pair_losses(
            u, v, batch["score"], loss=options.loss, normalisation=options.normalisation
        )
        return losses.mean(), {"loss": losses.mean()}

    return loss


class Pretrained(NamedTuple):
    """A state factory whose parameters are those of the model read."""

    factory: StateFactory
    params: Any

    def abstract(self) -> TrainState:
        return self.factory.abstract()

    def __call__(self) -> TrainState:
        state = self.factory()
        # A copy each: donated buffers must not be shared with the model or with each other.
        place = lambda old: jax.tree.map(
            lambda new, leaf: jax.device_put(jnp.array(new, copy=True), leaf.sharding),
            self.params,
            old,
        )
        return state._replace(params=place(state.params), ema=place(state.ema))


def state_factory(run: Run, optimizer: optax.GradientTransformation, mesh: Mesh) -> Pretrained:
    """How the state at step 0 is made: the model's parameters, a fresh optimiser."""
    # Zeros stand in while the state is laid out: compiled code need not hold the weights.
    shapes = huggingface.param_shapes(run.model.config)
    zeros = lambda _: jax.tree.map(lambda s: jnp.zeros(s.shape, s.dtype), shapes)
    key = jax.random.key(run.config.seed)
    factory = StateFactory(zeros, optimizer, key, mesh, run.config.train.sharding)
    return Pretrained(factory, run.model.params)


class Judge:
    """Evaluates on the development set and keeps the best encoder so far in best/."""

    def __init__(self, run: Run, workdir: pathlib.Path):
        self.run, self.folder = run, workdir / "best"

    def spearman(self, params: Any, pairs: sources.Pairs) -> float:
        model = dataclasses.replace(self.run.model, params=params)
        return sts.sts_spearman(model, pairs, **self.run.config.objective)

    def __call__(self, state: TrainState) -> dict[str, float]:
        params = jax.device_get(state.params)
        found, record = self.spearman(params, self.run.dev), self.folder / "best.json"
        best = huggingface.read_json(record)["dev_spearman"] if record.exists() else -1.0
        if found > best and jax.process_index() == 0:
            sentence.save(self.folder, dataclasses.replace(self.run.model, params=params))
            write_json(record, {"dev_spearman": found, "step": int(state.step)})
        return {"spearman": found, "best_spearman": max(found, best)}


def train(
    config: ConfigDict,
    workdir: pathlib.Path,
    *,
    allowed_changes: Iterable[str] = (),
    trackers: Iterable[str] = (),
) -> TrainState:
    """Trains, or goes on training, the run of `config` in `workdir`; returns the last state."""
    claim_workdir(workdir, config.to_dict(), allowed_changes)
    run, plan = make_run(config, workdir), config.train
    write_manifest(workdir, **run.facts)
    mesh = make_mesh()
    check_batch_size(plan.batch_size, mesh)
    with StopSignal() as stop:
        sinks = make_sinks(list(trackers), workdir, config.to_dict())
        writer = MetricsWriter(workdir / "metrics.jsonl", sinks)
        checkpointer = Checkpointer(workdir / "checkpoints", plan.keep)
        try:
            factory = state_factory(run, make_optimizer(plan), mesh)
            loop = _make_loop(run, workdir, writer, checkpointer, factory.factory)
            state, start = loop.resume(factory)
            stream = batches(
                run.train.take,
                len(run.train.score),
                seed=config.seed,
                batch_size=plan.batch_size,
                mesh=mesh,
                start=start,
                stop=plan.num_steps,
            )
            state, reached = loop.run(state, start, stream, stop)
        finally:
            checkpointer.close()
            writer.close()
    if reached == plan.num_steps:
        compare(run, workdir)
    return state


def _make_loop(
    run: Run,
    workdir: pathlib.Path,
    writer: MetricsWriter,
    checkpointer: Checkpointer,
    factory: StateFactory,
) -> Loop:
    plan, seed, size = run.config.train, run.config.seed, len(run.train.score)
    step = make_step(
        make_loss(run),
        factory.optimizer,
        key=factory.key,
        ema_decay=0.0,
        state=factory.abstract(),
        mesh=factory.mesh,
    )
    return Loop(
        step,
        Schedule(plan.num_steps, plan.log_every, plan.eval_every, plan.save_every),
        workdir=workdir,
        writer=writer,
        checkpointer=checkpointer,
        progress=Progress(plan.num_steps, plan.batch_size, "pairs"),
        evaluate=Judge(run, workdir),
        describe_batch=lambda s: batch_indices(seed, s, size, plan.batch_size).tolist(),
    )


def compare(run: Run, workdir: pathlib.Path) -> dict[str, Any]:
    """STS test ρ and hubness of the starting and the best encoder, written to result.json."""
    objective, where = run.config.objective, run.config.data
    best = sentence.load(workdir / "best", max_length=run.model.settings.max_length)
    models = {"before": run.model, "after": best}
    # Equal sentences would be each other's nearest neighbours: each counts once.
    spaces_of = {"sts": list(dict.fromkeys(run.test.first + run.test.second))}
    if where.ag_news:
        spaces_of["ag_news"] = list(sources.ag_news(where.ag_news).texts[: where.max_texts])
    result = {
        "objective": objective.to_dict(),
        "best": huggingface.read_json(workdir / "best/best.json"),
    }
    for name, model in models.items():
        result[name] = {"sts_test_spearman": sts.sts_spearman(model, run.test, **objective)}
        for space, members in spaces_of.items():
            found = sts.hubness_of(model, members, normalisation=objective.normalisation)
            result[name][f"hubness_{space}"] = found
    config = run.config.to_dict()
    write_json(workdir / "result.json", environment() | run.facts | {"config": config} | result)
    return result


def main() -> None:
    train(
        cli.config(),
        cli.workdir(),
        allowed_changes=cli.allowed_changes(),
        trackers=cli.trackers(),
    )


if __name__ == "__main__":
    cli.run(main)
