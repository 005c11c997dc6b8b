"""Neighbour measures against dense float64 definitions and closed forms."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import similarity as S
from similarity import neighbours
from tests.apart import apart
from tests.similarity import definitions as D

MEASURES = {
    "mutual_knn": (S.mutual_knn, D.mutual_knn),
    "neighbour_jaccard": (S.neighbour_jaccard, D.neighbour_jaccard),
    "cknna": (S.cknna, D.cknna),
}


@pytest.mark.parametrize("k", [2, 7, 59])
@pytest.mark.parametrize("name", MEASURES)
def test_values_are_those_of_dense_masks(x64, make_models, name, k):
    f, _, f2, _ = make_models(3, 60)
    ours, definition = MEASURES[name]
    np.testing.assert_allclose(ours(f, f2, k), definition(f, f2, k), rtol=1e-12)


@pytest.mark.parametrize("name", MEASURES)
def test_blocks_do_not_matter(models, name, monkeypatch):
    f, _, f2, _ = models.cast(np.float32)
    want = MEASURES[name][0](f, f2, 5)
    monkeypatch.setattr(neighbours, "_TILE", 3 * 400)
    with apart():
        np.testing.assert_allclose(MEASURES[name][0](f, f2, 5), want, rtol=1e-6)


@pytest.mark.parametrize("spread", [1e-2, 1e-4, 1e-6])
@pytest.mark.parametrize("size", [8, 200], ids=["small clusters", "large clusters"])
@pytest.mark.parametrize("name", MEASURES)
def test_neighbours_within_tight_clusters(name, size, spread):
    """Products of float32 cancel there: mutual_knn was .3 at a spread of 1e-4 where 1 is right.
    Large clusters hold more rows than there are candidates."""
    r = np.random.default_rng(0)
    f = np.repeat(r.normal(size=(3, 16)), size, axis=0) + spread * r.normal(size=(3 * size, 16))
    f2 = f @ np.linalg.qr(r.normal(size=(16, 16)))[0] + 0.5 * spread * r.normal(size=f.shape)
    ours, definition = MEASURES[name]
    for a, b in ((f, f2), (f.astype(np.float32), f2.astype(np.float32))):
        want = definition(*(z.astype(np.float64) for z in (a, b)), 5)
        np.testing.assert_allclose(ours(a, b, 5), want, rtol=1e-5)


def test_unrelated_representations_share_neighbours_by_chance():
    """E mutual_knn = k/(n - 1): 400 inputs, k = 20, within four standard errors."""
    f, f2 = np.random.default_rng(0).normal(size=(2, 400, 8)).astype(np.float32)
    assert abs(S.mutual_knn(f, f2, 20) - 20 / 399) < 4 * (0.05 / 20 / 400) ** 0.5


def test_twins_are_neighbours_and_equal_rows_tie_by_index():
    f = np.random.default_rng(0).normal(size=(30, 4)).astype(np.float32)
    f[7] = f[3]
    near = np.asarray(neighbours.nearest(jnp.asarray(f), 3)[0])
    assert near[3, 0] == 7 and near[7, 0] == 3
    same = np.asarray(neighbours.nearest(jnp.ones((5, 2)), 2)[0])
    np.testing.assert_array_equal(same, [[1, 2], [0, 2], [0, 1], [0, 1], [0, 1]])


def test_memory_does_not_grow_with_the_square_of_the_inputs():
    """50,000 inputs: 10 GB for one n×n array; measured 0.3 GB of temporaries."""
    x = jax.ShapeDtypeStruct((50_000, 64), jnp.float32)
    compiled = neighbours._cknna.lower(x, x, x, x, k=10).compile()
    assert compiled.memory_analysis().temp_size_in_bytes < 1e9


@pytest.mark.usefixtures("unchecked")
@pytest.mark.parametrize(
    ("measure", "k", "says"),
    [
        (S.mutual_knn, 60, "k=60 is impossible with 59 other inputs"),
        (S.mutual_knn, 3.0, "k=3.0 is no integer"),
        (S.neighbour_jaccard, 0, "k=0 must be at least 1; accepted is 1 ≤ k ≤ 59"),
        (S.cknna, 1, "accepted is 2 ≤ k ≤ 59"),
    ],
)
def test_numbers_of_neighbours(make_models, measure, k, says):
    f, _, f2, _ = make_models(0, 60)
    with pytest.raises(ValueError, match=says):
        measure(f, f2, k)


def test_a_row_of_zeros_has_no_direction(models):
    f = models.f.copy()
    f[5] = 0
    with pytest.raises(ValueError, match="the second representation holds rows of zeros"):
        S.mutual_knn(models.f, f)
