"""The entry points on smoke configs. Oracles: an uninterrupted run, and the files promised."""

import importlib
import json
import pathlib
import shutil

import jax
import numpy as np
import pytest

import diffenc
from experiments.diffenc.evaluate import _check_against, evaluate, subtract
from experiments.diffenc.frechet import measure
from experiments.diffenc.inspect import inspect
from experiments.diffenc.run import make_run
from experiments.diffenc.sample import sample
from experiments.diffenc.train import STUDY, trained
from experiments.report import write_page
from experiments.runtime.checkpoint import Checkpointer
from experiments.runtime.errors import UserError
from experiments.runtime.files import write_json
from experiments.runtime.metrics import read_metrics

FOLDER = pathlib.Path(__file__).parents[3] / "experiments" / "configs" / "diffenc"
CONFIGS = sorted(p.stem for p in FOLDER.glob("*.py"))
PARTS = ("bits_per_dim", "diffusion", "prior", "reconstruction")


def train(config, folder, **options):
    return trained(STUDY.read(config.to_dict()), folder, **options)


def get_config(name, arg):
    config = importlib.import_module(f"experiments.configs.diffenc.{name}").get_config(arg)
    if name == "swirl":
        config.eval.batch_size = 4096  # all points at once, in place of 256 batches
    return config


class Killed(BaseException):
    """Stands for a process that ends without a chance to tidy up."""


def digits_config():
    """A smoke run with the fewest blocks: each takes seconds to compile."""
    config = get_config("digits", "diffenc:smoke")
    config.model.options.num_layers = 0
    return config


@pytest.fixture(scope="module")
def digits(few_digits, tmp_path_factory):
    """A finished smoke run of DiffEnc on the digits."""
    folder = tmp_path_factory.mktemp("digits")
    return folder, jax.device_get(train(digits_config(), folder))


@pytest.fixture(scope="module")
def swirl(tmp_path_factory):
    """A finished smoke run of DiffEnc on the swirl, whose networks compile in a moment."""
    folder = tmp_path_factory.mktemp("swirl")
    state = train(get_config("swirl", "diffenc:smoke"), folder)
    return folder, jax.device_get(state)


def test_metrics_are_bits_per_dim_with_their_parts(digits):
    records = read_metrics(digits[0] / "metrics.jsonl")
    assert {r["split"] for r in records} == {"train", "test"}
    for record in records:
        values = [record[name] for name in PARTS]
        assert np.isfinite(values).all()
        assert values[0] == pytest.approx(sum(values[1:]), rel=1e-5)
    # Untrained closed form, E x² = 0.53 on the digits: about 8; six steps change little.
    assert 4 < records[0]["bits_per_dim"] < 12


def test_killed_and_resumed_is_equal_to_the_bit(swirl, tmp_path, monkeypatch):
    folder, state = swirl
    commit = Checkpointer._commit

    def die_after_first(self, step, *rest):
        commit(self, step, *rest)
        raise Killed

    monkeypatch.setattr(Checkpointer, "_commit", die_after_first)
    with pytest.raises(Killed):
        train(get_config("swirl", "diffenc:smoke"), tmp_path)
    monkeypatch.undo()
    resumed = jax.device_get(train(get_config("swirl", "diffenc:smoke"), tmp_path))
    jax.tree.map(np.testing.assert_array_equal, resumed, state)
    assert read_metrics(tmp_path / "metrics.jsonl") == read_metrics(folder / "metrics.jsonl")


def test_the_best_volatility_gives_a_bound_that_is_no_looser(swirl, tmp_path):
    folder = shutil.copytree(swirl[0], tmp_path / "run")  # the other tests count its figures
    best = evaluate(folder, choice="optimal")["optimal_volatility"]
    assert best["images"] == 1024 and len(best["gamma"]) == len(best["optimal"])
    # Hardly trained DiffEnc is nearly nt, whose loss at u = 1 is clearly too large.
    assert best["difference"]["diffusion"]["difference"] < -0.01
    assert best["difference"]["prior"]["difference"] == 0
    assert (folder / "figures" / "volatility.png").exists()
    with pytest.raises(UserError, match="'optimal'"):
        evaluate(folder, choice="optimum")


def test_another_config_is_refused_with_the_difference(digits):
    config = digits_config()
    config.train.learning_rate = 0.5
    with pytest.raises(UserError, match=r"train.learning_rate: 0.002 -> 0.5|0.0002 -> 0.5"):
        train(config, digits[0])


