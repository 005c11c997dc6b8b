"""scikit-learn estimators over the functions of `hubness`; needs the extra `sklearn`."""

from typing import Any

import jax
import numpy as np
from scipy import sparse
from sklearn.base import (
    BaseEstimator,
    ClassifierMixin,
    ClassNamePrefixFeaturesOutMixin,
    OneToOneFeatureMixin,
    TransformerMixin,
)
from sklearn.utils.multiclass import check_classification_targets
from sklearn.utils.validation import check_is_fitted, validate_data

from hubness import features
from hubness.fitted import FittedSearch, Found
from hubness.measures import Measures, measures
from hubness.occurrence import k_occurrence
from hubness.reductions import graph
from repgeo import inputs


class Hubness(FittedSearch):
    """Measures of hubness of the fitted points, and of new queries among them.

    A point never counts as its own neighbour, asked again as a query neither. `report_` holds
    `Measures` as floats and `k_occurrence_` the counts of the self search; `score` is minus the
    chosen measure, so that model selection prefers less hubness. metric="precomputed" takes
    distances [queries, points], none below 0, all of them or a sparse graph of neighbours that any
    library made, of which the k nearest stored are counted; if square, its diagonal is left out.
    """

    def __init__(
        self,
        n_neighbors=10,
        *,
        metric="euclidean",
        method=None,
        local_k=10,
        method_params=None,
        measure="robin_hood",
        hub_size=2.0,
    ):
        self.n_neighbors = n_neighbors
        self.metric = metric
        self.method = method
        self.local_k = local_k
        self.method_params = method_params
        self.measure = measure
        self.hub_size = hub_size

    def fit(self, X, y=None):
        """Measures the self search of X (or the graph X under metric="precomputed")."""
        self._check_measure()
        if self.metric == "precomputed":
            if self.method is not None or self.method_params:
                raise ValueError(
                    f"metric='precomputed' takes no method, and method={self.method!r} with "
                    f"method_params={self.method_params!r} is given: reduce the distances with "
                    "reduce_graph first, or pass the rows"
                )
            stored: Any = validate_data(self, X, accept_sparse=["csr", "coo"], ensure_min_samples=2)
            self.n_samples_fit_ = stored.shape[1]
            index = self._stored(stored)
        else:
            self._points(X, reset=True)
            self._own = self._neighbors(None, self.n_neighbors)
            index = self._own.index
        self.k_occurrence_, self.report_ = self._measured(index)
        self._remember()
        return self

    def measures(self, X=None) -> Measures:
        """The measures of the fitted self search, or of the queries X among the fitted points.

        Raises:
            ValueError: parameters other than `measure` were set after fit.
        """
        check_is_fitted(self)
        self._check_remembered("measure")
        if X is None:
            return self.report_
        if self.metric == "precomputed":
            X = validate_data(self, X, reset=False, accept_sparse=["csr", "coo"])
            return self._measured(self._stored(X))[1]
        X = self._points(X, reset=False)
        if np.array_equal(X, self._points_):
            return self.report_
        return self._measured(self._lists(X, self._own).index)[1]

    def score(self, X=None, y=None) -> float:
        """Minus the chosen measure: greater is less hubby."""
        self._check_measure()
        return -getattr(self.measures(X), self.measure)

    def _check_measure(self):
        if self.measure not in Measures._fields:
            raise ValueError(f"measure={self.measure!r}; use one of {', '.join(Measures._fields)}.")

    def _measured(self, index):
        counts = k_occurrence(index, self.n_samples_fit_)
        report = measures(counts, self.n_neighbors, len(index), hub_size=self.hub_size)
        return np.asarray(counts), Measures(*(float(v) for v in report))

    def _stored(self, X):
        """The nearest stored neighbours of each row, ties to the lowest index."""
        m, n = X.shape
        if not sparse.issparse(X):  # a zero is a distance here, and nothing stored in a graph
            X = X, np.broadcast_to(np.arange(n), (m, n))
        lists = graph.read(X, "dot", None if m == n else n)
        low, high = lists.distance.min(), lists.distance.max()
        if low < -10 * graph.SLACK * max(high, -low):
            raise ValueError(
                f"X holds values from {low:.3g} to {high:.3g}; metric='precomputed' takes distances"
                " of at least 0: pass 1 − cos for cosines, and subtract the least from other values"
                " that are less for nearer points and can be negative"
            )
        k = inputs.count("n_neighbors", self.n_neighbors, 2**31 - 1)
        graph.check_stored(lists.stored, "n_neighbors", k)
        return lists.index[:, :k].astype(np.int64)


