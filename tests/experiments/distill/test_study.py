"""The distillation entry point on small runs. Oracles: an uninterrupted run, bounds, refusals."""

import importlib
import json
import re
import shutil

import numpy as np
import pytest

import experiments.distill.stages as stages
from experiments.distill.aggregate import read_course
from experiments.distill.measures import BOUNDS, DIRECTIONS
from experiments.distill.study import STUDY
from experiments.runtime import study
from experiments.runtime.errors import UserError
from experiments.runtime.files import read_json, write_json
from experiments.runtime.manifest import flatten


def get_config(name, arg, **changes):
    module = importlib.import_module(f"experiments.configs.distill.{name}")
    config = module.get_config(arg)
    config.update_from_flattened_dict(changes)
    return config


def distil(config, folder, allowed=(), figures=False):
    """The record of a run; drawing takes as long as all the rest, so few of them draw."""
    config = STUDY.read(config.to_dict())
    made = STUDY if figures else STUDY._replace(figures=lambda *a: {})
    return study.run(made, config, study.Request(folder, allowed), say=lambda line: None)


SMALL = {
    "data.per_arm": 40,
    "teacher.epochs": 12,
    "student.epochs": 12,
    "teacher.learning_rate": 1e-2,
    "student.learning_rate": 1e-2,
    "eval.every": 4,
    "save_every": 4,
}


@pytest.fixture(scope="module")
def spiral(tmp_path_factory):
    """A finished small run of all three objectives: its folder and summary."""
    folder = tmp_path_factory.mktemp("spiral")
    return folder, distil(get_config("spiral", "all:smoke", **SMALL), folder, figures=True)


def test_a_run_leaves_its_files_and_every_measure(spiral):
    folder, summary = spiral
    for name in ("config.json", "manifest.json", "record.json", "tables.md", "teacher_outputs.npz"):
        assert (folder / name).stat().st_size > 0
    assert {p.stem for p in (folder / "figures").iterdir()} == {"epochs", "bound", "concept"}
    final = summary["objectives"]["l1"]["final"]
    assert set(final) == set(DIRECTIONS) - {"unseen_accuracy"}
    assert json.loads((folder / "record.json").read_text())["claims"].keys() == {"l1", "l2"}


def test_every_bound_holds_along_the_whole_run(spiral):
    folder, _ = spiral
    for objective in ("kl", "l1", "l2"):
        course = read_course(folder / objective / "per_model.jsonl", 2)
        assert course.epochs.tolist() == [4, 8, 12]
        for name in set(BOUNDS) - {"concept_kl"}:
            assert course.values[f"{name}_holds"].all(), name
            slack = course.values[f"{name}_rhs"] - course.values[f"{name}_lhs"]
            assert (slack >= 0).all(), name


def test_students_follow_their_objective(spiral):
    """What a student minimises falls along the run, and below what it is without distillation."""
    folder, _ = spiral
    for objective, measure in (("kl", "kl"), ("l2", "d_logit")):
        values = read_course(folder / objective / "per_model.jsonl", 2).values[measure]
        assert (values[-1] < values[0]).all(), objective


def test_teacher_logits_are_those_of_the_teachers_on_what_students_see(spiral):
    folder, _ = spiral
    with np.load(folder / "teacher_outputs.npz") as stored:
        assert stored["logits"].shape == (2, 560, 7)
        assert stored["f"].shape == (2, 280, 2) and stored["g"].shape == (2, 7, 2)


def test_stopped_between_saves_and_resumed_is_equal_to_the_bit(spiral, tmp_path, monkeypatch):
    folder, _ = spiral
    config = get_config("spiral", "kl:smoke", **SMALL)
    make_epoch = stages.make_epoch

    class Killed(BaseException):
        """Stands for a process that ends without a chance to tidy up."""

    def dying(group, *rest):
        epoch = make_epoch(group, *rest)

        def until_six(population, index):
            if group.size == 4 and index == 6:
                raise Killed
            return epoch(population, index)

        return until_six

    monkeypatch.setattr(stages, "make_epoch", dying)
    with pytest.raises(Killed):
        distil(config, tmp_path)
    monkeypatch.setattr(stages, "make_epoch", make_epoch)
    distil(config, tmp_path)
    for path in ("teacher/per_model.jsonl", "kl/per_model.jsonl", "kl/metrics.jsonl"):
        assert (tmp_path / path).read_text() == (folder / path).read_text()


