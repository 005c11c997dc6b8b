"""Every public function over dtypes, layouts, offsets, scales and duplicates.

Oracle: the definition in float64 NumPy on the very values that are passed. A function is right to
the tolerance given, or refuses in one sentence where `REFUSED` says so.
"""

import jax.numpy as jnp
import numpy as np
import pytest
from scipy import sparse, special, stats

import hubness
from hubness import features, tokens
from tests.given import read_only
from tests.hubness import oracles

N, D, K = 24, 4, 3
R = np.random.default_rng(7)
BASE = R.normal(size=(N, D)) + 0.3
WHOLE = R.integers(-9, 9, (N, D))


CASES = {
    "float64": BASE,
    "float64 + 1e3": BASE + 1e3,
    "float64 + 1e6": BASE + 1e6,
    "float64 + 1e8": BASE + 1e8,
    "float32": BASE.astype(np.float32),
    "float16": BASE.astype(np.float16),
    "bfloat16": BASE.astype(jnp.bfloat16),
    "int8": WHOLE.astype(np.int8),
    "int64": WHOLE + 2**33,
    "uint64": (WHOLE + 2**40).astype(np.uint64),
    "bool": BASE > 0.3,
    "list": BASE.tolist(),
    "F-order": np.asfortranarray(BASE),
    "read-only": read_only(BASE),
    "strided": np.repeat(np.repeat(BASE, 2, 0), 3, 1)[::2, ::3],
    "big-endian": BASE.astype(">f8"),
    "x 1e30": BASE * 1e30,
    "x 1e-30": BASE * 1e-30,
    "float32 x 1e30": (BASE * 1e30).astype(np.float32),
    "float32 x 1e-30": (BASE * 1e-30).astype(np.float32),
    "duplicates": np.repeat(BASE[: N // 2], 2, axis=0),
    "duplicates + 1e8": np.repeat(BASE[: N // 2], 2, axis=0) + 1e8,
}
SCALED = [name for name in CASES if "1e30" in name or "1e-30" in name]
NO_DIRECTION = ["bool"]  # rows that are zero


LEAVES_RANGE, HAS_NONE = "outside the range of float32", "no direction"
REFUSED = {
    "knn, sqeuclidean": (SCALED, LEAVES_RANGE),
    "knn, dot": (SCALED, LEAVES_RANGE),
    "knn, cosine": (NO_DIRECTION, HAS_NONE),
    "reduced_knn, dsl": (SCALED, LEAVES_RANGE),
    "reduced_knn, dsg": (SCALED, LEAVES_RANGE),
    "reduced_knn, localized_centring": (NO_DIRECTION, HAS_NONE),
    "tokens.top_tokens": (SCALED, LEAVES_RANGE),
    "tokens.distance_moments": (SCALED, LEAVES_RANGE),
}


def refuses(function, name, call):
    """Whether the function refuses the case, having seen that it does."""
    names, word = REFUSED.get(function, ([], ""))
    if name in names:
        refused(call, word)
    return name in names


def double(x):
    return np.array(x, np.float64)


def pairwise(x, metric):
    """Distances without cancellation: of cosine by differences of unit rows."""
    if metric == "dot":
        return -x @ x.T
    x = oracles.unit(x) if metric == "cosine" else x
    squares = ((x[:, None] - x[None]) ** 2).sum(-1)
    scale = {"euclidean": np.sqrt, "cosine": lambda s: s / 2}.get(metric, lambda s: s)
    return scale(squares)


@pytest.fixture(autouse=True)
def exact_oracles(monkeypatch):
    monkeypatch.setattr(oracles, "pairwise", lambda q, x, metric: pairwise(double(q), metric))


def check_neighbors(nb, want, rtol=2e-5):
    """The K least values of float64, at points that have them."""
    np.fill_diagonal(want, np.inf)
    finite = want[np.isfinite(want)]
    atol = max(2e-6 * np.ptp(finite), 4e-15)  # of 1 − cos and the like, nothing is known below
    have = np.take_along_axis(want, np.asarray(nb.index), axis=1)
    np.testing.assert_allclose(have, np.sort(want, axis=1)[:, :K], rtol=rtol, atol=atol)
    np.testing.assert_allclose(np.asarray(nb.distance, float), have, rtol=rtol, atol=atol)
    assert all(len(set(row)) == K for row in np.asarray(nb.index))


def refused(call, word):
    with pytest.raises(ValueError, match=word) as caught:
        call()
    assert len(str(caught.value)) < 300


@pytest.mark.parametrize("metric", ["euclidean", "sqeuclidean", "cosine", "dot"])
@pytest.mark.parametrize("name", CASES)
def test_knn(name, metric):
    """Neighbours as float64 says; of float64 data, ties aside, the very same indices."""
    x = CASES[name]
    call = lambda: hubness.knn(x, K, metric=metric)
    if refuses(f"knn, {metric}", name, call):
        return
    want, nb = pairwise(double(x), metric), call()
    check_neighbors(nb, want, rtol=3e-6)
    if name.startswith("float64"):
        np.testing.assert_array_equal(np.asarray(nb.index), np.argsort(want, axis=1)[:, :K])


OPTIONS = {
    "csls": dict(local_k=5),
    "dsl": dict(local_k=5),
    "local_scaling": dict(local_k=5),
    "localized_centring": dict(local_k=5),
    "nicdm": dict(local_k=5),
    "simhub": dict(local_k=5),
    "snn": dict(local_k=5),
    "nnn": dict(bank_k=5),
}
SQUARED = ("dsl", "dsg")


@pytest.mark.parametrize("method", sorted(hubness.REDUCTIONS))
def test_reductions(method):
    options = OPTIONS.get(method, {})
    arguments = {k: v for k, v in options.items() if k != "local_k"}
    for name, x in CASES.items():
        call = lambda x=x: hubness.reduced_knn(x, K, method, **options)
        if not refuses(f"reduced_knn, {method}", name, call):
            rows = double(x)
            rows = rows - rows[0] if method in SQUARED else rows  # exact, and means do not round
            case = oracles.Case(rows, k=options.get("local_k", 10))
            with np.errstate(all="ignore"):
                want = getattr(oracles, method)(case, **arguments)
            check_neighbors(call(), want)


ROWS = {
    "unit_rows": (features.unit_rows, oracles.unit_or_zero),
    "centre_rows": (features.centre_rows, lambda x: x - x.mean(1, keepdims=True)),
    "centre": (features.centre, lambda x: (x - x[0]) - (x - x[0]).mean(0)),
    "centre_weighted": (features.centre_weighted, oracles.weighted),
    "zscore_rows": (
        features.zscore_rows,
        lambda x: (x - x.mean(1, keepdims=True)) / (x.std(1, keepdims=True) + 1e-6),
    ),
    "whiten": (features.whiten, oracles.white),
    "f_norm": (lambda x: features.f_norm(x, draws=BASE), lambda x: oracles.by_rank(x, BASE)),
    "f_uniform": (
        lambda x: features.f_uniform(x, draws=BASE),
        lambda x: oracles.by_rank(x, BASE),
    ),
    "rank_normal": (
        lambda x: features.rank_normal_apply(features.rank_normal_fit(x), x),
        oracles.rank_scores,
    ),
}


@pytest.mark.parametrize("function", ROWS)
def test_features(function):
    """To 2e-5 of the largest value; f_norm and ranks to float32."""
    call, definition = ROWS[function]
    for name, x in CASES.items():
        want = definition(double(x))
        np.testing.assert_allclose(
            np.asarray(call(x), float),
            want,
            rtol=1e-5,
            atol=2e-5 * np.abs(want).max(),
            err_msg=name,
        )


def test_contexts_and_tokens():
    """Scores of float64; bias and statistics in the precision of the rows."""
    for name, x in CASES.items():
        if refuses("tokens.top_tokens", name, lambda x=x: tokens.top_tokens(x, x, K)):
            continue
        h = double(x)
        want = np.sort(h @ h.T, axis=1)[:, ::-1][:, :K]
        got = tokens.top_tokens(x, x, K, with_stats=True)
        np.testing.assert_allclose(np.asarray(got.score, float), want, rtol=2e-6, atol=1e-5)
        log = special.logsumexp(h @ h.T, axis=1)
        np.testing.assert_allclose(
            np.asarray(got.stats.logsumexp, float), log, rtol=2e-6, atol=1e-5
        )


def test_distances_of_all_pairs():
    for name, x in CASES.items():
        d = pairwise(double(x), "euclidean")
        others = d[~np.eye(N, dtype=bool)]
        call = lambda x=x: tokens.distance_moments(x)
        if not refuses("tokens.distance_moments", name, call):  # the variance leaves the range
            got = call()
            np.testing.assert_allclose(float(got.mean), others.mean(), rtol=2e-5, err_msg=name)
        edges = np.array([0, 0.4937, 1.01, 1.1]) * others.max()  # apart from ties
        if not name.startswith("duplicates"):
            count = np.histogram(others, edges)[0]
            np.testing.assert_array_equal(
                np.asarray(tokens.distance_histogram(x, edges)).sum(0), count
            )


@pytest.mark.parametrize("dtype", ["int8", "uint8", "int32", "int64", "uint64", ">i8"])
def test_indices_of_any_width(dtype):
    index = R.integers(0, N, (40, 5))
    want = np.bincount(index.ravel(), minlength=N)
    np.testing.assert_array_equal(np.asarray(hubness.k_occurrence(index.astype(dtype), N)), want)
    labels = np.arange(N) % 3 + 2**40
    bad = hubness.bad_k_occurrence(index[:N].astype(dtype), labels)
    want = np.bincount(index[:N][labels[index[:N]] != labels[:, None]], minlength=N)
    np.testing.assert_array_equal(np.asarray(bad), want)


def test_indices_and_ids_that_would_wrap_are_refused():
    index = np.array([[2**32, 1]])
    for call in (
        lambda: hubness.k_occurrence(index, 5),
        lambda: hubness.drop_self(index),
        lambda: tokens.token_counts(index, 5),
    ):
        refused(call, "run from 1 to 4294967296")


@pytest.mark.parametrize("dtype", ["bool", "int8", "int64", "float16", "float64"])
def test_measures_of_counts(dtype):
    counts = (R.geometric(0.3, 50) - 1).astype(dtype) * (2**40 if dtype == "int64" else 1)
    got = hubness.measures(counts, 10)
    n = counts.astype(float)
    np.testing.assert_allclose(float(got.skewness), np.nan_to_num(stats.skew(n)), rtol=1e-5)
    np.testing.assert_allclose(
        float(got.robin_hood), np.abs(n - n.mean()).sum() / 2 / n.sum(), rtol=1e-5, atol=1e-7
    )
    weights = np.full(40, 2**40)
    total = hubness.k_occurrence(R.integers(0, N, (40, 5)), N, weights)
    np.testing.assert_allclose(np.asarray(total, float).sum(), 200 * 2.0**40, rtol=1e-6)


BAD = {
    "complex": (BASE + 1j, "complex128"),
    "object": (np.array([[1, None]] * N, object), "dtype object"),
    "text": (np.array([["a"] * D] * N), "dtype <U1"),
    "sparse": (sparse.csr_array(BASE), "is a sparse matrix"),
    "masked": (np.ma.masked_array(BASE, BASE > 1), "masked"),
    "ragged": ([[1.0], [1.0, 2.0]], "no array of numbers"),
    "NaN": (np.where(BASE > 1, np.nan, BASE), "NaN"),
    "vector": (BASE[0], "accepted is a matrix"),
    "int64 beyond 2^53": (WHOLE + 2**60, "2⁵³"),
}
TAKERS = {
    "knn": lambda x: hubness.knn(x, K),
    "reduced_knn": lambda x: hubness.reduced_knn(x, K, "csls", local_k=5),
    "queries": lambda x: hubness.knn(BASE, K, queries=x),
    "bank": lambda x: hubness.reduced_knn(BASE, K, "nnn", bank=x),
    "top_tokens": lambda x: tokens.top_tokens(x, BASE, K),
    "distance_moments": tokens.distance_moments,
    **{name: call for name, (call, _) in ROWS.items()},
}


@pytest.mark.parametrize("taker", TAKERS)
@pytest.mark.parametrize("name", BAD)
def test_what_is_no_matrix_of_real_numbers_is_refused(name, taker):
    x, word = BAD[name]
    refused(lambda: TAKERS[taker](x), word)


COUNTED = {
    "knn": lambda k: hubness.knn(BASE, k),
    "reduced_knn": lambda k: hubness.reduced_knn(BASE, k, "csls"),
    "reduce_graph": lambda k: hubness.reduce_graph(hubness.knn(BASE, K), "nicdm", k),
    "top_tokens": lambda k: tokens.top_tokens(BASE, BASE, k),
    "CSLS": lambda k: hubness.CSLS(local_k=k),
}


@pytest.mark.usefixtures("unchecked")
@pytest.mark.parametrize("taker", COUNTED)
@pytest.mark.parametrize("k", [3.0, True, "3", 0, -1])
def test_a_number_of_neighbours_is_an_integer_of_at_least_one(k, taker):
    refused(lambda: COUNTED[taker](k), "k=.* (is no integer|is impossible|accepted)")
