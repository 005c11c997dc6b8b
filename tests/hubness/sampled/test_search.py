"""Searches whose points come in parts. Oracle: `knn` and `reduced_knn` of the same rows at once."""

import jax
import numpy as np
import pytest

import hubness
from hubness import sampled
from tests.hubness.search.test_knn import SETS

K = 10


class Slices:
    """A source that can do nothing but what is promised, and counts what is read at once."""

    def __init__(self, x):
        self._x, self.shape, self.dtype, self.most = x, x.shape, x.dtype, 0

    def __getitem__(self, rows):
        assert isinstance(rows, slice)
        self.most = max(self.most, len(self._x[rows]))
        return self._x[rows]


@pytest.mark.parametrize("name", SETS)
def test_rows_in_parts_have_the_neighbours_of_all_at_once(name):
    x = SETS[name](np.random.default_rng(0)).astype(np.float32)
    rows = sampled.draw(jax.random.key(1), len(x), 90)
    source = Slices(x)
    found = sampled.knn(source, K, rows, part_rows=150)  # the last part repeats 50 rows
    want = hubness.knn(x, K)
    np.testing.assert_array_equal(found.index, np.asarray(want.index)[rows])
    np.testing.assert_array_equal(found.distance, np.asarray(want.distance)[rows])
    assert source.most == 150


@pytest.mark.parametrize("metric", ["sqeuclidean", "cosine", "dot"])
def test_other_queries_have_the_neighbours_of_all_at_once(x, q, metric):
    found = sampled.knn(Slices(x), K, queries=q, metric=metric, part_rows=100)
    want = hubness.knn(x, K, queries=q, metric=metric)
    np.testing.assert_array_equal(found.index, want.index)
    # One ulp: norms of rows are sums whose order follows the shape of the block.
    np.testing.assert_allclose(found.distance, want.distance, rtol=3e-7, atol=3e-7)


def test_a_file_of_half_precision_is_searched_as_float32_rows(x, tmp_path):
    half = x.astype(np.float16)
    np.save(tmp_path / "x.npy", half)
    found = sampled.knn(np.load(tmp_path / "x.npy", mmap_mode="r"), K, np.arange(len(x)))
    np.testing.assert_array_equal(found.index, hubness.knn(half, K).index)


@pytest.mark.parametrize(
    "method, metric",
    [
        ("mp_gauss", "euclidean"),
        ("mp_gauss", "cosine"),
        ("inverted_softmax", "cosine"),
        ("dual_bank", "cosine"),
        ("query_bank", "cosine"),
        ("nnn", "euclidean"),
    ],
)
def test_with_all_rows_as_the_sample_reductions_are_the_full_ones(x, method, metric):
    rows = np.arange(len(x))
    found = sampled.reduced_knn(Slices(x), K, method, rows, metric=metric, part_rows=100)
    want = hubness.reduced_knn(x, K, method, metric=metric)
    # Statistics round otherwise in blocks of another shape: near-ties may swap.
    assert np.mean(np.asarray(found.index) == np.asarray(want.index)) > 0.995
    np.testing.assert_allclose(found.distance, want.distance, rtol=2e-5, atol=2e-5)


def test_a_sampled_reduction_is_near_the_full_one():
    x = np.random.default_rng(3).normal(size=(1500, 40)).astype(np.float32)
    rows = sampled.draw(jax.random.key(0), len(x), 500)
    found = sampled.reduced_knn(x, K, "mp_gauss", rows)
    want = np.asarray(hubness.reduced_knn(x, K, "mp_gauss").index)[rows]
    same = [len(set(a) & set(b)) for a, b in zip(np.asarray(found.index), want, strict=True)]
    assert np.mean(same) / K > 0.9


def test_what_needs_every_neighbourhood_is_refused_with_its_cost(x):
    with pytest.raises(ValueError, match=r"CSLS needs .* 1\.4e\+06 FLOPs, about 1 seconds"):
        sampled.reduced_knn(x, K, "csls", np.arange(9))
    with pytest.raises(ValueError, match="CSLS needs"):
        sampled.reduced_knn(x.tolist(), K, "csls", np.arange(9))
    big = np.lib.stride_tricks.as_strided(np.zeros(1, np.float32), (10**6, 384), (0, 0))
    with pytest.raises(ValueError, match=r"7\.7e\+14 FLOPs, about 2 hours"):
        sampled.reduced_knn(big, K, "nicdm", np.arange(9))


@pytest.mark.parametrize(
    "change, message",
    [
        (lambda x: (x.astype(np.float64) + 1e-9, {}), "store the rows as float32"),
        (lambda x: (x * [[np.nan]], {}), "not finite|NaN"),
        (lambda x: (list(x), {}), "a source of points|the source of points"),
        (lambda x: (x, {"rows": [1, 1, 2]}), "different numbers"),
        (lambda x: (x, {"rows": [[1]]}), "a vector of the numbers"),
        (lambda x: (x, {"rows": None}), "either rows"),
        (lambda x: (x, {"rows": np.ma.masked_array([1, 2], [0, 1])}), "rows is a masked array"),
        (lambda x: (x, {"metric": "cosin"}), "not known"),
        (lambda x: (x * (np.arange(len(x)) != 123)[:, None], {"metric": "cosine"}), "row 123 is"),
    ],
)
def test_refusals_are_one_sentence(x, change, message):
    source, given = change(x)
    with pytest.raises(ValueError, match=message):
        sampled.knn(source, K, **{"rows": np.arange(5), "part_rows": 100} | given)