def test_longer_teachers_under_an_allowed_change_are_followed_by_their_students(tmp_path):
    """Case R7. Oracle: the longer run, made at once."""
    short = get_config("spiral", "kl:smoke", **SMALL, **{"eval.num_sets": 5})
    longer = get_config("spiral", "kl:smoke", **SMALL | {"teacher.epochs": 16, "eval.num_sets": 5})
    distil(short, tmp_path / "run")
    after = distil(longer, tmp_path / "run", ["teacher.epochs"])
    straight = distil(longer, tmp_path / "straight")
    for name in ("teachers", "objectives"):
        assert after[name] == straight[name]
    assert (tmp_path / "run" / "kl.old1" / "checkpoints").is_dir()  # nothing is lost


@pytest.mark.parametrize(
    "name",
    ["attributes", *(pytest.param(name, marks=pytest.mark.slow) for name in ("sub", "cifar100"))],
)
def test_smoke(name, tmp_path):
    summary = distil(get_config(name, "l2:smoke"), tmp_path, figures=True)
    values = summary["objectives"]["l2"]["final"]
    assert ("concept_accuracy" in values) == (name != "cifar100")
    assert summary["teachers"]["rank_of_centred_unembeddings"] == [2, 2]
    if name == "attributes":
        assert summary["objectives"]["l2"]["bounds"]["concept_kl"]["held"] == 8
        assert len(summary["teachers"]["norm_of_B"]) == 2


def test_finetuning_starts_from_the_given_students_and_teachers(spiral, tmp_path):
    """With a rate of nought nothing is trained: the students are those of the run before."""
    folder, before = spiral
    changes = SMALL | {
        "teacher.run": str(folder),
        "student.start_from": str(folder),
        "student.epochs": 1,
        "student.learning_rate": 0.0,
        "loss.label_weight": 1.0,
    }
    after = distil(get_config("spiral", "kl:smoke", **changes), tmp_path)
    for name in ("accuracy", "kl", "mcca"):
        assert after["objectives"]["kl"]["final"][name] == before["objectives"]["kl"]["final"][name]


@pytest.mark.parametrize(
    ("changes", "distilled"),
    [
        ({"data.split": "interpolation"}, 392),
        pytest.param({"data.split": "extrapolation"}, 238, marks=pytest.mark.slow),
        pytest.param({"data.per_arm": 20}, 280, marks=pytest.mark.slow),
    ],
    ids=["interpolation", "extrapolation", "fewer examples"],
)
def test_splits_and_fewer_examples_with_the_teachers_of_the_full_run(
    spiral, tmp_path, changes, distilled
):
    """Counts: 12 of an arm's 40 radii 1, ..., 10 lie within (4, 7) and 17 within (3, 7), of which
    560 examples are a random half. The teachers' weights are those of the run named."""
    folder, before = spiral
    changes = SMALL | {"teacher.run": str(folder), "student.epochs": 4} | changes
    after = distil(get_config("spiral", "l2:smoke", **changes), tmp_path)
    assert after["data"]["distilled_size"] == pytest.approx(distilled, abs=15)
    assert after["teachers"]["singular_values"] == before["teachers"]["singular_values"]
    assert ("unseen_accuracy" in after["objectives"]["l2"]["final"]) == ("data.split" in changes)
    with np.load(tmp_path / "teacher_outputs.npz") as stored:
        assert stored["logits"].shape == (2, after["data"]["distilled_size"], 7)


