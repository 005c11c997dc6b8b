"""Parity with scikit-hubness 0.30; oracle: its algorithms, written again for sorted lists.

The lists below are those its transformers store: c neighbours a row, the point itself first in
rows of indexed points. The library itself installs from its repository only.
"""

import numpy as np
import pytest
from scipy import stats

from hubness import knn, reduce_graph, reduced_knn
from hubness.reductions import skhubness
from tests.hubness import oracles

C, K = 31, 10


def theirs(method):
    return skhubness.REDUCTIONS[method](num_candidates=C)


def stored(x, q=None):
    d = oracles.pairwise(x if q is None else q, x, "euclidean")
    index = np.argsort(d, axis=1, kind="stable")[:, :C]
    return np.take_along_axis(d, index, axis=1), index


def mp_normal(q, x):
    (d, index), (dx, _) = q, x
    own = stats.norm.sf(d, d.mean(1, keepdims=True), d.std(1, keepdims=True))
    return 1 - own * stats.norm.sf(d, dx.mean(1)[index], dx.std(1)[index])


def mp_empiric(q, x):
    (d, index), (dx, index_x) = q, x
    out = np.ones_like(d)
    for i, t in np.ndindex(*d.shape):
        y, v = index[i, t], d[i, t]
        mine, theirs = set(index[i]), set(index_x[y])
        a = set(index[i, t + 1 :]) | (theirs - mine)
        b = set(index_x[y][dx[y] > v]) | (mine - theirs)
        if a and v < dx[y, -1]:
            out[i, t] -= len(a & b) / len(dx)
    return out


def local_scaling(q, x):
    (d, index), (dx, _) = q, x
    return 1 + d**2 / (d[:, K, None] * dx[:, K][index])


def nicdm(q, x):
    (d, index), (dx, _) = q, x
    return d / np.sqrt(d[:, : K + 1].mean(1)[:, None] * dx[:, 1 : K + 1].mean(1)[index])


def dsl(q, x, vectors_q, vectors_x):
    (d, index), (_, index_x) = q, x
    centroids = vectors_x[index_x[:, :K]].mean(1)
    to_own = ((vectors_x - centroids) ** 2).sum(1)
    to_query = ((vectors_q - centroids[index[:, :K]].mean(1)) ** 2).sum(1)
    out = d**2 - to_query[:, None] - to_own[index]
    return out - min(out.min(), 0)


def check(nb, values, index, own):
    """The k least stored values; MP counts, self and DSL included, to 2e-6 in float32."""
    values = np.where(index == np.arange(len(index))[:, None], np.inf, values) if own else values
    want = np.sort(values, axis=1)[:, :K]
    np.testing.assert_allclose(np.asarray(nb.distance), want, rtol=1e-5, atol=5e-6)
    for row, places, ids, best in zip(np.asarray(nb.index), values, index, want, strict=True):
        have = [places[list(ids).index(i)] for i in row]
        np.testing.assert_allclose(have, best, rtol=1e-5, atol=5e-6)


METHODS = {
    "mp_gauss": mp_normal,
    "mp_empiric": mp_empiric,
    "local_scaling": local_scaling,
    "nicdm": nicdm,
    "dsl": dsl,
}


@pytest.mark.parametrize("own", [True, False])
@pytest.mark.parametrize("method", METHODS)
def test_parity(x, q, method, own):
    queries, points = stored(x, None if own else q), stored(x)
    vectors = ((x if own else q).astype(float), x.astype(float)) if method == "dsl" else ()
    nb = reduced_knn(x, K, theirs(method), queries=None if own else q)
    check(nb, METHODS[method](queries, points, *vectors), queries[1], own)


@pytest.mark.parametrize("own", [True, False])
@pytest.mark.parametrize("method", METHODS)
def test_duplicates_give_no_nan(x, q, method, own):
    """More copies than stored neighbours: scikit-hubness stores NaN there, which sorts anywhere."""
    copies = np.concatenate([np.repeat(x[:2], 60, axis=0), x[:120]])
    queries = None if own else np.concatenate([x[:2], q[2:]])
    nb = reduced_knn(copies, K, theirs(method), queries=queries)
    assert np.isfinite(np.asarray(nb.distance)).all()
    assert all(len(set(row)) == K for row in np.asarray(nb.index))
    if own:
        assert not (np.asarray(nb.index) == np.arange(240)[:, None]).any()


def test_the_self_distance_in_the_moments_matters(x):
    """Spec 6.4: moments with the self distance differ from moments without it."""
    a = reduced_knn(x, K, theirs("mp_gauss"))
    b = reduced_knn(x, K, "mp_gauss")
    assert (np.asarray(a.index) != np.asarray(b.index)).mean() > 0.01


@pytest.mark.parametrize(
    "method, options, message",
    [
        (skhubness.MPGauss(5), {}, "k=10 is impossible with 4 stored neighbours"),
        (skhubness.NICDM(12, local_k=12), {}, "local_k=12 is impossible with 11 stored"),
        (
            skhubness.MPGauss(),
            dict(two_domain=True, queries=np.ones((20, 12), np.float32)),
            "compare both sides with the same third points",
        ),
    ],
)
def test_bad_requests_are_one_clear_error(x, method, options, message):
    with pytest.raises(ValueError, match=message):
        reduced_knn(x, K, method, **options)


@pytest.mark.parametrize("method", ["mp_gauss", "mp_empiric", "local_scaling", "nicdm"])
def test_stored_lists_are_what_the_forms_are_made_for(x, method):
    """The lists of 30 others, searched by us, give what the search itself gives."""
    want = reduced_knn(x, K, theirs(method))
    got = reduce_graph(knn(x, C - 1), theirs(method), K)
    np.testing.assert_array_equal(np.asarray(got.index), np.asarray(want.index))
    np.testing.assert_allclose(np.asarray(got.distance), np.asarray(want.distance), rtol=1e-6)
