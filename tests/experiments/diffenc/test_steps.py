"""Oracle: a smoke run, whose chosen steps must be cheaper than equal ones on images kept apart."""

import json

import numpy as np
import pytest
from scipy import stats

from experiments.configs.diffenc import swirl
from experiments.diffenc import step_record
from experiments.diffenc.steps import choose, runs_in
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
    for grid in (0, -12):
        with pytest.raises(UserError, match=f"--grid={grid} must be a larger multiple"):
            choose(tmp_path, num_steps=[3], grid=grid)
    with pytest.raises(UserError, match="--samples=-1; accepted: 1 or more"):
        choose(tmp_path, num_steps=[3], grid=12, samples=-1)


WAYS = ("equal", "equal_best_variance", "chosen", "chosen_best_variance")


@pytest.fixture
def suite(tmp_path):
    """Three runs of a suite, as `choose` leaves them, and what it returns."""
    rng, results = np.random.default_rng(0), {}
    for seed in range(3):
        folder = tmp_path / f"m-seed{seed}"
        folder.mkdir()
        (folder / "config.json").write_text("{}")
        (folder / "manifest.json").write_text(json.dumps({"commit": f"c{seed}"}))
        prices = {f"{way}_bits_per_dim": rng.uniform(2, 3) for way in WAYS}
        results[folder] = {
            "model": "m", "seed": seed, "step": 5, "num": 8, "grid": 20,
            "data": {"name": "toy", "sha256": "aa"},
            "rows": [prices | {"num_steps": n, "levels": [1.0]} for n in (5, 10)],
        }  # fmt: skip
    return results


def test_a_record_of_a_suites_runs_has_scipys_interval(suite, tmp_path):
    assert runs_in(tmp_path) == list(suite) and runs_in(tmp_path / "m-seed0") == [
        tmp_path / "m-seed0"
    ]
    record = step_record.gather(suite)
    rows = [row for row in record["rows"] if row["num_steps"] == 10]
    assert [row["begun"]["commit"] for row in rows] == ["c0", "c1", "c2"]
    last, second = ([row[f"{w}_best_variance_bits_per_dim"] for row in rows]
                    for w in ("chosen", "equal"))  # fmt: skip
    oracle = stats.ttest_rel(last, second)
    found = step_record.gain(record, "m", 10)
    np.testing.assert_allclose(
        [found.mean, found.low, found.high],
        [np.mean(last) - np.mean(second), *oracle.confidence_interval()],
        rtol=1e-12,
    )
    table = step_record.table(record)
    assert [row[:2] for row in table.rows] == [["m", 5], ["m", 10]]
    assert f"{np.mean(last):.3f} ± {stats.sem(last):.3f}" in table.text()[1]


def test_runs_on_different_data_are_not_put_into_one_record(suite):
    suite[max(suite)]["data"] = {"name": "toy", "sha256": "bb"}
    with pytest.raises(UserError, match="different data"):
        step_record.gather(suite)
