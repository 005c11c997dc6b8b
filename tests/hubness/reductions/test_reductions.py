"""Every reduction against its paper's formula on full float64 matrices, and its invariances."""

import pickle

import jax
import numpy as np
import pytest
from jax.sharding import AxisType

from hubness import CSLS, REDUCTIONS, k_occurrence, reduced_knn
from tests.hubness import oracles

K = 10
# Seconds of SciPy a pair of points: tested on fewer points in test_mutual_full.py; exact counts
# are compared in double precision in test_mutual.py.
ELSEWHERE = {"mp_gauss_full", "mp_empiric"}
METHODS = sorted(set(REDUCTIONS) - ELSEWHERE)
CANDIDATES = {"mp_gamma": dict(num_candidates=200)}


def check(nb, want, rtol=1e-5):
    """The k least values, in order, at points that have them: true whichever point wins a tie.

    Rounding is relative to the terms that are added: largest difference seen 2e-7 of the range.
    """
    atol = 5e-7 * max(1, np.ptp(want[np.isfinite(want)]))
    index = np.asarray(nb.index)
    have = np.take_along_axis(want, index, axis=1)
    np.testing.assert_allclose(have, np.sort(want, axis=1)[:, :K], rtol=rtol, atol=atol)
    np.testing.assert_allclose(np.asarray(nb.distance), have, rtol=rtol, atol=atol)
    assert all(len(set(row)) == K for row in index)


@pytest.mark.parametrize("method", METHODS)
def test_self_search_follows_the_paper(x, method):
    nb = reduced_knn(x, K, method, **CANDIDATES.get(method, {}))
    check(nb, getattr(oracles, method)(oracles.Case(x)))
    assert not (np.asarray(nb.index) == np.arange(len(x))[:, None]).any()


@pytest.mark.parametrize("method", METHODS)
def test_queries_follow_the_paper(x, q, method):
    nb = reduced_knn(x, K, method, queries=q, **CANDIDATES.get(method, {}))
    check(nb, getattr(oracles, method)(oracles.Case(x, q)))


@pytest.mark.parametrize("method", ["csls", "inverted_softmax", "mp_gauss", "nicdm", "nnn"])
def test_cosine_follows_the_paper(x, q, method):
    nb = reduced_knn(x, K, method, queries=q, metric="cosine")
    check(nb, getattr(oracles, method)(oracles.Case(x, q, "cosine")))


@pytest.mark.parametrize(
    "method, metric",
    [
        ("csls", "cosine"),
        ("mp_gauss", "cosine"),
        ("local_scaling", "euclidean"),
        ("nicdm", "euclidean"),
        ("dsl", "euclidean"),
        ("localized_centring", "euclidean"),
        ("inverted_softmax", "cosine"),
        ("query_bank", "cosine"),
        ("nnn", "cosine"),
    ],
)
def test_two_domains_take_statistics_of_points_from_the_queries(x, q, method, metric):
    nb = reduced_knn(
        x, K, method, queries=q, metric=metric, two_domain=True, **CANDIDATES.get(method, {})
    )
    check(nb, getattr(oracles, method)(oracles.Case(x, q, metric, two_domain=True)))


def test_two_domains_of_the_dual_bank(x, q):
    """The queries are the first bank, the points the second, each without itself."""
    nb = reduced_knn(x, K, "dual_bank", queries=q, metric="cosine", two_domain=True)
    c = oracles.Case(x, q, "cosine")
    check(nb, oracles.inverted_softmax(c, q) + oracles.inverted_softmax(c))


@pytest.mark.parametrize("method", ["dual_bank", "inverted_softmax", "nnn", "query_bank"])
def test_banks_follow_the_paper(x, q, method):
    bank = np.random.default_rng(3).normal(size=(150, 12)).astype(np.float32)
    nb = reduced_knn(x, K, method, queries=q, metric="cosine", bank=bank)
    check(nb, getattr(oracles, method)(oracles.Case(x, q, "cosine"), bank))


def test_csls_with_cosine_is_the_published_score(x, q):
    """Conneau et al. 2018: 2 cos − r_T(q) − r_S(x), each mean over the other domain."""
    cos = oracles.unit(q.astype(np.float64)) @ oracles.unit(x.astype(np.float64)).T
    r_q = np.sort(cos, axis=1)[:, -K:].mean(1)
    r_x = np.sort(cos, axis=0)[-K:].mean(0)
    nb = reduced_knn(x, K, "csls", queries=q, metric="cosine", two_domain=True)
    check(nb, r_q[:, None] + r_x[None] - 2 * cos)


@pytest.mark.parametrize("method", sorted(REDUCTIONS))
def test_queries_that_are_the_points_give_the_self_search(x, method):
    own = reduced_knn(x, K, method)
    asked = reduced_knn(x, K, method, queries=x, exclude_self=True)
    np.testing.assert_allclose(np.asarray(own.distance), np.asarray(asked.distance), atol=1e-5)
    assert (np.asarray(own.index) == np.asarray(asked.index)).mean() > 0.999


@pytest.mark.parametrize("method", ["csls", "dsl", "mp_gauss", "snn"])
def test_block_size_does_not_change_the_answer(x, method):
    whole, blocks = reduced_knn(x, K, method), reduced_knn(x, K, method, block_size=37)
    np.testing.assert_array_equal(np.asarray(whole.index), np.asarray(blocks.index))


# One of each way that statistics are taken; the others differ in formulas alone.
SHARDED = ["csls", "inverted_softmax", "mp_empiric", "mp_gauss", "snn"]
SHARDED += [pytest.param(m, marks=pytest.mark.slow) for m in sorted(REDUCTIONS) if m not in SHARDED]


