"""Functions of neighbour lists, counts, answers and stored rows over what people pass in.

Oracles: NumPy and SciPy on the values as given. The page is that of test_inputs_page.
"""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy import sparse, stats

import hubness
from hubness import sampled, significance, tokens
from tests.given import WIDTHS, read_only
from tests.hubness import oracles
from tests.hubness.test_inputs import (
    BASE,
    CASES,
    K,
    N,
    check_neighbors,
    double,
    pairwise,
    refused,
)

pytestmark = pytest.mark.usefixtures("unchecked")
R = np.random.default_rng(3)
INDEX = R.permuted(np.tile(np.arange(N), (60, 1)), axis=1)[:, :5]
TRUE, LABELS, OWN = R.integers(0, N, 60), np.arange(N) % 3, np.arange(60) % 3
HUBS, KEY = np.bincount(INDEX.ravel(), minlength=N) > 12, jax.random.key(0)


def resampled(index):
    """Largest counts where each query is drawn with replacement."""
    keys = jax.random.split(KEY, 4)
    drawn = jax.vmap(lambda key: jax.random.randint(key, (60,), 0, 60))(keys)
    return [np.bincount(index[rows].ravel(), minlength=N).max() for rows in np.asarray(drawn)]


def of_all(index):
    """(skewness, its interval, variance) of counts, where all queries were asked."""
    counts = np.bincount(index.ravel(), minlength=N)
    return (*(stats.skew(counts),) * 3, counts.var())


def shares(index):
    right, hub = index[:, 0] == TRUE, HUBS[index[:, 0]]
    return right.mean(), right[hub].mean(), right[~hub].mean(), hub.sum()


def first(index):
    return [row[0] for row in index] if isinstance(index, list) else index[:, 0]


def kept_apart(index):
    return [[j for j in row if j != i][:4] for i, row in enumerate(index)]


# Each to float32.
LISTS = {
    "k_occurrence": (
        lambda i: hubness.k_occurrence(i, N),
        lambda i: np.bincount(i.ravel(), minlength=N),
    ),
    "bad_k_occurrence": (
        lambda i: hubness.bad_k_occurrence(i, LABELS, OWN),
        lambda i: np.bincount(i[LABELS[i] != OWN[:, None]], minlength=N),
    ),
    "drop_self": (lambda i: hubness.drop_self(i[:N]), lambda i: kept_apart(i[:N])),
    "significance.bootstrap": (
        lambda i: significance.bootstrap(jnp.max, i, N, KEY, 4),
        resampled,
    ),
    "significance.sampled_skewness": (
        lambda i: significance.sampled_skewness(i, N, 60)[:4],
        of_all,
    ),
    "sampled.moments": (
        lambda i: [
            getattr(sampled.moments(i, N, population=60), name)
            for name in ("skewness", "low", "high", "variance")
        ],
        of_all,
    ),
    "sampled.hubs": (
        lambda i: np.sort(sampled.hubs(i, N, population=60, hub_size=1.2).index),
        lambda i: np.flatnonzero(np.bincount(i.ravel(), minlength=N) >= np.ceil(1.2 * 5 * 60 / N)),
    ),
    "tokens.token_counts": (
        lambda i: tokens.token_counts(i, N),
        lambda i: np.bincount(i.ravel(), minlength=N),
    ),
    "tokens.neighbour_hit": (
        lambda i: tokens.neighbour_hit(i, TRUE),
        lambda i: (i == TRUE[:, None]).any(1).mean(),
    ),
    "tokens.purity": (
        lambda i: tokens.purity(i, LABELS, OWN),
        lambda i: (LABELS[i] == OWN[:, None]).mean(),
    ),
    "tokens.hub_accuracy": (
        lambda i: tokens.hub_accuracy(first(i), TRUE, HUBS),
        shares,
    ),
}


@pytest.mark.parametrize("width", WIDTHS)
@pytest.mark.parametrize("function", LISTS)
def test_lists_of_every_width_and_layout(function, width):
    call, definition = LISTS[function]
    got = call(WIDTHS[width](INDEX))
    np.testing.assert_allclose(np.asarray(got, float), definition(INDEX), rtol=3e-7, atol=1e-12)


BAD_LISTS = {
    "floats": INDEX.astype(float),
    "booleans": INDEX > 3,
    "masked": np.ma.masked_array(INDEX, INDEX == 1),
    "beyond": INDEX + N,
    "missing": np.where(INDEX == 1, -1, INDEX),
    "wrapping": INDEX + 2**32,
}


