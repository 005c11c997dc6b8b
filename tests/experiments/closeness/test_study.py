"""The closeness entry point on small runs. Oracles: the same run again, bounds, refusals."""

import html
import importlib
import json

import numpy as np
import pytest

from experiments.closeness import tables
from experiments.closeness.study import STUDY
from experiments.runtime import study
from experiments.runtime.errors import UserError


def get_config(name, arg, **changes):
    config = importlib.import_module(f"experiments.configs.closeness.{name}").get_config(arg)
    config.update_from_flattened_dict(changes)
    return config


def closeness(config, folder):
    config = STUDY.read(config.to_dict())
    return study.run(STUDY, config, study.Request(folder), say=lambda line: None)


@pytest.fixture(scope="module")
def radial(tmp_path_factory):
    folder = tmp_path_factory.mktemp("radial")
    return folder, closeness(get_config("radial", "k6:smoke"), folder)


def test_a_run_leaves_its_files(radial):
    folder, summary = radial
    for name in ("config.json", "manifest.json", "record.json", "tables.md"):
        assert (folder / name).stat().st_size > 0
    for name in ("models.npz", "pairs.npz", "metrics.jsonl"):
        assert (folder / "k6_w8" / name).stat().st_size > 0
    assert {p.stem for p in (folder / "figures").iterdir()} == {
        "bound_constructed", "bound_trained", "data", "kl_to_zero",
        "loss_gap", "representations", "sorted_distances", "width",
    }  # fmt: skip
    assert json.loads((folder / "record.json").read_text())["cells"] == summary["cells"]
    lines = (folder / "tables.md").read_text().splitlines()
    assert len([line for line in lines if line.startswith("|")]) == 2 + 2 + 2 + 20
    text = (folder / "report.html").read_text()
    assert text.count("<img") == 8 and tables.verdict(summary) in html.unescape(text).replace(
        "\xa0", " "
    )


def test_every_pair_of_seeds_is_within_its_bounds(radial):
    for cell in radial[1]["cells"]:
        pairs = {name: np.array(values) for name, values in cell["pairs"].items()}
        assert len(pairs["d_llv"]) == 3
        assert (pairs["d_svd_f"] <= 2 * pairs["t1"] ** 2 + 1e-6).all()
        assert (pairs["d_svd_g"] <= 2 * pairs["t2"] ** 2 + 1e-6).all()
        assert (4 * pairs["kl"] <= pairs["d_logit"] ** 2 * (1 + 1e-4)).all()


def test_the_same_command_again_trains_nothing_and_finds_the_same(radial):
    folder, summary = radial
    before = (folder / "k6_w8" / "metrics.jsonl").read_text()
    again = closeness(get_config("radial", "k6:smoke"), folder)
    assert (folder / "k6_w8" / "metrics.jsonl").read_text() == before
    for name in ("cells", "kl_table", "perturbed"):
        assert again[name] == summary[name]


def test_models_below_the_threshold_are_left_out(radial, tmp_path):
    changes = {"eval.min_accuracy": 1.0, "widths": (8,)}
    summary = closeness(get_config("radial", "k6:smoke", **changes), tmp_path)
    assert summary["cells"][0]["kept"] == [] and summary["cells"][0]["pairs"] == {}
    assert "too few models" in (tmp_path / "tables.md").read_text()
    assert "too few models passed" in tables.verdict(summary)


@pytest.mark.slow
@pytest.mark.parametrize("arg", ["dim2:smoke", "dim5:smoke"])
def test_cifar10_passes_smoke(arg, tmp_path):
    summary = closeness(get_config("cifar10", arg), tmp_path)
    assert summary["cells"][0]["dim"] == int(arg[3])
    assert np.isfinite(summary["cells"][0]["pairs"]["d_llv"]).all()


class TestErrors:
    def test_another_config_in_the_same_folder(self, radial):
        with pytest.raises(UserError, match="labels"):
            closeness(get_config("radial", "k4:smoke"), radial[0])

    def test_one_seed(self, tmp_path):
        with pytest.raises(UserError, match="num_seeds=1; accepted is an integer ≥ 2"):
            closeness(get_config("radial", "k4:smoke", **{"train.num_seeds": 1}), tmp_path)

    def test_unknown_arguments(self):
        with pytest.raises(UserError, match="Did you mean"):
            get_config("radial", "k5")
        with pytest.raises(UserError, match="Did you mean"):
            get_config("cifar10", "dim2:smok")
