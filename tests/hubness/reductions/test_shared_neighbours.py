"""Ties of shared neighbours. Oracle: the formula in float64, ties by distance, then index."""

import numpy as np
import pytest

from hubness import knn, reduce_graph, reduced_knn
from tests.hubness import oracles


@pytest.mark.parametrize("method", ["snn", "simhub"])
def test_a_twin_comes_first(method):
    x = np.random.default_rng(0).normal(size=(1_200, 10)).astype(np.float32)
    x[1] = x[0]
    index = np.asarray(reduced_knn(x, 5, method).index)
    assert index[0, 0] == 1 and index[1, 0] == 0


@pytest.mark.parametrize("method", ["snn", "simhub"])
def test_equal_rows_are_finite(method):
    nb = reduced_knn(np.ones((30, 3)), 5, method)
    assert np.isfinite(np.asarray(nb.distance)).all()
    assert (np.asarray(nb.index)[0] == np.arange(1, 6)).all()


@pytest.mark.parametrize("metric", ["euclidean", "cosine", "dot"])
def test_what_shares_equally_is_ordered_by_distance(x, q, metric):
    """Most candidates share none or one of 10 neighbours: the distance decides nearly all."""
    for queries in (None, q):
        case = oracles.Case(x, queries, metric)
        share = np.round(oracles.snn(case) * 10)
        want = np.stack([np.lexsort((d, s))[:30] for d, s in zip(case.d, share, strict=True)])
        got = np.asarray(reduced_knn(x, 30, "snn", queries=queries, metric=metric).index)
        assert (got == want).mean() > 0.999


def test_stored_lists_that_share_equally_are_ordered_by_distance(x):
    """Tenths add up to other sums in another order: 7 of 60 rows had a farther point first."""
    for points in (x[:60, :6], x[60:120, :6]):
        case = oracles.Case(points, None, "euclidean")
        share = np.round(oracles.snn(case) * 10)
        want = np.stack([np.lexsort((d, s))[:5] for d, s in zip(case.d, share, strict=True)])
        for found in (reduce_graph(knn(points, 59), "snn", 5), reduced_knn(points, 5, "snn")):
            np.testing.assert_array_equal(np.asarray(found.index), want)