@pytest.mark.parametrize("name", BAD_LISTS)
@pytest.mark.parametrize("function", LISTS)
def test_what_is_no_list_of_neighbours_is_refused(function, name):
    if (function, name) == ("tokens.neighbour_hit", "beyond"):
        return  # ids of any vocabulary
    call, _ = LISTS[function]
    refused(lambda: call(BAD_LISTS[name]), "accepted|expected|drop|n=24")


def test_answers_that_do_not_belong_are_refused():
    for call in (
        lambda: tokens.hub_accuracy(INDEX[:, 0], TRUE, HUBS.astype(int)),
        lambda: tokens.hub_accuracy(INDEX[:9, 0], TRUE, HUBS),
        lambda: tokens.neighbour_hit(INDEX, TRUE + 2**32),
        lambda: tokens.neighbour_hit(INDEX, TRUE[:1]),
        lambda: sampled.draw(KEY, N, 3.0),
        lambda: sampled.draw(KEY, 2**31, 3),
        lambda: significance.beta_interval(3.5, 1, 9),
        lambda: significance.mcnemar(OWN, OWN),
        lambda: tokens.spearman(OWN, TRUE, OWN),
        lambda: tokens.spearman(OWN + 1j, TRUE),
    ):
        refused(call, "accepted|expected")


def test_a_context_that_no_token_answers_counts_as_wrong():
    some = np.where(np.arange(60) % 2, TRUE, -1)
    right = INDEX[:, 0] == some
    assert float(tokens.hub_accuracy(INDEX[:, 0], some, HUBS).all) == pytest.approx(right.mean())
    hit = (some[:, None] == INDEX).any(1).mean()
    assert float(tokens.neighbour_hit(INDEX, some.astype(np.int8))) == pytest.approx(hit)


def test_a_draw_is_of_different_numbers_in_order():
    for n, m in ((N, 5), (np.int64(N), np.int8(5)), (5, N)):
        rows = sampled.draw(KEY, n, m)
        assert len(rows) == min(n, m) and (np.diff(rows) > 0).all() and 0 <= rows[0] <= rows[-1] < n


@pytest.mark.parametrize("kind", [np.asarray, read_only, lambda x: x[::1], jnp.asarray, list])
def test_answers_of_two_models_as_any_booleans(kind):
    a, b = R.uniform(size=(2, 60)) < 0.6
    got = significance.mcnemar(kind(a), kind(b))
    only = int((a & ~b).sum()), int((b & ~a).sum())
    assert got[:2] == only
    assert got.p_value == pytest.approx(stats.binomtest(only[0], sum(only)).pvalue)
    # Products of 10²² fit no integer of 64 bits.
    low, high = significance.beta_interval(np.int64(2 * 10**6), np.int64(10**6), np.int64(10**7))
    assert high - low == pytest.approx(2 * 1.96 * (2.9e13 / 1e21) ** 0.5, rel=0.01)


COUNTS = {
    "bool": lambda x: x > 3,
    "int8": lambda x: x.astype(np.int8),
    "int64 beyond 2³¹": lambda x: x.astype(np.int64) * 2**40 + 1,
    "float16": lambda x: x.astype(np.float16),
    "bfloat16 of JAX": lambda x: jnp.asarray(x, jnp.bfloat16),
    "float64 + 1e8": lambda x: x + 1e8,
    "x 1e30": lambda x: x * 1e30,
    "x 1e-30": lambda x: x * 1e-30,
    "big-endian": lambda x: x.astype(">f8"),
    "strided": lambda x: np.repeat(x, 2)[::2],
    "list": lambda x: x.tolist(),
}
# Functions of one vector of counts or distances.
OF_COUNTS = {
    "tokens.hub_mask": (
        lambda c: [tokens.hub_mask(c, *rule) for rule in (("relative", 1.1), ("quantile", 0.7))],
        lambda c: [c >= 1.1 * c.mean(), c > np.quantile(c, 0.7)],
    ),
    "tokens.spearman": (
        lambda c: tokens.spearman(c, np.arange(40)),
        lambda c: stats.spearmanr(c, np.arange(40)).statistic,
    ),
    "tokens.spearman_interval": (
        lambda c: tokens.spearman_interval(c, np.arange(40), KEY, num_samples=20),
        lambda c: spearman_quantiles(c),
    ),
    "tokens.probability_relative_variance": (
        lambda c: tokens.probability_relative_variance(c, 1000),
        lambda c: (c**2).mean() / (1000 * (1 - 1 / 1000) ** 2),
    ),
    "measures": (
        lambda c: hubness.measures(c, 10).skewness,
        lambda c: stats.skew(c),
    ),
}
SQUARES_LEAVE = {("tokens.probability_relative_variance", f"x 1e{e}") for e in (30, -30)}


