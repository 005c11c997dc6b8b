"""Distances of all pairs. Oracle: the library, pair by pair; published figures."""

import jax
import numpy as np
import pytest

import similarity as S
from experiments.closeness.config import Constructed
from experiments.closeness.constructed import kl_table, perturbed_models
from experiments.closeness.pairs import all_pairs

PLAN = Constructed(labels=(4,), perturbations=4, num_sets=50, per_label=100)


@pytest.fixture(scope="module")
def stack():
    r = np.random.default_rng(0)
    return r.normal(size=(3, 60, 2)).astype("f"), r.normal(size=(3, 6, 2)).astype("f")


def test_pairs_are_those_of_the_library(stack):
    f, g = stack
    pairs = all_pairs(f, g, jax.random.key(0), 10)
    indices = list(zip(pairs["first"], pairs["second"], strict=True))
    assert indices == [(0, 1), (0, 2), (1, 2)]
    for at, (i, j) in enumerate(indices):
        one = f[i], g[i], f[j], g[j]
        log_p, log_q = S.log_probs(f[i], g[i]), S.log_probs(f[j], g[j])
        np.testing.assert_allclose(pairs["kl"][at], S.kl(log_p, log_q).mean(), rtol=1e-5)
        np.testing.assert_allclose(pairs["d_logit"][at], S.logit_distance(*one), rtol=1e-5)
        np.testing.assert_allclose(pairs["mcca_f"][at], S.mcca(f[i], f[j]), rtol=1e-5)
        key = jax.random.split(jax.random.key(0), 3)[at]
        llv = S.llv_distance(*one, key=key, num_sets=10)
        np.testing.assert_allclose(pairs["d_llv"][at], llv.d, rtol=1e-5)
        svd = S.max_d_svd(*one, llv.pivot, llv.leave_out)
        np.testing.assert_allclose(pairs["d_svd_f"][at], svd, rtol=1e-4)
        assert pairs["d_svd_f"][at] <= 2 * pairs["t1"][at] ** 2
        assert pairs["d_svd_g"][at] <= 2 * pairs["t2"][at] ** 2
    assert (pairs["floor_mcca_g"] == 0).all()


def test_kl_table_is_the_published_one():
    """Paper A, table 1, from other draws of 100 a label: KL within 5%."""
    table = kl_table(PLAN, jax.random.key(0))
    published = {1: 0.78758, 3: 0.88675, 10: 0.01973, 18: 1.04e-4, 20: 2.74e-5}
    assert table["rho"] == list(range(1, 21))
    for rho, kl in published.items():
        np.testing.assert_allclose(table["kl"][rho - 1], kl, rtol=0.05)
    np.testing.assert_allclose(table["d_llv"], 1.317, atol=0.01)
    assert max(table["mcca_f"]) < 0.02 and min(table["d_svd_f"]) > 0.99


def test_perturbed_models_keep_the_bounds():
    values = perturbed_models(PLAN, jax.random.key(0))["4"]
    for d, t in (("d_svd_f", "t1"), ("d_svd_g", "t2")):
        assert (np.array(values[d]) <= 2 * np.square(values[t]) + 1e-7).all()
    assert (np.array(values["d_fg"]) <= 4 * np.array(values["d_llv"])).all()
    assert values["d_llv"][0] < values["d_llv"][-1]
