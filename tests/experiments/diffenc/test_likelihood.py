"""Oracles: the bounds written out, and a run's own ELBO at great depth."""

import jax.numpy as jnp
import numpy as np
import pytest

from experiments.configs.diffenc import swirl
from experiments.diffenc.evaluate import evaluate
from experiments.diffenc.likelihood import bounds, measure
from experiments.diffenc.train import STUDY, trained
from experiments.runtime.errors import UserError


def train(config, folder, **options):
    return trained(STUDY.read(config.to_dict()), folder, **options)


def test_bounds_are_means_and_logs_of_means():
    log_w = jnp.asarray(np.random.default_rng(0).normal(-5, 1, (4, 30)), jnp.float32)
    single, both = bounds(log_w, (2,), single=True), bounds(log_w, (2,), single=False)
    assert single == both[:1] and [row["draws"] for row in both] == [1, 4]
    nats = -np.asarray(log_w, np.float64)
    want = nats.mean(0) / (2 * np.log(2))
    assert both[0]["mean"] == pytest.approx(want.mean(), rel=1e-5)
    assert both[0]["image_error"] == pytest.approx(want.std(ddof=1) / np.sqrt(30), rel=1e-4)
    want = -np.log(np.exp(-nats).mean(0)).mean() / (2 * np.log(2))
    assert both[1]["mean"] == pytest.approx(want, rel=1e-5)


def test_paths_of_many_steps_approach_the_runs_elbo(tmp_path):
    config = swirl.get_config("nt:smoke")
    config.train.num_steps = 3
    config.eval.batch_size = 4096  # all points at once
    train(config, tmp_path)
    elbo = evaluate(tmp_path, times_per_image=10)["summary"]["bits_per_dim"]
    result = measure(tmp_path, "paths", num=500, draws=2, num_steps=600)
    single, weighted = result["bits_per_dim"]
    # The first 500 of 4,096 points; 600 steps leave a gap of first order.
    assert single["mean"] == pytest.approx(elbo, abs=4 * single["image_error"])
    assert single["image_error"] < 0.03 * elbo
    assert weighted["mean"] < single["mean"]
    assert f"{weighted['mean']:.6f}" in (tmp_path / "report.html").read_text()
    with pytest.raises(UserError, match="accepted are paths, flow"):
        measure(tmp_path, "elbo")
    for method, given in (("paths", {"probes": 3}), ("flow", {"num_steps": 50})):
        with pytest.raises(UserError, match="--num_steps is for --method=paths, and --probes for"):
            measure(tmp_path, method, **given)
    with pytest.raises(UserError, match="--num must be at least 2, for an error over images"):
        measure(tmp_path, "paths", num=1)