def spearman_quantiles(c):
    drawn = jax.vmap(lambda key: jax.random.randint(key, (40,), 0, 40))(jax.random.split(KEY, 20))
    rho = [stats.spearmanr(c[rows], rows).statistic for rows in np.asarray(drawn)]
    return np.quantile(rho, [0.025, 0.975])


@pytest.mark.parametrize("case", COUNTS)
@pytest.mark.parametrize("function", OF_COUNTS)
def test_counts_of_every_type_and_scale(function, case):
    """Measured errors 4e-7; half precision would be off by 1e-3."""
    call, definition = OF_COUNTS[function]
    given = COUNTS[case](np.random.default_rng(5).geometric(0.2, 40).astype(float))
    if (function, case) in SQUARES_LEAVE:
        refused(lambda: call(given), "products of 2 of them leave float32")
        return
    want = definition(double(given))
    np.testing.assert_allclose(np.asarray(call(given), float), want, rtol=2e-6, atol=2e-6)


STORED = {
    "float64": lambda d: d,
    **{name: (lambda d, name=name: d.astype(name)) for name in ("float32", "float16", ">f8")},
    "bfloat16": lambda d: d.astype(jnp.bfloat16),
    "int8": lambda d: (25 * d).astype(np.int8),
    "int64 beyond 2³¹": lambda d: (2**33 * d).astype(np.int64),
    **{name: WIDTHS[name] for name in ("F-order", "read-only", "strided", "of JAX", "list")},
    "x 1e30": lambda d: 1e30 * d,
    "x 1e-30": lambda d: 1e-30 * d,
    "float32 x 1e30": lambda d: (1e30 * d).astype(np.float32),
}


@pytest.mark.parametrize("method", ["csls", "nicdm", "mp_gauss"])
def test_stored_distances_of_every_type_and_scale(method):
    """Of all other points; oracle: the reduction in float64 of the very distances."""
    distance = pairwise(double(BASE), "euclidean")
    order = np.argsort(distance + np.where(np.eye(N), np.inf, 0), axis=1)[:, :-1]
    for kind in STORED.values():
        case = oracles.Case(BASE, k=5 if method != "mp_gauss" else 10)
        case.d = case.dx = np.where(np.eye(N), np.inf, double(kind(distance)))
        lists = kind(np.take_along_axis(distance, order, axis=1)), order
        options = {} if method == "mp_gauss" else {"local_k": 5}
        found = hubness.reduce_graph(lists, method, K, **options)
        check_neighbors(found, getattr(oracles, method)(case))


SEARCHES = {
    "sampled.knn": (
        lambda x: sampled.knn(x, K, np.arange(N)),
        lambda x: pairwise(x, "euclidean"),
    ),
    "sampled.reduced_knn, mp_gauss": (
        lambda x: sampled.reduced_knn(x, K, "mp_gauss", np.arange(N)),
        lambda x: oracles.mp_gauss(oracles.Case(x)),
    ),
}
# A search in parts is one in float32, of what can be cut into rows.
IN_PARTS = ("float32", "float16", "bfloat16", "int8", "bool")


@pytest.mark.parametrize("function", SEARCHES)
def test_searches_in_parts(function, monkeypatch):
    monkeypatch.setattr(oracles, "pairwise", lambda q, x, metric: pairwise(double(q), metric))
    call, definition = SEARCHES[function]
    for name, x in CASES.items():
        if name in IN_PARTS:
            check_neighbors(call(x), definition(double(x)))
        else:
            refused(lambda x=x: call(x), "float32 does not|the source of points is a list")


def test_bad_sources_and_rows_are_refused():
    x, rows = BASE.astype(np.float32), np.arange(N)
    for points in (sparse.csr_array(x), x + 1j, np.where(x > 1, np.nan, x)):
        refused(lambda points=points: sampled.knn(points, K, rows), "accepted|finite")
    for asked in (rows / 2, np.array([1, 1]), np.array([1, 2**32])):
        refused(lambda asked=asked: sampled.knn(x, K, asked), "accepted")
