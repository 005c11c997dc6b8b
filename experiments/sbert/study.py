"""The study of a sentence encoder's training: data, loss, judgement, publication."""

import dataclasses
import functools
import pathlib
import shutil
import tempfile
import weakref
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import optax
from jax.sharding import Mesh
from matplotlib.figure import Figure

from experiments.arrays import flatten
from experiments.data.texts import sources
from experiments.models import tiny
from experiments.models.sentence import encoder as sentence
from experiments.models.sentence import huggingface, spaces
from experiments.models.sentence.bert import Encoder
from experiments.models.sentence.pooling import pool
from experiments.runtime import study
from experiments.runtime.batches import batch_indices, batches, check_batch_size
from experiments.runtime.loop import Loop
from experiments.runtime.mesh import make_mesh
from experiments.runtime.metrics import read_metrics
from experiments.runtime.optimizers import adamw
from experiments.runtime.progress import Progress
from experiments.runtime.ranges import check_batch_fits
from experiments.runtime.settings import plain
from experiments.runtime.state import StateFactory, TrainState
from experiments.runtime.step import make_step
from experiments.runtime.study import Record, Study
from experiments.runtime.workspace import METRICS, Workspace
from experiments.sbert import sts, tables
from experiments.sbert.config import Config, Train
from experiments.sbert.figures import figures
from experiments.sbert.objectives import pair_losses


@dataclasses.dataclass(frozen=True, kw_only=True)
class Prepared(study.Prepared[Config]):
    """Everything that a config determines."""

    model: sentence.SentenceModel
    train: sts.TrainingPairs
    dev: sources.Pairs
    test: sources.Pairs
    texts: tuple[str, ...]
    mesh: Mesh

    def state_factory(self) -> "Pretrained":
        """How the state at step 0 is made: the model's parameters, a fresh optimiser."""
        # Zeros stand in while the state is laid out: compiled code need not hold the weights.
        shapes = huggingface.param_shapes(self.model.config)
        zeros = lambda _: jax.tree.map(lambda s: jnp.zeros(s.shape, s.dtype), shapes)
        key, train = jax.random.key(self.config.seed), self.config.train
        factory = StateFactory(zeros, make_optimizer(train), key, self.mesh, train.sharding)
        return Pretrained(factory, self.model.params)


def prepare(config: Config) -> Prepared:
    """Reads model and data. Raises `UserError` for what is missing or does not fit."""
    plan, where = config.train, config.data
    mesh = make_mesh()
    check_batch_size(plan.batch_size, mesh)
    # A smoke run's synthetic model: the encoders saved later copy its tokenizer from there.
    folder = pathlib.Path(tempfile.mkdtemp())
    model, splits = _read(config, folder)
    check_batch_fits("config.train.batch_size", plan.batch_size, len(splits["train"].score))
    texts = sources.ag_news(where.ag_news).texts if where.ag_news else ()
    digests = {f"STS {split}": pairs.sha256 for split, pairs in splits.items()}
    prepared = Prepared(
        config=config,
        digests=digests | {"model": model.sha256},
        facts={k: {"pairs": len(p.score), "sha256": p.sha256} for k, p in splits.items()},
        model=model,
        train=sts.training_pairs(model, splits["train"]),
        dev=splits["dev"],
        test=splits["test"],
        texts=tuple(texts[: where.max_texts]),
        mesh=mesh,
    )
    prepared = dataclasses.replace(prepared, layouts={"": prepared.state_factory().abstract})
    weakref.finalize(prepared, shutil.rmtree, folder, ignore_errors=True)
    return prepared


def _read(config: Config, folder: pathlib.Path):
    """The model and the splits; of a smoke run, synthetic ones in `folder`."""
    where, data = config.model.folder, config.data.folder
    if config.data.smoke:
        where = tiny.write_encoder(folder / "tiny-model")
        data = str(tiny.write_sts(folder / "tiny-sts", {"train": 64, "dev": 32, "test": 32}))
    # The objective has its own normalisation: embeddings are trained and judged from the pooled.
    most = config.model.max_length
    model = sentence.load(where or spaces.minilm_folder(), max_length=most)
    splits = {split: sts.read_split(data, split) for split in ("train", "dev", "test")}
    settings = dataclasses.replace(model.settings, normalise=False)
    return dataclasses.replace(model, settings=settings), splits


def make_optimizer(train: Train) -> optax.GradientTransformation:
    """AdamW with linear warm-up and linear decay to zero; no decay on biases and norm scales."""
    peak, num_steps = train.learning_rate, train.num_steps
    warmup = max(1, round(train.warmup_fraction * num_steps))
    rate = optax.join_schedules(
        [
            optax.linear_schedule(0.0, peak, warmup),
            optax.linear_schedule(peak, 0.0, max(1, num_steps - warmup)),
        ],
        [warmup],
    )
    return adamw(
        rate,
        weight_decay=train.weight_decay,
        undecayed=("bias", "scale"),
        grad_clip=train.grad_clip,
    )


