"""Reductions of stored neighbours. Oracles: `reduced_knn` where the lists are complete, the
papers' formulas in NumPy on the distances that are stored where they are not."""

import numpy as np
import pytest
from scipy import sparse

from hubness import CSLS, REDUCTIONS, InvertedSoftmax, knn, reduce_graph, reduced_knn
from tests.hubness import oracles

K, C = 5, 30
STORED = ("csls", "local_scaling", "mp_empiric", "mp_gamma", "mp_gauss", "nicdm", "nnn")
STORED += ("simhub", "snn")


@pytest.fixture(scope="module")
def complete(x):
    """Every other point of 120, as (distance, index) in NumPy."""
    return tuple(np.asarray(a) for a in knn(x[:120], 119))


@pytest.fixture(scope="module")
def lists(complete):
    """The C nearest of each point."""
    return tuple(a[:, :C] for a in complete)


def same(a, b, rtol=2e-6, atol=1e-6):
    np.testing.assert_array_equal(np.asarray(a.index), np.asarray(b.index))
    np.testing.assert_allclose(np.asarray(a.distance), np.asarray(b.distance), rtol=rtol, atol=atol)


@pytest.mark.parametrize("method", STORED)
def test_complete_lists_give_the_exact_form(x, complete, method):
    options = {"num_candidates": 119} if method in ("mp_empiric", "mp_gamma") else {}
    want = reduced_knn(x[:120], K, method, **options)
    same(reduce_graph(complete, method, K, **options), want)


@pytest.mark.parametrize("metric", ["sqeuclidean", "cosine", "dot"])
def test_distances_of_any_metric(x, metric):
    want = reduced_knn(x[:120], K, "csls", metric=metric)
    got = reduce_graph(knn(x[:120], 119, metric=metric), "csls", K, metric=metric)
    same(got, want, atol=1e-5)  # 6e-6 seen, where products of up to 20 are added


def test_incomplete_lists_rank_what_is_stored(x, lists):
    """Formulas on the stored distances alone, self left out; points not stored are not listed."""
    distance, index = (np.asarray(a, float) for a in lists)
    index = index.astype(int)
    radius, mean, sd = distance[:, 9], distance[:, :10].mean(1), distance[:, :10].mean(1)
    want = {
        "local_scaling": 1 - np.exp(-(distance**2) / (radius[:, None] * radius[index])),
        "nicdm": distance / np.sqrt(mean[:, None] * mean[index]),
        "csls": 2 * distance - mean[:, None] - mean[index],
    }
    mean, sd = distance.mean(1), distance.std(1)
    z = lambda m, s: oracles.stats.norm.sf(distance, m, s)
    want["mp_gauss"] = 1 - z(mean[:, None], sd[:, None]) * z(mean[index], sd[index])
    for method, values in want.items():
        got = reduce_graph(lists, method, K)
        np.testing.assert_allclose(
            np.asarray(got.distance), np.sort(values, axis=1)[:, :K], rtol=2e-5, atol=1e-6
        )
        order = np.argsort(values, axis=1, kind="stable")[:, :K]
        np.testing.assert_array_equal(np.asarray(got.index), np.take_along_axis(index, order, 1))


def test_empiric_counts_are_of_points_known_to_be_farther(lists):
    """Set by set: what a list lacks is beyond its end, and unknown where t is beyond that too."""
    distance, index = lists
    n = len(index)
    got = reduce_graph(lists, "mp_empiric")
    on = [dict(zip(i, d, strict=True)) for d, i in zip(distance, index, strict=True)]
    far = lambda a, j, t: on[a][j] > t if j in on[a] else distance[a, -1] >= t and j != a
    for q in range(0, n, 7):
        for y, value in zip(np.asarray(got.index)[q], np.asarray(got.distance)[q], strict=True):
            t, others = on[q][y], set(range(n)) - {q, y}
            count = sum(far(q, j, t) and far(y, j, t) for j in others)
            np.testing.assert_allclose(value, 1 - count / n, atol=1e-6)


