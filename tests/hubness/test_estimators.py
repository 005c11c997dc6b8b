"""The scikit-learn layer: its own checks, pipelines, and agreement with the functions."""

import numpy as np
import pytest
from scipy import sparse

from hubness import (
    CSLS,
    NICDM,
    NNN,
    REDUCTIONS,
    k_occurrence,
    knn,
    measures,
    reduced_knn,
)

pytest.importorskip("sklearn")
from sklearn.base import clone
from sklearn.model_selection import GridSearchCV
from sklearn.neighbors import (
    KNeighborsClassifier,
    KNeighborsTransformer,
    kneighbors_graph,
)
from sklearn.pipeline import make_pipeline
from sklearn.utils.estimator_checks import parametrize_with_checks

from hubness.estimators import (
    Hubness,
    HubnessKNNClassifier,
    HubnessReducedKNNTransformer,
    RankNormalizer,
)

LABELS = np.random.default_rng(0).integers(0, 3, 240)


def in_turn(checks):
    """Each check for one of the estimators that it is for, in turn; for the others it is slow."""
    kinds: dict[str, list] = {}
    for estimator, check in checks.args[1]:
        kinds.setdefault(checks.kwargs["ids"](check), []).append((estimator, check))
    for turn, cases in enumerate(kinds.values()):
        for i, case in enumerate(cases):
            slow = i != turn % len(cases)
            yield pytest.param(*case, marks=[pytest.mark.slow] if slow else [])


CHECKS = parametrize_with_checks(
    [
        Hubness(n_neighbors=3),
        HubnessReducedKNNTransformer(n_neighbors=3, local_k=3),
        HubnessKNNClassifier(n_neighbors=3, local_k=3),
        RankNormalizer(),
    ]
)


@pytest.mark.parametrize(CHECKS.args[0], [*in_turn(CHECKS)], ids=CHECKS.kwargs["ids"])
def test_scikit_learn_checks(estimator, check):
    check(estimator)


def test_hubness_reports_the_measures_of_the_functions(x):
    model = Hubness(method="nicdm").fit(x)
    counts = k_occurrence(reduced_knn(x, 10, "nicdm").index, 240)
    np.testing.assert_array_equal(model.k_occurrence_, np.asarray(counts))
    np.testing.assert_allclose(model.report_, [float(v) for v in measures(counts, 10)], rtol=3e-6)
    assert model.score() == -model.report_.robin_hood


def test_hubness_of_queries_counts_their_lists(x, q):
    report = Hubness().fit(x).measures(q)
    np.testing.assert_allclose(report.groupie_ratio * 50, round(report.groupie_ratio * 50))
    np.testing.assert_allclose(report.antihub_rate_null, np.exp(-500 / 240), rtol=1e-6)


def test_hubness_of_neighbours_from_elsewhere(x):
    """A stored graph, with or without the points themselves, gives what the points give."""
    want = Hubness().fit(x).k_occurrence_
    for include_self, stored in ((False, 15), (True, 16)):
        graph = kneighbors_graph(x, stored, mode="distance", include_self=include_self)
        got = Hubness(metric="precomputed").fit(graph)
        np.testing.assert_array_equal(got.k_occurrence_, want)
    few = kneighbors_graph(x, 5, mode="distance")
    with pytest.raises(ValueError, match="stores 5 neighbours besides itself"):
        Hubness(metric="precomputed").fit(few)


def test_the_training_graph_is_scikit_learns(x, q):
    """Without a reduction: the same sparse matrix, self first at distance 0."""
    theirs = KNeighborsTransformer(n_neighbors=7).fit(x)
    ours = HubnessReducedKNNTransformer(n_neighbors=7, method=None).fit(x)
    for queries in (x, q):
        a, b = theirs.transform(queries), ours.transform(queries)
        assert sparse.issparse(b) and b.shape == a.shape
        np.testing.assert_array_equal(b.indptr, a.indptr)
        np.testing.assert_array_equal(b.indices, a.indices)
        # Their self distance is 1e-7 here and there, by cancellation.
        np.testing.assert_allclose(b.data, a.data, rtol=1e-5, atol=2e-6)


