"""Every value of every study is checked before its folder is taken (promise 3a).

Oracles: values that no field of a type can mean, for every field there is; faults as reported.
"""

import dataclasses
import functools
import importlib
import json
import math
import pathlib
import types
from typing import Annotated, Literal, Union, get_args, get_origin, get_type_hints

import pytest

import diffenc
from experiments.closeness import networks as closeness_networks
from experiments.closeness.config import Model
from experiments.commands import STUDIES
from experiments.diffenc.config import VARIANTS
from experiments.distill import networks as distill_networks
from experiments.distill.config import Network
from experiments.runtime import study
from experiments.runtime.errors import UserError
from experiments.runtime.ranges import Range
from experiments.runtime.settings import plain
from similarity.constructions import PERTURBATION_STEP

CONFIGS = pathlib.Path(study.__file__).parents[1] / "configs"
RESULTS = CONFIGS.parents[1] / "results"
JUDGED = "hubness.study:JUDGEMENT"
# What no field of a type can mean.
NEVER = {
    bool: (2, "perhaps", None),
    int: (-(10**9), 10**30, 2.5, "many", True, math.nan),
    float: (math.nan, math.inf, -math.inf, "much", True),
    str: (" ", "no\0word", 3, ("a",)),
}
WITHOUT_FILES = {
    "compare": [{"models": ("a.npy", "b.npy"), "texts": "text:x"}],
    "hubness --embeddings": [{"embeddings": "x.npy", "labels": "y.npy"}],
}


@functools.cache
def bases(name):
    """Configs of a study that among them have every class of its settings."""
    if name in WITHOUT_FILES:
        return WITHOUT_FILES[name]
    files = sorted((CONFIGS / name.split(".")[0]).glob("[!_]*.py"))
    modules = [
        importlib.import_module(f"experiments.configs.{f.parent.name}.{f.stem}") for f in files
    ]
    return [m.get_config(arg).to_dict() for m in modules for arg in ("", "smoke")]


def classes(kind):
    """A dataclass, and all that are below it."""
    yield kind
    for hint in get_type_hints(kind).values():
        for member in get_args(hint) or (hint,):
            if dataclasses.is_dataclass(member):
                yield from classes(member)


def leaves(config, path=()):
    """The path, class, name and hint of every value of a config."""
    for name, hint in get_type_hints(type(config), include_extras=True).items():
        if dataclasses.is_dataclass(value := getattr(config, name)):
            yield from leaves(value, (*path, name))
        else:
            yield (*path, name), type(config), name, hint


def planted(given, path, value):
    """A mapping with another value at a path."""
    first, *rest = path
    return {**given, first: planted(given[first], rest, value) if rest else value}


def stated(hint):
    """Types and ranges below a hint, and whether all of it is stated."""
    origin, members = get_origin(hint), get_args(hint)
    if origin is Annotated:
        return isinstance(members[1], Range) and (members[0] in NEVER or stated(members[0]))
    if origin in (tuple, Union, types.UnionType):
        return all(stated(m) for m in members if m not in (Ellipsis, types.NoneType))
    return hint is bool or origin is Literal


def wrong(hint):
    """Values that no field of this hint may take."""
    origin, members = get_origin(hint), get_args(hint)
    if origin is Annotated:
        yield from wrong(members[0])
    elif origin in (Union, types.UnionType):
        yield from (value for value in wrong(members[0]) if value is not None)
    elif origin is tuple:
        yield from (3, "nosuch")
        rest = () if members[-1] is ... else [next(iter(good(m))) for m in members[1:]]
        yield from ((value, *rest) for value in wrong(members[0]))
    else:
        yield from ("nosuch", -7, None, True) if origin is Literal else NEVER[hint]


def good(hint):
    """A value of a type, for the company of a wrong one."""
    base = get_args(hint)[0]
    return {int: (5,), str: ("word",)}[base]


@pytest.mark.parametrize("name", STUDIES)
def test_every_field_states_what_it_accepts_and_refuses_the_rest(name):
    made, met = STUDIES[name].load(), set()
    for base in bases(name):
        config = made.read(base)
        for path, kind, field, hint in leaves(config):
            if (kind, field) in met:
                continue
            met.add((kind, field))
            assert stated(hint), f"{kind.__name__}.{field} states no range: see runtime/ranges.py"
            for value in wrong(hint):
                with pytest.raises(UserError, match=f"{made.key}{'.'.join(path)}"):
                    made.read(planted(plain(config), path, value))
                    pytest.fail(f"{'.'.join(path)}={value!r} is accepted")
    declared = {
        (kind, field.name) for kind in classes(made.settings) for field in dataclasses.fields(kind)
    }
    assert {(k, f) for k, f in declared if not _holds_classes(k, f)} == met