def shuffled(lists, r):
    """As libraries leave them: self somewhere, duplicates, padding, any order within a row."""
    distance, index = lists
    n = len(index)
    own = np.arange(n)[:, None]
    distance = np.concatenate(
        [distance, np.zeros((n, 1)), distance[:, :3] + 1, np.inf * own + 1], 1
    )
    index = np.concatenate([index, own, index[:, :3], np.full((n, 1), -1)], axis=1)
    distance[0, -1] = np.nan
    order = r.permuted(np.tile(np.arange(index.shape[1]), (n, 1)), axis=1)
    return np.take_along_axis(distance, order, 1), np.take_along_axis(index, order, 1)


@pytest.mark.parametrize("method", STORED)
def test_self_padding_and_duplicates_change_nothing(lists, method):
    with np.errstate(invalid="ignore"):
        untidy = shuffled(lists, np.random.default_rng(0))
    options = {"bank_k": 10} if method == "nnn" else {}
    same(reduce_graph(untidy, method, K, **options), reduce_graph(lists, method, K, **options))


def test_both_orders_and_sparse_graphs_are_read(x, lists):
    neighbors = pytest.importorskip("sklearn.neighbors")
    want = reduce_graph(lists, "nicdm", K)
    same(reduce_graph(lists[::-1], "nicdm", K), want)
    same(reduce_graph((lists[1].astype(np.uint64), lists[0]), "nicdm", K), want)
    graph = neighbors.KNeighborsTransformer(n_neighbors=C).fit_transform(x[:120].astype(float))
    same(reduce_graph(graph, "nicdm", K), want, rtol=1e-5)
    same(reduce_graph(sparse.coo_array(graph), CSLS(), K), reduce_graph(lists, "csls", K), 1e-5)
    once = sparse.coo_array(graph)
    at = np.tile(once.row, 2), np.tile(once.col, 2)
    twice = sparse.coo_array((np.tile(once.data, 2), at), shape=graph.shape)  # tocsr would add both
    same(reduce_graph(twice, CSLS(), K), reduce_graph(lists, "csls", K), 1e-5)


def test_entries_stored_twice_are_one(lists):
    """The nearest counts, as it does in a pair; scipy would add them."""
    distance, index = lists
    rows = np.repeat(np.arange(120), C)
    once = distance.ravel(), (rows, index.ravel())
    twice = np.tile(once[0], 2), tuple(np.tile(side, 2) for side in once[1])
    graph = sparse.coo_array(twice, shape=(120, 120))
    same(reduce_graph(graph, "csls", K), reduce_graph(lists, "csls", K))


@pytest.mark.parametrize("dtype", [np.uint32, np.uint64])
def test_unsigned_indices_of_missing_neighbours(lists, dtype):
    """hnswlib and others write -1 as the largest number."""
    distance, index = lists[0], lists[1].copy()
    index[:, 12:] = -1
    same(
        reduce_graph((distance, index.astype(dtype)), "nicdm", K),
        reduce_graph((distance, index), "nicdm", K),
    )


def similarities(lists):
    """1/d as a sparse graph in the order of the lists."""
    starts = np.arange(0, 121 * C, C)
    return sparse.csr_array((1 / lists[0].ravel(), lists[1].ravel(), starts), shape=(120, 120))


def test_values_in_the_order_of_the_indices_may_fall():
    """Three points on a line, by number: the first list falls from 3 to 2, the last too."""
    distance = np.array([[0.0, 3, 2], [3, 0, 1], [2, 1, 0]])
    index = np.broadcast_to(np.arange(3), (3, 3))
    found = reduce_graph((distance, index), CSLS(1), 1)
    np.testing.assert_array_equal(np.asarray(found.index)[:, 0], [2, 2, 1])