def test_training_rows_hold_the_reduced_self_search(x):
    graph = HubnessReducedKNNTransformer(n_neighbors=10, method="mp_gauss").fit_transform(x)
    rows = graph.indices.reshape(240, 11)
    np.testing.assert_array_equal(rows[:, 0], np.arange(240))
    want = reduced_knn(x, 10, "mp_gauss")
    np.testing.assert_array_equal(rows[:, 1:], np.asarray(want.index))
    assert (graph.data >= 0).all()
    part = HubnessReducedKNNTransformer(n_neighbors=10, method="mp_gauss").fit(x).transform(x[:9])
    np.testing.assert_array_equal(part.indices.reshape(9, 11), rows[:9])


def test_values_that_could_be_negative_become_places(x):
    graph = HubnessReducedKNNTransformer(n_neighbors=4, method="dsl").fit_transform(x)
    np.testing.assert_array_equal(graph.data.reshape(240, 5), np.tile(np.arange(5.0), (240, 1)))


def test_connectivity_mode(x):
    graph = HubnessReducedKNNTransformer(n_neighbors=4, mode="connectivity").fit_transform(x)
    assert graph.nnz == 4 * 240 and (graph.data == 1).all()


def test_in_a_pipeline_with_a_grid_search(x):
    pipe = make_pipeline(
        RankNormalizer(),
        HubnessReducedKNNTransformer(n_neighbors=7),
        KNeighborsClassifier(n_neighbors=5, metric="precomputed"),
    )
    grid = {"hubnessreducedknntransformer__method": [None, "mp_gauss"]}
    y = (x[:, 0] > x[:, 0].mean()).astype(int)
    search = GridSearchCV(pipe, grid, cv=2).fit(x, y)
    assert search.best_score_ > 0.7 and len(search.predict(x[:5])) == 5


def test_grids_over_classifier_and_measure(x):
    """The best of each grid is what the functions say is best."""
    y = (x[:, 0] > x[:, 0].mean()).astype(int)
    pipe = make_pipeline(RankNormalizer(), HubnessKNNClassifier(n_neighbors=7))
    grid = {"hubnessknnclassifier__weights": ["uniform", "rank"]}
    search = GridSearchCV(pipe, grid, cv=2).fit(x, y)
    assert search.score(x, y) > 0.7 and len(search.cv_results_["params"]) == 2
    methods = [None, "nicdm"]
    halves = [(np.arange(240), np.arange(50))]
    found = GridSearchCV(Hubness(), {"method": methods}, cv=halves, refit=False).fit(x)
    want = [-Hubness(method=m).fit(x).measures(x[:50]).robin_hood for m in methods]
    np.testing.assert_allclose(found.cv_results_["mean_test_score"], want)


def test_classifier_votes_by_majority(x, q):
    model = HubnessKNNClassifier(n_neighbors=7, method="nicdm").fit(x, LABELS)
    index = np.asarray(reduced_knn(x, 7, "nicdm", queries=q).index)
    votes = np.stack([np.bincount(row, minlength=3) for row in LABELS[index]])
    np.testing.assert_allclose(model.predict_proba(q), votes / 7)
    np.testing.assert_array_equal(model.predict(q), votes.argmax(1))


def test_classifier_weighs_by_place_or_distance(x, q):
    near = reduced_knn(x, 7, "nicdm", queries=q)
    index, distance = np.asarray(near.index), np.asarray(near.distance)
    weights = {"rank": np.tile(1 / np.arange(1.0, 8), (50, 1)), "distance": 1 / distance}
    for name, w in weights.items():
        model = HubnessKNNClassifier(n_neighbors=7, weights=name).fit(x, LABELS)
        want = np.stack([np.bincount(*v, minlength=3) for v in zip(LABELS[index], w, strict=True)])
        got = model.predict_proba(q)
        np.testing.assert_allclose(got, want / want.sum(1, keepdims=True), rtol=1e-5)