def test_damaged_students_are_refused_before_their_teachers_are_trained(spiral, tmp_path):
    folder, _ = spiral
    damaged = tmp_path / "damaged"
    shutil.copytree(folder, damaged)
    largest = max((damaged / "kl/checkpoints/12/state").rglob("*"), key=lambda p: p.stat().st_size)
    content = bytearray(largest.read_bytes())
    content[len(content) // 2] ^= 1
    largest.write_bytes(bytes(content))
    changes = SMALL | {"student.start_from": str(damaged)}
    with pytest.raises(UserError, match="no intact checkpoint"):
        distil(get_config("spiral", "kl:smoke", **changes), tmp_path / "work")
    assert not (tmp_path / "work").exists()


@pytest.mark.parametrize("name", ["attributes", "cifar100", "spiral", "sub"])
def test_options_that_a_config_describes_exist(name):
    module = importlib.import_module(f"experiments.configs.distill.{name}")
    keys = flatten(module.get_config().to_dict())
    described = re.findall(r"--config\.([\w.]+)=", module.__doc__)
    assert set(described) <= keys.keys() and (described or name in ("sub",))


@pytest.mark.parametrize(
    ("name", "arg", "changes", "message"),
    [
        ("spiral", "kl:smoke", {"teacher.run": "nowhere"}, "holds no run of experiments.distill"),
        ("attributes", "kl:smoke", {"teacher.run": "SPIRAL"}, "know 7 labels .*this run has 10"),
        (
            "spiral",
            "kl:smoke",
            {"teacher.run": "SPIRAL", "model.teacher.widths": (8,)},
            r"model.teacher.widths is \[16\] there and \[8\] here",
        ),
        ("spiral", "kl:smoke", {"teacher.run": "SPIRAL", "teacher.num": 1}, "teacher.num is 2"),
        ("spiral", "kl:smoke", {"teacher.run": "NAME"}, "of name 'other', .* is 'spiral'"),
        ("spiral", "kl:smoke", {"teacher.run": "SHAPE"}, r"of example_shape \[3\], .* is \[2\]"),
        ("spiral", "kl:smoke", {"teacher.run": "UNFINISHED"}, "no finished teacher stage"),
        ("spiral", "kl:smoke", {"student.start_from": "UNFINISHED"}, "no finished kl stage"),
        ("spiral", "kl:smoke", {"model.student.dim": 9}, "set model.*dim to 6 or less"),
        ("spiral", "kl:smoke", {"model.student.embedding": "mpl"}, "Did you mean 'mlp'"),
        ("spiral", "kl:smoke", {"data.per_arm": 1}, "no example of"),
        ("spiral", "kl:smoke", {"student.num": 0}, "student.num=0; accepted is an integer ≥ 1"),
        ("spiral", "kl:smoke", {"eval.every": 0}, "eval.every=0; accepted is an integer ≥ 1"),
        (
            "spiral",
            "kl:smoke",
            {"loss.temperature": 0.0},
            r"temperature=0.0; .* in \[1e-06, 1000\]",
        ),
        (
            "spiral",
            "kl:smoke",
            {"loss.label_weight": 2.0},
            r"label_weight=2.0; .* in \[0, 1\]",
        ),
        ("sub", "kl", {}, "data.path=.. is not a file"),
        ("cifar100", "kl", {}, "cifar100"),
    ],
)
def test_refused_before_any_training(spiral, tmp_path, name, arg, changes, message):
    folder, _ = spiral
    unfinished = tmp_path / "unfinished"
    unfinished.mkdir()
    for file in ("config.json", "manifest.json"):
        (unfinished / file).write_text((folder / file).read_text())
    places = {"SPIRAL": str(folder), "UNFINISHED": str(unfinished)}
    for place, fact in (("NAME", {"name": "other"}), ("SHAPE", {"example_shape": [3]})):
        places[place] = str(shutil.copytree(unfinished, tmp_path / place))
        manifest = read_json(folder / "manifest.json")
        manifest["data"] |= fact
        write_json(tmp_path / place / "manifest.json", manifest)
    changes = {k: places.get(v, v) if isinstance(v, str) else v for k, v in changes.items()}
    workdir = tmp_path / "work"
    with pytest.raises(UserError, match=message):
        distil(get_config(name, arg, **changes), workdir)
    assert not workdir.exists()


def test_an_unknown_objective_names_the_nearest():
    with pytest.raises(UserError, match="Did you mean 'kl'"):
        get_config("spiral", "kkl")


def test_the_smaller_tasks_are_the_larger_ones_but_for_what_they_name():
    for small, large, different in (
        ("low_dimension", "attributes", {"model.student.dim"}),
        (
            "interpolation",
            "spiral",
            {"data.per_arm", "data.split", "teacher.num", "student.num", "eval.every"},
        ),
    ):
        one, two = (flatten(get_config(name, "all").to_dict()) for name in (small, large))
        assert {key for key in one.keys() | two.keys() if one.get(key) != two.get(key)} == different
    smoke = get_config("low_dimension", "l2:smoke").model
    assert (smoke.teacher.dim, smoke.student.dim) == (2, 1)
