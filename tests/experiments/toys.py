"""Every study of the registry as a run of milliseconds: tiny, and what is costly made once."""

import functools
import importlib
import pathlib
import tempfile
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import numpy as np

from experiments.commands import STUDIES
from experiments.hubness import synthetic
from experiments.runtime.manifest import flatten
from experiments.runtime.settings import plain
from experiments.runtime.study import Study


class Toy(NamedTuple):
    """A study that runs in no time.

    Attributes:
      wrong: a value that must be refused before the folder is taken.
      change: one that a resumed run may take when it is allowed.
      fixed: one that no resumed run may take; None where there is none.
      step: the module and name of what makes the training step; None where nothing is trained.
    """

    study: Study
    config: Mapping[str, Any]
    wrong: Mapping[str, Any]
    change: Mapping[str, Any]
    fixed: Mapping[str, Any] | None = None
    step: tuple[Any, str] | None = None

    def altered(self, changes: Mapping[str, Any]) -> dict[str, Any]:
        """The config with other values of some dotted keys."""
        return _nested(flatten(self.config) | dict(changes))


def _nested(flat: Mapping[str, Any]) -> dict[str, Any]:
    tree: dict[str, Any] = {}
    for key, value in flat.items():
        *path, last = key.split(".")
        functools.reduce(lambda node, word: node.setdefault(word, {}), path, tree)[last] = value
    return tree


_made: dict[Any, Any] = {}


def once(patch: Any, module: Any, name: str, key: Callable[..., Any] = lambda *a, **k: None):
    """Replaces a function by one that computes the result for each key once a session."""
    function = getattr(module, name)

    def remembered(*args, **kwargs):
        place = (module.__name__, name, key(*args, **kwargs))
        if place not in _made:
            _made[place] = function(*args, **kwargs)
        return _made[place]

    patch.setattr(module, name, remembered)


@functools.cache
def _folder() -> str:
    """Where the files that toys read are, the same all session."""
    return tempfile.mkdtemp()


def _config(name: str, arg: str, **changes: Any) -> dict[str, Any]:
    config = importlib.import_module(f"experiments.configs.{name}").get_config(arg)
    config.update_from_flattened_dict(changes)
    return config.to_dict()


def _closeness(patch) -> dict[str, Any]:
    from experiments.closeness import study, training

    for name in ("kl_table", "perturbed_models", "all_pairs"):
        once(patch, study, name)
    once(patch, training, "make_epoch")
    once(patch, training, "make_forward")
    small = {"widths": (8,), "data.num_train": 120, "data.num_test": 60, "train.num_seeds": 2}
    return {
        "config": _config("closeness.radial", "k4:smoke", **small, **{"train.num_steps": 6}),
        "wrong": {"train.num_seeds": 1},
        "change": {"eval.min_models": 3},
        "fixed": {"train.batch_size": 32},
        "step": (training, "make_epoch"),
    }


def _distill(patch) -> dict[str, Any]:
    from experiments.distill import stages, study

    once(patch, stages, "make_epoch", lambda group, *rest: group.size)
    once(patch, stages, "make_forward", lambda model, scale: repr(model))
    once(patch, study, "make_measures")
    small = {"teacher.num": 1, "student.num": 2, "eval.num_sets": 3}
    return {
        "config": _config("distill.spiral", "l2:smoke", **small),
        "wrong": {"student.epochs": 0},
        "change": {"log_every": 2},
        "fixed": {"student.batch_size": 32},
        "step": (stages, "make_epoch"),
    }


def _label_cosine(patch) -> dict[str, Any]:
    from experiments import arrays
    from experiments.label_cosine import study as label_cosine

    for name in ("translations", "signs_and_ranks", "regions_from_cosines", "lengths"):
        once(patch, label_cosine.examples, name)
    once(patch, label_cosine.examples, "competing_labels")
    once(patch, label_cosine, "summarise")
    small = {"cases": ((3, 2),), "seeds": 1, "num_inputs": 500, "cosines": (0.0,)}
    path = f"{_folder()}/matrix.npz"
    arrays.save(path, {"W": np.random.default_rng(0).normal(size=(12, 4))})
    return {
        "config": _config("label_cosine.paper", "smoke", matrix=f"{path}:W", **small),
        "wrong": {"matrix": "nowhere.npz:W"},
        "change": {"num_inputs": 3},
    }


def _hubness(patch) -> dict[str, Any]:
    from experiments.hubness import study

    once(patch, study, "evaluate", lambda method, x, labels, split, **k: (method.name, split.seed))
    once(patch, study, "compare", lambda a, b: (a.row["seed"], a.row["method"], b.row["method"]))
    return {
        "config": _config("hubness.ag_news", "static:smoke", methods=("csls", "f-norm")),
        "wrong": {"methods": ("clsl",)},
        "change": {"methods": ("csls",)},
    }