def test_evaluation_and_samples_write_what_they_promise(digits, tmp_path):
    folder, _ = digits
    result = evaluate(folder)
    assert evaluate(folder)["summary"] == result["summary"]
    on_disk = json.loads((folder / "eval.json").read_text())
    assert on_disk["summary"] == result["summary"]
    per_image = np.load(folder / "eval_per_image.npz")
    assert per_image["bits_per_dim"].shape == (39,)
    assert per_image["bits_per_dim"].mean() == pytest.approx(result["summary"]["bits_per_dim"])
    codes = sample(folder, num=3, num_steps=4)
    assert codes.shape == (3, 8, 8, 1) and codes.min() >= 0 and codes.max() < 17
    np.testing.assert_array_equal(codes, sample(folder, num=3, num_steps=4))
    figures = {p.stem for p in (folder / "figures").iterdir()}
    assert figures == {"encodings", "loss_by_time", "samples", "training"}
    differences = subtract(folder, folder)
    assert all(d["difference"] == d["mc_error"] == 0 for d in differences.values())
    _check_against(folder, folder)
    with pytest.raises(UserError, match="run experiments.diffenc.evaluate on that run first"):
        _check_against(folder, tmp_path)
    shutil.copy(folder / "eval_per_image.npz", tmp_path)
    write_json(tmp_path / "manifest.json", {"digests": {"mnist": "aa"}})
    with pytest.raises(UserError, match="--against=.*: that run has other data"):
        _check_against(folder, tmp_path)
    check_page(folder, inspect(folder, num=8, examples=2), tmp_path)


def check_page(folder, inspected, tmp_path):
    """The page holds every figure, and what inspection and the Fréchet distance add."""
    assert inspected["num"] == 8 and len(inspected["by_time"]["t"]) == 41
    extractor = tmp_path / "features.py"
    extractor.write_text("def rows(codes):\n    return codes.mean((2, 3))\n")
    distance = measure(folder, f"{extractor}:rows")
    assert distance["frechet_distance"] > 0 and distance["features"]["dimensions"] == 8
    text = (folder / "report.html").read_text()
    figures = {p.stem for p in (folder / "figures").iterdir()}
    assert {"heat_maps", "encoding_statistics", "shift_costs", "encodings", "samples"} <= figures
    assert text.count("<img") == len(figures) == text.count("data:image/png;base64,")
    assert f"{distance['frechet_distance']:.4f}" in text and "features.py:rows" in text
    assert f"{inspected['path_cost_bits_per_dim']['best']:.6f}" in text


def test_a_page_of_a_run_is_written_at_any_time(digits, tmp_path):
    (digits[0] / "finished.json").write_text("[]")  # as older suites wrote it
    text = write_page(digits[0]).read_text()
    assert "diffenc on digits, seed 0" in text
    assert text.count("<img") == len(list((digits[0] / "figures").glob("*.png"))) >= 1
    (tmp_path / "config.json").write_text('{"encoder": "bert"}')
    with pytest.raises(UserError, match="no diffusion run"):
        write_page(tmp_path)


def test_a_folder_without_a_run_is_one_clear_error(tmp_path):
    with pytest.raises(UserError, match="no run"):
        evaluate(tmp_path)


def test_a_config_trains_saves_resumes_and_evaluates(tmp_path):
    smoke_round_trip("swirl", ":smoke", tmp_path)


@pytest.mark.slow
@pytest.mark.parametrize("name", [c for c in CONFIGS if c not in ("digits", "swirl")])
def test_every_config_trains_saves_resumes_and_evaluates(name, tmp_path):
    smoke_round_trip(name, ":smoke", tmp_path)


@pytest.mark.slow
@pytest.mark.parametrize("model", diffenc.NAMES)
@pytest.mark.parametrize("name", [c for c in CONFIGS if c != "swirl"])
def test_every_model_of_every_config(name, model, tmp_path):
    smoke_round_trip(name, f"{model}:smoke", tmp_path)


def smoke_round_trip(name, arg, folder):
    config = get_config(name, arg)
    config.train.num_steps = 3
    train(config, folder)
    config.train.num_steps = 6
    state = train(config, folder, allowed_changes=["train.num_steps"])
    assert int(state.step) == 6
    records = read_metrics(folder / "metrics.jsonl")
    assert [(r["step"], r["split"]) for r in records if r["split"] == "test"] == [
        (3, "test"),
        (6, "test"),
    ]
    assert all(np.isfinite([r[p] for p in PARTS]).all() for r in records)
    manifest = json.loads((folder / "manifest.json").read_text())
    assert manifest["data"]["sha256"] and manifest["parameters"] > 0


SMALL = ("vdmv", "nt", "diffenc", "free")


@pytest.mark.parametrize(
    "name, models",
    [
        ("digits", SMALL),
        ("cifar10", ["diffenc-8-2"]),
        *(pytest.param(n, diffenc.NAMES, marks=pytest.mark.slow) for n in ("digits", "cifar10")),
    ],
)
def test_every_model_has_shapes_in_grey_and_in_colour(name, models):
    for model in models:
        config = get_config(name, model)
        config.data.smoke = True  # random images in place of data that are not here
        run = make_run(STUDY.read(config.to_dict()))
        state = run.state_factory().abstract()
        assert sum(leaf.size for leaf in jax.tree.leaves(state.params)) > 10_000
