"""Oracles: SciPy's tests, the paper's p value, and differences of simulated evaluations."""

import numpy as np
import pytest
from scipy import stats

from experiments.diffenc.evaluation import PerImage, load_per_image
from experiments.diffenc.significance import (
    compare_models,
    over_seeds,
    paired_difference,
    paired_less,
    welch_less,
)
from experiments.runtime.errors import UserError


def three_values(mean, error):
    """Three numbers with this mean and standard error."""
    return mean + error * np.sqrt(3) * np.array([-1.0, 0.0, 1.0])


def test_welch_gives_the_papers_p_value():
    # 2.641 ± 0.003 against 2.620 ± 0.006 over three seeds: p = 0.03 (spec 5).
    p = welch_less(three_values(2.641, 0.003), three_values(2.620, 0.006))
    assert p == pytest.approx(0.027, abs=0.001)


def test_both_tests_are_scipys():
    rng = np.random.default_rng(0)
    a, b = rng.normal(0.3, 1, 6), rng.normal(0, 2, 5)
    want = stats.ttest_ind(b, a, equal_var=False, alternative="less").pvalue
    assert welch_less(a, b) == pytest.approx(want, rel=1e-10)
    want = stats.ttest_rel(b, a[:5], alternative="less").pvalue
    assert paired_less(b - a[:5]) == pytest.approx(want, rel=1e-10)


@pytest.mark.parametrize("values", [[1.0], [1.0, 1.0]])
def test_without_spread_there_is_no_test(values):
    assert welch_less(values, values) is None
    assert paired_less(values) is None


def evaluation(rng, noise, shift=0.0, spread=0.0):
    """Images of differing difficulty, draws of `noise`; `shift` with `spread` over images."""
    image = np.linspace(0, 5, 40)[:, None, None] + shift
    image = image + spread * np.random.default_rng(1).normal(size=(40, 1, 1))
    return PerImage(np.zeros((40, 3, 2)), image + noise, np.zeros(40), 0.1 * np.ones((40, 3, 2)))


def test_pairing_removes_what_both_share(tmp_path):
    rng = np.random.default_rng(0)
    noise = rng.normal(size=(40, 3, 2))
    a = evaluation(rng, noise)
    b = evaluation(rng, noise + 0.01 * rng.normal(size=noise.shape), shift=-0.5, spread=0.1)
    b.save(tmp_path / "b.npz")
    found = paired_difference(a, load_per_image(tmp_path / "b.npz"))
    total = found["bits_per_dim"]
    assert total["difference"] == pytest.approx(-0.5, abs=4 * total["image_error"])
    assert total["image_error"] == pytest.approx(0.1 / np.sqrt(40), rel=0.4)
    assert total["mc_error"] == pytest.approx(0.01 / np.sqrt(240), rel=0.2)
    assert total["mc_error"] < 0.05 * a.summary()["bits_per_dim_mc_error"]
    assert found["reconstruction"]["difference"] == pytest.approx(0, abs=1e-8)


def test_runs_on_other_draws_are_not_paired():
    rng = np.random.default_rng(0)
    a = evaluation(rng, np.zeros((40, 3, 2)))
    with pytest.raises(UserError, match="other images or times"):
        paired_difference(a, a._replace(t=a.t + 0.1))
    with pytest.raises(UserError, match="other images or times"):
        paired_difference(a, a._replace(t=a.t[:20]))


def test_an_evaluation_that_is_not_there_is_one_clear_error(tmp_path):
    with pytest.raises(UserError, match="run experiments.diffenc.evaluate"):
        load_per_image(tmp_path / "none.npz")


def suite(rng):
    """Two models on one noise range, one on another; seeds move both of a pair together."""
    rows, images = [], {}
    for seed, moved in enumerate(rng.normal(size=5)):
        for model, shift, gamma in (("a", 0.0, 5), ("b", -0.1, 5), ("c", 9.0, 0)):
            noise = np.random.default_rng(seed).normal(size=(40, 3, 2))
            images[model, seed] = evaluation(rng, noise, shift + moved + 0.02 * rng.normal())
            summary = images[model, seed].summary()
            rows.append({"model": model, "seed": seed, "gamma": [-13.3, gamma]} | summary)
    return rows, images


def test_models_of_one_range_are_compared_by_seed():
    rows, images = suite(np.random.default_rng(0))
    entries = compare_models(rows, images)
    assert {tuple(e["models"]) for e in entries} == {("a", "b")}
    total = next(e for e in entries if e["term"] == "bits_per_dim")
    values = {m: [r["bits_per_dim"] for r in rows if r["model"] == m] for m in "ab"}
    assert total["difference"] == pytest.approx(np.mean(values["b"]) - np.mean(values["a"]))
    assert total["paired_p"] < 0.001 < 0.2 < total["welch_p"]
    differences = np.subtract(values["b"], values["a"])
    assert total["paired_error"] == pytest.approx(stats.sem(differences))
    assert total["mc_error"] == pytest.approx(0.0, abs=1e-9)
    assert next(e for e in entries if e["term"] == "reconstruction")["paired_p"] is None


def test_means_have_errors_over_seeds_and_noise():
    rows, _ = suite(np.random.default_rng(0))
    found = over_seeds(rows)["a"]["diffusion"]
    values = [r["diffusion"] for r in rows if r["model"] == "a"]
    assert found["mean"] == pytest.approx(np.mean(values))
    assert found["seed_error"] == pytest.approx(stats.sem(values))
    one = [r["diffusion_mc_error"] for r in rows if r["model"] == "a"]
    assert found["mc_error"] == pytest.approx(np.sqrt(np.mean(np.square(one)) / 5))
    single = over_seeds(rows[:1])["a"]["diffusion"]
    assert single["seed_error"] is None
