"""Oracle: a smoke run, whose chosen steps must be cheaper than equal ones on images kept apart."""

import numpy as np
import pytest

from experiments.configs.diffenc import swirl
from experiments.diffenc.steps import choose
from experiments.diffenc.train import STUDY, trained
from experiments.runtime.errors import UserError


def train(config, folder, **options):
    return trained(STUDY.read(config.to_dict()), folder, **options)


def test_chosen_steps_and_variances_are_cheaper_on_other_images(tmp_path):
    config = swirl.get_config("nt:smoke")
    config.train.num_steps = 3
    train(config, tmp_path)
    result = choose(tmp_path, num_steps=[3, 6], grid=12, num=200, samples=5)
    for row in result["rows"]:
        price = lambda name, row=row: row[f"{name}_bits_per_dim"]
        assert price("chosen_best_variance") < price("equal_best_variance") < price("equal")
        assert price("chosen") <= price("equal") * 1.001
        assert len(row["levels"]) == len(row["log_ratio"]) + 1 == row["num_steps"] + 1
        np.testing.assert_allclose([row["levels"][0], row["levels"][-1]], [-13.3, 5.0], rtol=1e-5)
        assert np.all(np.diff(row["levels"]) > 0) and np.all(np.asarray(row["log_ratio"]) < 0)
        codes = np.load(tmp_path / f"samples_{row['num_steps']}.npz")["codes"]
        assert codes.shape == (5, 2) and codes.min() >= 0 and codes.max() < 256
    assert result["rows"][1]["equal_bits_per_dim"] < result["rows"][0]["equal_bits_per_dim"]
    shown = f"{result['rows'][1]['chosen_best_variance_bits_per_dim']:.4f}"
    assert shown in (tmp_path / "report.html").read_text()
    with pytest.raises(UserError, match="multiple"):
        choose(tmp_path, num_steps=[5], grid=12)