def _holds_classes(kind, field):
    hint = get_type_hints(kind)[field]
    return any(dataclasses.is_dataclass(member) for member in get_args(hint) or (hint,))


def test_configs_of_recorded_runs_are_accepted():
    """Those of results/ as they were run, and every model of every diffusion config."""
    named = {made.load().name: made.load() for made in STUDIES.values() if made.study != JUDGED}
    for path in sorted(RESULTS.glob("*/*.json")):
        record = json.loads(path.read_text())
        if path.parent.name in named and "config" in record:
            named[path.parent.name].read(record["config"])
    for file in sorted((CONFIGS / "diffenc").glob("[!_]*.py")):
        get_config = importlib.import_module(f"experiments.configs.diffenc.{file.stem}").get_config
        for word in (*diffenc.NAMES, *(f"diffenc:{word}" for word in VARIANTS)):
            named["diffenc"].read(get_config(word).to_dict())


@pytest.mark.parametrize("name", STUDIES)
def test_a_config_made_by_a_program_is_held_to_it_too(name, tmp_path):
    made = STUDIES[name].load()
    config = made.read(bases(name)[0])
    number = next(n for n in ("seed", "local_k", "max_queries") if hasattr(config, n))
    with pytest.raises(UserError, match=f"{made.key}{number}=-1; accepted is an integer"):
        config = dataclasses.replace(config, **{number: -1})
        study.run(made, config, study.Request(tmp_path / "run"))
    assert not list(tmp_path.iterdir())