def make_loss(prepared: Prepared):
    """`loss(params, batch, key)`: the loss of each pair, with dropout."""
    encoder, names = Encoder(prepared.model.config), plain(prepared.config.objective)

    def loss(params: Any, batch: dict[str, jax.Array], key: jax.Array):
        # Both sides of all pairs in one pass.
        ids, mask = (batch[name].reshape(-1, batch[name].shape[-1]) for name in ("ids", "mask"))
        hidden = jnp.asarray(
            encoder.apply({"params": params}, ids, mask, False, rngs={"dropout": key})
        )
        pooled = pool(hidden, mask, prepared.model.settings.pooling)
        u, v = pooled.reshape(len(batch["score"]), 2, -1).swapaxes(0, 1)
        return {"loss": pair_losses(u, v, batch["score"], **names)}

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


class Judge:
    """Evaluates on the development set and keeps the best encoder so far.

    best.npz holds its parameters; best/ is a copy of it that other programs read.
    """

    def __init__(self, prepared: Prepared, space: Workspace, start: int):
        self.prepared, self.space = prepared, space
        self.inputs = {"model": prepared.model.sha256, **prepared.digests}
        self.best = -1.0
        if (space.path / "best.npz").exists():
            best = space.store.read("best")
            # A run that resumed at an earlier step has not seen this one.
            self.best = best["dev_spearman"] if best["step"] <= start else -1.0

    def __call__(self, state: TrainState) -> dict[str, float]:
        params = jax.device_get(state.params)
        model = dataclasses.replace(self.prepared.model, params=params)
        objective = plain(self.prepared.config.objective)
        found = sts.sts_spearman(model, self.prepared.dev, **objective)
        if found > self.best:
            self.best = found
            part = {"dev_spearman": found, "step": int(state.step)}
            self.space.store.put("best", self.inputs, part | flatten(params))
            sentence.save(self.space.path / "best", model)
        return {"spearman": found, "best_spearman": self.best}


def run(prepared: Prepared, space: Workspace) -> dict[str, Any]:
    """Trains what is left; STS test ρ and hubness of the starting and the best encoder."""
    plan, config = prepared.config.train, prepared.config
    factory = prepared.state_factory()
    with space.metrics() as writer, space.checkpoints(plan.keep) as checkpointer:
        loop = Loop(
            _make_step(prepared, factory),
            plan.schedule,
            workspace=space,
            writer=writer,
            checkpointer=checkpointer,
            progress=Progress(plan.num_steps, plan.batch_size, "pairs"),
            describe_batch=functools.partial(_indices, prepared),
        )
        state, start = loop.resume(space.starting(factory))
        loop.evaluate = Judge(prepared, space, start)
        judged = any(line["split"] == "test" for line in read_metrics(space.path / METRICS))
        if start == plan.num_steps and not judged:
            loop.evaluated = False  # where nothing is left to train, what is there is judged
        stream = batches(
            prepared.train.take,
            len(prepared.train.score),
            seed=config.seed,
            batch_size=plan.batch_size,
            mesh=prepared.mesh,
            start=start,
            stop=plan.num_steps,
        )
        loop.run(state, start, stream)
    return _compare(prepared, space)


def _make_step(prepared: Prepared, factory: Pretrained):
    made = factory.factory
    return make_step(
        make_loss(prepared),
        made.optimizer,
        key=made.key,
        ema_decay=0.0,
        state=factory.abstract(),
        mesh=prepared.mesh,
    )


def _indices(prepared: Prepared, step: int) -> list[int]:
    size, batch_size = len(prepared.train.score), prepared.config.train.batch_size
    return batch_indices(prepared.config.seed, step, size, batch_size).tolist()


def _compare(prepared: Prepared, space: Workspace) -> dict[str, Any]:
    objective, model = plain(prepared.config.objective), prepared.model
    best = space.store.read("best")
    names = flatten(model.params)
    params = jax.tree.unflatten(jax.tree.structure(model.params), [best[name] for name in names])
    models = {"before": model, "after": dataclasses.replace(model, params=params)}
    sentence.save(space.path / "best", models["after"])
    # Equal sentences would be each other's nearest neighbours: each counts once.
    test = prepared.test
    spaces_of = {"sts": list(dict.fromkeys(test.first + test.second))}
    if prepared.texts:
        spaces_of["ag_news"] = list(prepared.texts)
    result = {
        "objective": objective,
        "model": {"name": model.family, "sha256": model.sha256},
        "best": {name: best[name] for name in ("dev_spearman", "step")},
    }
    for name, one in models.items():

        def judge(one: Any = one) -> dict[str, Any]:
            found: dict[str, Any] = {"sts_test_spearman": sts.sts_spearman(one, test, **objective)}
            for where, members in spaces_of.items():
                judged = sts.hubness_of(one, members, normalisation=objective["normalisation"])
                found[f"hubness_{where}"] = judged
            return found

        inputs = [flatten(one.params), objective, prepared.digests, list(prepared.texts)]
        result[name] = space.part(name, inputs, judge)
    return result


def draw(record: Record, prepared: Prepared, space: Workspace) -> dict[str, Figure]:
    """The training curves."""
    return figures(read_metrics(space.path / METRICS))


STUDY = Study(
    name="sbert",
    settings=Config,
    prepare=prepare,
    run=run,
    figures=draw,
    reporting=tables,
    fixed={
        "seed": "the order of the data and the noise would change within a run",
        "train.batch_size": "the data position is counted in batches",
    },
    trains=True,
    no_weights="",
)