class HubnessReducedKNNTransformer(ClassNamePrefixFeaturesOutMixin, TransformerMixin, FittedSearch):
    """Sparse graph of neighbours under a hubness-reduced distance, as KNeighborsTransformer makes.

    As there, rows of the fitted points hold the point itself first, at distance 0, and
    mode="distance" stores n_neighbors + 1 entries a row, mode="connectivity" n_neighbors. A query
    equal to a fitted point is that point: its statistics do not count itself. Values of methods
    that can be negative are replaced by the place in the list (1, 2, ...).
    """

    def __init__(
        self,
        *,
        mode="distance",
        n_neighbors=5,
        method="nicdm",
        metric="euclidean",
        local_k=10,
        method_params=None,
    ):
        self.mode = mode
        self.n_neighbors = n_neighbors
        self.method = method
        self.metric = metric
        self.local_k = local_k
        self.method_params = method_params

    def fit(self, X, y=None):
        """Searches the neighbours of X among themselves."""
        if self.mode not in ("distance", "connectivity"):
            raise ValueError(f"mode={self.mode!r}; use 'distance' or 'connectivity'.")
        self._points(X, reset=True)
        near = self._neighbors(None, self._stored - 1)
        itself = np.arange(len(near.index))[:, None]
        distance = np.concatenate([np.zeros((len(itself), 1)), self._values(near)], axis=1)
        self._own = Found(distance, np.concatenate([itself, near.index], axis=1))
        self._n_features_out = self.n_samples_fit_
        self._remember()
        return self

    def transform(self, X):
        """The graph [n_queries, n_fitted] in CSR format, nearest first within a row.

        Raises:
            ValueError: parameters were set after fit.
        """
        check_is_fitted(self)
        self._check_remembered()
        X = self._points(X, reset=False)
        found = self._lists(X, self._own)
        data = np.ones_like(found.distance) if self.mode == "connectivity" else found.distance
        indptr = np.arange(0, found.index.size + 1, self._stored)
        shape = len(X), self.n_samples_fit_
        return sparse.csr_matrix((data.ravel(), found.index.ravel(), indptr), shape=shape)

    @property
    def _stored(self) -> int:
        k = inputs.count("n_neighbors", self.n_neighbors, 2**31 - 2)
        return k + (self.mode == "distance")

    def _values(self, nb: Found) -> np.ndarray:
        method = self._reduction()
        if not (method and method.signed) and self.metric != "dot":
            return nb.distance
        return np.broadcast_to(np.arange(1.0, nb.distance.shape[1] + 1), nb.distance.shape)


class HubnessKNNClassifier(ClassifierMixin, FittedSearch):
    """Majority of the nearest points under a hubness-reduced distance.

    weights="uniform" counts votes, "rank" weighs them by 1/place, "distance" by 1/distance, which
    is refused for every method whose values are not distances (mutual proximity above all).

    Examples:
        >>> from hubness.estimators import HubnessKNNClassifier
        >>> X, y = [[0.0], [1.0], [9.0], [10.0]], [0, 0, 1, 1]
        >>> model = HubnessKNNClassifier(1, method="csls", local_k=1).fit(X, y)
        >>> model.predict([[2.0], [8.0]]).tolist()
        [0, 1]
    """

    def __init__(
        self,
        n_neighbors=5,
        *,
        method="nicdm",
        metric="euclidean",
        weights="uniform",
        local_k=10,
        method_params=None,
    ):
        self.n_neighbors = n_neighbors
        self.method = method
        self.metric = metric
        self.weights = weights
        self.local_k = local_k
        self.method_params = method_params

    def fit(self, X, y):
        """Stores the points and their classes."""
        X, y = validate_data(self, X, y, dtype="numeric")
        check_classification_targets(y)
        self._points(X, reset=True)
        self._check_weights()
        self.classes_, self._codes = np.unique(y, return_inverse=True)
        return self

    def kneighbors(self, X):
        """(distances, indices) of the n_neighbors nearest fitted points to each query."""
        check_is_fitted(self)
        return tuple(self._neighbors(self._points(X, reset=False), self.n_neighbors))

    def predict_proba(self, X):
        """The share of weighted votes of each class, by the parameters as they now are."""
        check_is_fitted(self)
        self._check_weights()
        distance, index = self.kneighbors(X)
        votes = np.zeros((len(index), len(self.classes_)))
        rows = np.arange(len(index))[:, None]
        np.add.at(votes, (rows, self._codes[index]), self._weights(distance))
        return votes / votes.sum(axis=1, keepdims=True)

    def predict(self, X):
        """The class with the most weighted votes, the first among equals."""
        votes = self.predict_proba(X)
        return self.classes_[votes.argmax(axis=1)]

    def _check_weights(self):
        if self.weights not in ("uniform", "rank", "distance"):
            raise ValueError(f"weights={self.weights!r}; use 'uniform', 'rank' or 'distance'.")
        method = self._reduction()
        if self.weights == "distance" and (
            self.metric == "dot" or not (method is None or method.invertible)
        ):
            raise ValueError(
                f"weights='distance' divides by the distance, but values of {self.method} under "
                f"{self.metric} are not distances. Use weights='rank' or 'uniform'."
            )

    def _weights(self, distance):
        if self.weights == "uniform":
            return np.ones_like(distance)
        if self.weights == "rank":
            return np.broadcast_to(1 / np.arange(1.0, distance.shape[1] + 1), distance.shape)
        exact = (distance == 0).any(axis=1, keepdims=True)
        return np.where(exact, distance == 0, 1 / np.where(distance == 0, 1, distance))


class RankNormalizer(OneToOneFeatureMixin, TransformerMixin, BaseEstimator):
    """The inductive f-norm: features to normal scores of their ranks, then rows of length 1.

    Deterministic; equal rows stay equal. `hubness.features.f_norm` is the paper's random form.
    """

    def fit(self, X, y=None):
        """Sorts the features of X."""
        X = validate_data(self, X, dtype=[np.float64, np.float32], ensure_min_samples=2)
        self._state = jax.device_get(features.rank_normal_fit(X))
        return self

    def transform(self, X):
        """Interpolates between the scores of the fitted values."""
        check_is_fitted(self)
        rows: Any = validate_data(self, X, dtype=[np.float64, np.float32], reset=False)
        return np.asarray(features.rank_normal_apply(self._state, rows)).astype(rows.dtype)