REPORTED = [  # cases C3 and R19, and what a search with one bad value each found
    ("label_cosine", "paper", "cosines", (5.0,), r"cosines\[0\]=5.0; .* in \[-1, 1\]"),
    ("label_cosine", "paper", "seeds", 0, "seeds=0; accepted is an integer ≥ 1"),
    ("label_cosine", "paper", "num_inputs", -5, "num_inputs=-5; accepted is an integer ≥ 1"),
    ("label_cosine", "paper", "bias", "b.npy", "give config.matrix"),
    ("label_cosine", "paper", "cases", ((2, 2),), r"cases\[0\]\[0\]=2; .* ≥ 3"),
    ("label_cosine", "paper", "cases", (), r"cases=\(\); accepted is 1 value or more"),
    ("closeness", "radial", "constructed.labels", (), "accepted is 1 value or more"),
    ("closeness", "radial", "constructed.labels", (7,), r"labels\[0\]=7; accepted is 4 or 5"),
    ("closeness", "radial", "data.num_train", 0, "num_train=0; accepted is an integer ≥ 1"),
    ("closeness", "radial", "train.num_seeds", 1, "num_seeds=1; accepted is an integer ≥ 2"),
    ("closeness", "radial", "train.learning_rate", 0.0, "accepted is a finite number > 0"),
    ("closeness", "radial", "model.embedding", "mpl", "Did you mean 'mlp'"),
    ("distill", "spiral", "model.student.dim", -5, "student.dim=-5; accepted is an integer ≥ 1"),
    ("distill", "spiral", "model.teacher.dropout", 1.0, r"dropout=1.0; .* in \[0, 1\)"),
    ("distill", "spiral", "teacher.gamma", 2.0, r"gamma=2.0; .* in \(0, 1\]"),
    ("distill", "spiral", "student.held_epochs", -5, "held_epochs=-5"),
    ("distill", "spiral", "objectives", ("kl", "kl"), "none of them twice"),
    ("distill", "spiral", "objectives", ("kll",), "Did you mean 'kl'"),
    ("distill", "spiral", "data.path", "nosuch", "the arms of spirals are drawn, not read"),
    ("distill", "spiral", "seed", 2**70, r"accepted is an integer in \[0, 4294967296\)"),
    ("distill", "attributes", "data.size", 28, "data.size=28 means nothing for digits"),
    ("hubness", "newsgroups", "methods", (), "accepted is 1 value or more"),
    ("hubness", "newsgroups", "methods", ("clsl",), "Did you mean 'csls'"),
    ("hubness", "newsgroups", "seeds", (0, 0), "none of them twice"),
    ("hubness", "newsgroups", "space", "statik", "Did you mean 'static'"),
    ("hubness", "newsgroups", "space", "file:", "file:FILE"),
    ("hubness", "newsgroups", "texts", "nosuch", "yahoo:FILE"),
    ("prediction_hubs", "smollm2", "bootstrap", -5, "bootstrap=-5"),
    ("prediction_hubs", "smollm2", "comparisons", ("ct", "ct"), "none of them twice"),
    ("prediction_hubs", "smollm2", "distances", (), "accepted is 1 value or more"),
    ("prediction_hubs", "smollm2", "hubs.rule", "nosuch", "absolute or relative or quantile"),
    ("prediction_hubs", "smollm2", "hubs.rule", "quantile", "of rule 'quantile' at most 1"),
    ("diffenc.train", "swirl", "eval.volatility", "optimum", "Did you mean 'optimal'"),
    ("diffenc.train", "swirl", "data.size", 14, "size=14 means nothing for swirl: leave it out"),
    ("diffenc.train", "swirl", "data.channels", 3, "channels=3 means nothing for swirl"),
    ("diffenc.train", "swirl", "data.levels", 9, "levels=9 means nothing for swirl"),
    ("diffenc.train", "swirl", "data.crop", "none", "crop='none' means nothing for swirl"),
    ("diffenc.train", "swirl", "data.split", "seeded", "split='seeded' means nothing for swirl"),
    ("diffenc.train", "swirl", "data.test_share", 0.2, "test_share=0.2 means nothing for swirl"),
    ("diffenc.train", "swirl", "data.path", "x.npz", "choose one of fashion_mnist, images"),
    ("diffenc.train", "swirl", "seed", 2**70, "seed=1180591620717411303424; accepted"),
    ("diffenc.train", "cifar10", "data.channels", 1, "channels=1 means nothing for cifar10"),
    # What passed every check and ended in a traceback, or never, after the folder was taken.
    ("diffenc.train", "digits", "train.batch_size", 8 * 10**7, "up to 4,096 in a batch"),
    ("closeness", "radial", "train.batch_size", 10**8, "=100000000 for 500 training examples"),
    ("distill", "spiral", "teacher.batch_size", 10**8, "teacher.batch_size=.* up to 4,096"),
    ("distill", "spiral", "student.batch_size", 10**8, "student.batch_size=.* up to 4,096"),
    ("sbert", "sts", "train.batch_size", 10**8, "for 64 training examples"),
    ("closeness", "radial", "eval.num_inputs", 2, r"model.dim \+ 1 = 3 of them"),
    ("closeness", "radial", "data.num_test", 2, "num_inputs=200 of 2 test inputs"),
    ("prediction_hubs", "smollm2", "k", 10**5, "k=100000: contexts to tokens has"),
    ("prediction_hubs", "smollm2", "k", 40, "contexts to contexts has 39 points"),
    ("prediction_hubs", "smollm2", "corpora", "one=20,two=9", "k=10: contexts to contexts has 8"),
    ("hubness", "newsgroups", "local_k", 200, "local_k=200: nicdm finds at most 199 .* of 200"),
    ("closeness", "radial", "data.num_train", 10**10, "integer ≥ 1, at most 1,000,000"),
    ("closeness", "radial", "model.depth", 10**9, "an integer ≥ 0, at most 1,000"),
    ("closeness", "radial", "labels", (2**31,), r"labels\[0\]=2147483648; .* at most 1,000"),
    ("closeness", "radial", "constructed.perturbations", 10**9, "at most 250"),
    ("distill", "spiral", "data.per_arm", 10**9, "per_arm=1000000000; .* at most 1,000,000"),
    ("distill", "spiral", "student.num", 10**9, "num=1000000000; .* at most 1,000"),
    ("distill", "spiral", "eval.num_sets", 10**9, "an integer ≥ 0, at most 1,000,000"),
    ("distill", "spiral", "student.epochs", 2**31, "integer ≥ 1, at most 2,147,483,647"),
    ("label_cosine", "paper", "cases", ((10, 4), (10, 6)), r"\(10, 6\) has more than 1,000,000"),
    ("diffenc.train", "swirl", "model.options.num_layers", 10**9, "≥ 0, at most 1,000"),
    ("diffenc.train", "swirl", "model.options.width", 2**63, "≥ 2, at most 1,000,000"),
]


@pytest.mark.parametrize("name, file, key, value, message", REPORTED)
def test_what_was_taken_or_ended_in_a_traceback(name, file, key, value, message, tmp_path):
    made = STUDIES[name].load()
    folder = name.split(".")[0]
    config = importlib.import_module(f"experiments.configs.{folder}.{file}").get_config("smoke")
    given = planted(config.to_dict(), key.split("."), value)
    with pytest.raises(UserError, match=message):
        study.run(made, made.read(given), study.Request(tmp_path / "run"))
    assert not list(tmp_path.iterdir())


def test_words_of_a_config_are_those_of_its_tables():
    words = lambda kind, field: {*get_args(get_type_hints(kind)[field])}
    assert words(Model, "embedding") == closeness_networks.EMBEDDINGS.keys()
    assert words(Network, "embedding") == distill_networks.EMBEDDINGS.keys()
    assert words(Network, "head") == distill_networks.HEADS.keys()
    constructed = importlib.import_module("experiments.closeness.config").Constructed
    (labels,) = {*get_args(get_type_hints(constructed)["labels"])} - {...}
    assert {*get_args(labels)} == PERTURBATION_STEP.keys()
