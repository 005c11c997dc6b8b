"""Oracles: small cases by hand, SciPy, and the definitions in NumPy."""

import numpy as np
import pytest
from scipy import stats

from experiments.configs.prediction_hubs.smollm2 import get_config
from experiments.prediction_hubs import analysis, neighbourhoods
from experiments.prediction_hubs.neighbourhoods import Neighbourhood, Sample, Space
from experiments.prediction_hubs.study import STUDY

CONFIG = STUDY.read(get_config("all:smoke").to_dict())
ANSWERS = np.array([[3, -1], [5, 2], [4, 1], [0, 9]])
INDEX = np.array([[3, 1], [2, 5], [7, 8], [6, 9]])


def test_the_answer_among_the_neighbours_counts_and_else_the_first():
    np.testing.assert_array_equal(analysis.answer(INDEX, ANSWERS), [3, 5, 4, 9])
    np.testing.assert_array_equal(analysis.answer(INDEX[:, :1], ANSWERS), [3, 2, 4, 0])


def test_accuracy_is_that_of_any_accepted_answer():
    counts = np.zeros(10, int)
    counts[[3, 7]] = 8  # hubs: predictions of the first and the third context
    found = Neighbourhood("ct", "dot", "one", INDEX, counts)
    sample = Sample("one", np.zeros((4, 2), np.float32), ANSWERS, None, None, {})
    row = analysis.accuracy(found, sample.answers, CONFIG)
    assert (row["all"], row["hub"], row["non_hub"]) == (0.5, 0.5, 0.5)
    assert row["hub_share"] == 0.5 and row["within_10"] == 0.75


def test_correlations_need_three_hubs_and_have_no_nan():
    r = np.random.default_rng(0)
    counts, frequency = r.integers(0, 20, 50), r.integers(0, 9, 50)
    hubs = np.zeros(50, bool)
    found = analysis.correlation(counts, frequency, hubs, CONFIG)
    assert found["rho"] is None and found["n"] == 0
    assert found["all"] == pytest.approx(stats.spearmanr(counts, frequency).statistic, abs=1e-5)
    hubs[:5] = True
    constant = analysis.correlation(np.ones(50, int), frequency, hubs, CONFIG)
    assert constant["rho"] is constant["low"] is constant["all"] is None


@pytest.mark.parametrize("with_self", [True, False])
def test_the_self_policy_is_kept(with_self):
    points = np.random.default_rng(0).normal(size=(40, 3)).astype(np.float32)
    space = Space("m", [], points, None, str, {})
    found = neighbourhoods.search(space, "tt", "euclidean", None, k=4, with_self=with_self)
    d = np.linalg.norm(points[:, None].astype(float) - points[None], axis=2)
    order = np.argsort(d, axis=1)
    np.testing.assert_array_equal(found.index, order[:, :4] if with_self else order[:, 1:5])
    assert found.counts.sum() == 160 and found.key == "tt:euclidean"