@pytest.mark.parametrize("method", ["mp_gauss", "mp_empiric", "snn", "dsl", "csls"])
def test_classifier_refuses_to_invert_what_is_no_distance(x, method):
    with pytest.raises(ValueError, match="Use weights='rank' or 'uniform'"):
        HubnessKNNClassifier(method=method, weights="distance").fit(x, LABELS)


@pytest.mark.parametrize(
    "model, message",
    [
        (Hubness(measure="skew"), "use one of skewness"),
        (Hubness(method="mp"), "use None or one of csls"),
        (Hubness(method="csls", method_params={"beta": 2}), "csls takes no beta; it takes local_k"),
        (Hubness(method=CSLS(), method_params={"local_k": 2}), r"write CSLS\(local_k=…\)"),
        (Hubness(method_params={"beta": 2}), "method=None takes no options"),
        (HubnessKNNClassifier(method=None, method_params={"two_domain": True}), "holds two_domain"),
        (Hubness(2, metric="precomputed"), "takes distances of at least 0"),
        (Hubness(2, metric="precomputed", method="csls"), "'precomputed' takes no method"),
        (HubnessReducedKNNTransformer(mode="graph"), "use 'distance' or 'connectivity'"),
        (HubnessKNNClassifier(weights="1/d"), "use 'uniform', 'rank' or 'distance'"),
        (HubnessKNNClassifier(local_k="3"), "local_k='3' is no integer"),
        (Hubness(method="csls", method_params=["two_domain"]), "a dict of options by name"),
        (HubnessReducedKNNTransformer(n_neighbors="5"), "n_neighbors='5' is no integer"),
        (Hubness(n_neighbors=240), "n_neighbors|k=240 is impossible"),
    ],
)
def test_bad_parameters_are_one_clear_error(x, model, message):
    with pytest.raises(ValueError, match=message):
        model.fit(x, LABELS)


@pytest.mark.parametrize(
    "model, change",
    [
        (Hubness(5), {"n_neighbors": 3}),
        (Hubness(5), {"metric": "cosine"}),
        (Hubness(5), {"hub_size": 3.0}),
        (Hubness(5, method=CSLS(5)), {"method__local_k": 3}),
        (HubnessReducedKNNTransformer(n_neighbors=5), {"mode": "connectivity"}),
        (HubnessReducedKNNTransformer(n_neighbors=5), {"n_neighbors": 3}),
    ],
)
def test_lists_of_fit_are_not_read_by_other_parameters(x, model, change):
    """Setting them back serves, and the measure that `score` takes is no such parameter."""
    model = clone(model).fit(x[:40])
    before, ask = model.get_params(), getattr(model, "measures", None) or model.transform
    model.set_params(**change)
    with pytest.raises(ValueError, match="was set after fit"):
        ask(x[:3])
    model.set_params(**before)
    ask(x[:3])
    if isinstance(model, Hubness):
        assert model.set_params(measure="gini").score() == -model.report_.gini


def test_a_classifier_asks_by_the_parameters_as_they_are(x):
    model = HubnessKNNClassifier(5, method=None).fit(x[:40], LABELS[:40]).set_params(n_neighbors=3)
    want = HubnessKNNClassifier(3, method=None).fit(x[:40], LABELS[:40])
    np.testing.assert_array_equal(model.predict_proba(x[40:]), want.predict_proba(x[40:]))
    with pytest.raises(ValueError, match="use 'uniform', 'rank' or 'distance'"):
        model.set_params(weights="foo").predict(x[:3])
    with pytest.raises(ValueError, match="Use weights='rank' or 'uniform'"):
        model.set_params(weights="distance", method="mp_gauss").predict(x[:3])