def _judgement(patch) -> dict[str, Any]:
    from experiments.hubness import advice

    patch.setattr(advice, "TRIED", ("none", "csls"))
    patch.setattr(advice, "TIMED", 0.0)
    x, texts = synthetic.blobs(seed=0, n=60, d=8)
    folder = _folder()
    np.save(f"{folder}/x.npy", x)
    np.save(f"{folder}/y.npy", texts.labels)
    files = {"embeddings": f"{folder}/x.npy", "labels": f"{folder}/y.npy"}
    return {
        "config": {**files, "metric": "cosine", "max_queries": 100, "reductions": False},
        "wrong": {"metric": "manhattan"},
        "change": {"max_queries": 90},
    }


def _prediction_hubs(patch) -> dict[str, Any]:
    from experiments.prediction_hubs import models, study

    once(patch, models.lm, "load", lambda *a, **k: None)
    once(patch, models.language_model, "check_head")
    once(patch, study, "search", lambda space, c, d, sample, **k: (c, d, sample and sample.name))
    once(patch, study.distances, "summarise", lambda s, c, d, sample, **k: (c, d, str(sample)))
    for name in ("hub_table", "accuracy"):
        once(patch, study.analysis, name, lambda *a: next(f.key for f in a if hasattr(f, "key")))
    for name in ("uniformity", "mitigation"):
        once(patch, study.analysis, name)
    small = {"comparisons": ("ct", "tt"), "distances": ("dot",), "corpora": "one=12"}
    return {
        "config": _config("prediction_hubs.smollm2", "all:smoke", **small),
        "wrong": {"distances": ("dots",)},
        "change": {"num_top": 4},
    }


def _sbert(patch) -> dict[str, Any]:
    from experiments.sbert import study as train_sbert

    small = {"num_steps": 4, "save_every": 2, "eval_every": 2, "log_every": 2}
    small = {f"train.{name}": value for name, value in small.items()}
    read = train_sbert._read  # into a folder that outlives the preparation
    kept = lambda config, _: read(config, pathlib.Path(_folder()) / "sbert")
    patch.setattr(train_sbert, "_read", kept)
    once(patch, train_sbert, "_read")
    once(patch, train_sbert, "make_step")
    once(patch, train_sbert.sts, "hubness_of", lambda model, *a, **k: None)
    return {
        "config": _config("sbert.sts", "cos-none:smoke", **small),
        "wrong": {"train.learning_rate": -1.0},
        "change": {"train.log_every": 1},
        "fixed": {"train.batch_size": 8},
        "step": (train_sbert, "make_step"),
    }


def _diffenc(patch) -> dict[str, Any]:
    from experiments.diffenc import train as train_diffenc

    once(patch, train_diffenc, "make_step")
    once(patch, train_diffenc, "make_evaluator")
    # The same points every time; making them takes longer than all the rest.
    once(patch, importlib.import_module("experiments.data.sources"), "swirl")
    return {
        "config": _config("diffenc.swirl", "vdmv:smoke", **{"eval.batch_size": 4096}),
        "wrong": {"train.ema_decay": 1.5},
        "change": {"train.eval_every": 2},
        "fixed": {"model.options.width": 16},
        "step": (train_diffenc, "make_step"),
    }


def _compare(patch) -> dict[str, Any]:
    from experiments.compare import study as compare

    for name in ("measure", "resample"):
        once(patch, compare, name, lambda name, *a: name)
    once(patch, compare, "bounds")
    folder, r = _folder(), np.random.default_rng(0)
    for name in ("one", "two"):
        np.savez(f"{folder}/{name}.npz", f=r.normal(size=(20, 2)), g=r.normal(size=(5, 2)))
    models = (f"{folder}/one.npz", f"{folder}/two.npz")
    return {
        "config": plain(compare.Config(models=models, draws=20, every=False)),
        "wrong": {"measures": "mca"},
        "change": {"draws": 21},
    }


MAKERS: dict[str, Callable[[Any], dict[str, Any]]] = {
    "diffenc.train": _diffenc,
    "closeness": _closeness,
    "distill": _distill,
    "label_cosine": _label_cosine,
    "hubness": _hubness,
    "hubness --embeddings": _judgement,
    "prediction_hubs": _prediction_hubs,
    "sbert": _sbert,
    "compare": _compare,
}


def make(name: str, patch: Any) -> Toy:
    """The toy of a study; `patch` is pytest's monkeypatch, or one of its contexts."""
    return Toy(study=STUDIES[name].load(), **MAKERS[name](patch))