def test_the_shortest_list_is_the_default(lists):
    distance, index = lists[0], lists[1].copy()
    index[7, 12:] = -1
    assert reduce_graph((distance, index), "nicdm").index.shape == (120, 12)


def test_lists_of_doubles_keep_their_digits(lists):
    """Distances that differ by 1e-10 are ranked as they differ."""
    distance = 1 + 1e-10 * np.argsort(np.random.default_rng(0).random(lists[0].shape), axis=1)
    got = reduce_graph((distance, lists[1]), "csls", 1)
    mean = np.sort(distance, axis=1)[:, :10].mean(1)
    want = (2 * distance - mean[lists[1]]).argmin(1)
    np.testing.assert_array_equal(np.asarray(got.index)[:, 0], lists[1][np.arange(120), want])


@pytest.mark.parametrize("method", sorted(set(REDUCTIONS) - set(STORED)))
def test_what_needs_more_than_lists_is_refused(lists, method):
    with pytest.raises(ValueError, match="needs the .*, which stored neighbours lack"):
        reduce_graph(lists, method, K)


def edited(lists, *, distance=None, index=None):
    d, i = lists[0].copy(), lists[1].copy()
    if distance:
        d[distance[0]] = distance[1]
    if index:
        i[index[0]] = index[1]
    return d, i


@pytest.mark.parametrize(
    "change, options, message",
    [
        (lambda g: g, dict(k=31), "row 0 stores 30 neighbours besides itself; k=31"),
        (lambda g: g, dict(method=CSLS(31)), "local_k=31 needs as many"),
        (lambda g: g, dict(method="nnn"), "bank_k=119 needs as many"),
        (lambda g: g, dict(method=InvertedSoftmax(bank=np.ones((3, 12)))), "bank needs vectors"),
        (lambda g: g, dict(metric="dot"), "metric 'dot' is not known here"),
        (lambda g: g, dict(beta=3.0), "nicdm takes no beta; it takes local_k"),
        (lambda g: edited(g, index=((3, 4), 120)), {}, "there are 120 points"),
        (lambda g: edited(g, index=((3, 4), -2)), {}, "indices run from -2"),
        (lambda g: edited(g, distance=((3, 4), np.nan)), {}, "row 3 .* not finite"),
        (lambda g: edited(g, distance=((3, 0), -1)), {}, "which euclidean ones do not"),
        (lambda g: (1 - g[0] / 9, g[1]), dict(metric="cosine"), "similarities; pass distances"),
        (
            lambda g: (np.vstack([g[0][:1], 1 / g[0][1:]]), g[1]),
            {},
            "fall along 119 of 120 lists, so they are similarities",
        ),
        (similarities, {}, "every list, so they are similarities"),
        (
            lambda g: (similarities(g) + 99 * sparse.eye_array(120)).sorted_indices(),
            {},
            "every point is stored farther from itself",
        ),
        (lambda g: (np.ma.masked_greater(g[0], 2), g[1]), {}, "first of neighbors is a masked"),
        (lambda g: (g[0], [[1], [0, 2]]), {}, "second of neighbors .* rows have equal length"),
        (lambda g: (g[0] * np.float64(1e300), g[1]), {}, "whose squares float64 does not hold"),
        (lambda g: (g[0] * np.float64(1e-170), g[1]), {}, "whose squares float64 does not hold"),
        (lambda g: g[0], {}, "accepted are a pair"),
        (lambda g: (g[0], g[0]), {}, "indices float32"),
        (lambda g: (g[0], g[1][:, :3]), {}, "two matrices of one shape"),
        (lambda g: sparse.csr_array(np.arange(20.0).reshape(5, 4)), {}, "square graphs"),
        (lambda g: sparse.csr_array(np.ones((5, 5))), {}, "mode='distance'"),
    ],
)
def test_bad_lists_are_one_clear_error(lists, change, options, message):
    with pytest.raises(ValueError, match=message):
        reduce_graph(change(lists), **{"method": "nicdm", "k": K, **options})