def test_two_domain_queries_are_measured_as_they_are(x):
    """20 queries are a domain of 20, not of 32: as the function has it."""
    for method in ("csls", "nicdm", "mp_gauss", "inverted_softmax", CSLS(5)):
        name = isinstance(method, str)
        model = HubnessKNNClassifier(3, method=method, method_params={"two_domain": True})
        index = model.set_params(local_k=5).fit(x, LABELS).kneighbors(x[:20] + 1)[1]
        options = {"local_k": 5} if name and "local_k" in REDUCTIONS[method].__annotations__ else {}
        want = reduced_knn(x, 3, method, queries=x[:20] + 1, two_domain=True, **options)
        np.testing.assert_array_equal(index, np.asarray(want.index))


def test_dense_distances_keep_their_zeros(x):
    """40 rows each twice: the counts of the vectors, ties to the lowest index."""
    twice = np.repeat(x[:40], 2, axis=0).astype(float)
    dense = np.sqrt(((twice[:, None] - twice[None]) ** 2).sum(-1))
    want = Hubness(5).fit(twice)
    got = Hubness(5, metric="precomputed").fit(dense)
    np.testing.assert_array_equal(got.k_occurrence_, want.k_occurrence_)
    assert got.measures(dense) == got.report_


def test_fitted_rows_asked_again_are_not_their_own_neighbours(x):
    model = Hubness(measure="skewness").fit(x)
    assert model.score(x) == -model.report_.skewness
    some = np.asarray(knn(x, 10).index)[:50]
    want = measures(k_occurrence(some, 240), 10, 50)
    np.testing.assert_allclose(model.measures(x[:50]), [float(v) for v in want], rtol=3e-6)


def test_methods_are_names_or_objects(x):
    """Both clone, and a grid reaches their fields."""
    objects = [None, NICDM(5), NNN(bank_k=7, bank=x[:20])]
    found = GridSearchCV(Hubness(5), {"method": objects}, cv=2, refit=False).fit(x)
    assert np.isfinite(found.cv_results_["mean_test_score"]).all()
    a = clone(Hubness(5, method=NICDM(7))).fit(x)
    b = clone(Hubness(5, method="nicdm", local_k=7)).fit(x)
    c = clone(Hubness(5, method="nicdm", method_params={"local_k": 7})).fit(x)
    assert a.report_ == b.report_ == c.report_


def test_fields_of_an_object_are_parameters(x):
    """The object itself, which others may hold, stays as it was."""
    method = CSLS(5)
    model = Hubness(5, method=method)
    assert model.get_params()["method__local_k"] == 5
    assert clone(model).set_params(method__local_k=3).method == CSLS(3) and method == CSLS(5)
    halves = [(np.arange(40), np.arange(20))]
    grid = {"method__local_k": [3, 5]}
    found = GridSearchCV(model, grid, cv=halves, refit=False, error_score="raise").fit(x[:40])
    want = [Hubness(5, method=CSLS(k)).fit(x[:40]).score(x[:20]) for k in (3, 5)]
    np.testing.assert_array_equal(found.cv_results_["mean_test_score"], want)
    for other, name in ((model, "beta"), (Hubness(method="csls"), "local_k")):
        with pytest.raises(ValueError, match=f"no object with {name} to set"):
            other.set_params(**{f"method__{name}": 3})


@pytest.mark.parametrize("offset", [1e6, 1e8])
def test_offsets_change_nothing(x, offset):
    """What float64 keeps of the rows, an estimator does."""
    moved = x[:80, :4].astype(float) + offset
    d = np.sqrt(((moved[:, None] - moved[None]) ** 2).sum(-1))
    np.fill_diagonal(d, np.inf)
    counts = np.bincount(np.argsort(d, axis=1)[:, :5].ravel(), minlength=80)
    np.testing.assert_array_equal(Hubness(5).fit(moved).k_occurrence_, counts)
    np.testing.assert_allclose(
        RankNormalizer().fit_transform(moved), RankNormalizer().fit_transform(moved - offset), 1e-6
    )