@pytest.mark.parametrize("method", SHARDED)
def test_over_eight_devices_it_is_that_of_one(x, method):
    """203 rows do not divide by 8, so that the last device repeats some."""
    mesh = jax.make_mesh((8,), ("data",), axis_types=(AxisType.Auto,))
    one, many = (reduced_knn(x[37:], K, method, mesh=m) for m in (None, mesh))
    # Sums over points round in the order that the compiler chooses for a device's share.
    assert (np.asarray(one.index) == np.asarray(many.index)).mean() >= 0.9995
    np.testing.assert_allclose(one.distance, many.distance, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize(
    "method, metric",
    [
        ("mp_gauss", "euclidean"),
        ("csls", "cosine"),
        *(pytest.param(m, "euclidean", marks=pytest.mark.slow) for m in ("nicdm", "mp_gamma")),
        pytest.param("local_scaling", "cosine", marks=pytest.mark.slow),
    ],
)
def test_with_points_in_a_ring_it_is_that_of_one_device(x, method, metric):
    mesh = jax.make_mesh((8,), ("data",), axis_types=(AxisType.Auto,))
    one = reduced_knn(x[37:], K, method, metric=metric)
    many = reduced_knn(x[37:], K, method, metric=metric, mesh=mesh, ring=True)
    assert (np.asarray(one.index) == np.asarray(many.index)).mean() >= 0.9995
    np.testing.assert_allclose(one.distance, many.distance, rtol=1e-5, atol=1e-5)


def test_a_ring_is_refused_where_points_are_taken_as_a_whole(x):
    mesh = jax.make_mesh((8,), ("data",), axis_types=(AxisType.Auto,))
    with pytest.raises(ValueError, match="one of csls, local_scaling, mp_gamma, mp_gauss, nicdm;"):
        reduced_knn(x, K, "dsl", mesh=mesh, ring=True)
    with pytest.raises(ValueError, match="ring=True needs a mesh"):
        reduced_knn(x, K, "csls", ring=True)


@pytest.mark.parametrize("method", sorted(REDUCTIONS))
def test_duplicates_and_constant_rows_give_no_nan(x, method):
    copies = np.concatenate([np.repeat(x[:2], 60, axis=0), x[:120]])
    nb = reduced_knn(copies, K, method)
    assert np.isfinite(np.asarray(nb.distance)).all()
    assert int(k_occurrence(nb.index, 240).sum()) == 240 * K
    assert all(len(set(row)) == K for row in np.asarray(nb.index))


@pytest.mark.parametrize(
    "options, message",
    [
        (dict(method="mp"), "method 'mp' is not known; use one of csls"),
        (dict(method="csls", k=240), "1 ≤ k ≤ 239"),
        (dict(method="csls", local_k=240), "local_k=240 is impossible"),
        (dict(method="nicdm", metric="dot"), "metric 'dot' is not known here"),
        (dict(method="csls", two_domain=True), "two_domain=True needs queries"),
        (
            dict(method="dsg", two_domain=True, queries=np.ones((20, 12), np.float32)),
            "a method other than dsg",
        ),
        (dict(method="csls", bank=np.ones((3, 12), np.float32)), "csls takes no bank; .* local_k"),
        (dict(method="dsg", beta=5.0, bank_k=99), "dsg takes no beta, bank_k; it takes no options"),
        (dict(method=CSLS(), local_k=5), r"write CSLS\(local_k=…\)"),
        (dict(method=CSLS), "is no reduction"),
        (dict(method="nnn", bank=np.ones((3, 11), np.float32)), "bank of shape .* differ in width"),
        (
            dict(method="nnn", gallery_bank=np.ones((3, 12), np.float32)),
            "nnn takes no gallery_bank",
        ),
        (dict(method="mp_gauss", compat="skhubness-0.30"), "mp_gauss takes no compat"),
        (dict(method="mp_gamma", num_candidates=0), "num_candidates=0"),
        (dict(method="nnn", weight=np.nan), "weight=nan"),
        (dict(method="csls", local_k=True), "local_k=True is no integer"),
    ],
)
def test_bad_requests_are_one_clear_error(x, options, message):
    with pytest.raises(ValueError, match=message):
        reduced_knn(x, **{"k": K, **options})


@pytest.mark.parametrize("method", sorted(REDUCTIONS))
def test_one_point_is_refused_where_others_are_needed(x, q, method):
    with pytest.raises(ValueError, match="x holds 1 row"):
        reduced_knn(x[:1], 1, method, queries=q[:3])


def test_one_point_may_be_compared_with_a_bank(x, q):
    found = reduced_knn(x[:1], 1, "inverted_softmax", queries=q[:3], bank=x[1:9])
    assert np.isfinite(np.asarray(found.distance)).all()


@pytest.mark.parametrize("method", [n for n in sorted(REDUCTIONS) if REDUCTIONS[n].banks])
def test_objects_with_banks_are_equal_by_content(method):
    make = lambda bank: REDUCTIONS[method](bank=bank)
    rows = np.arange(6.0).reshape(3, 2)
    # The pickle read back is one that this line itself made: it cannot be hostile.
    same = (
        make(rows),
        make(rows.copy()),
        make(rows.tolist()),
        pickle.loads(pickle.dumps(make(rows))),
    )
    assert len(set(same)) == 1 and same[0] == same[1]
    assert make(None) == make(None) and len({make(None), make(rows), make(rows + 1)}) == 3
