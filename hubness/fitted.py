"""What the scikit-learn estimators that search have in common."""

import jax
import numpy as np
from sklearn.base import BaseEstimator
from sklearn.utils.validation import validate_data

from hubness.knn import Neighbors, knn
from hubness.rescale import REDUCTIONS, reduced_knn


class FittedSearch(BaseEstimator):
    """Search among fitted points by the estimator's metric, method, local_k and method_params."""

    def _points(self, X, *, reset: bool):
        X = validate_data(
            self, X, reset=reset, dtype=np.float64, ensure_min_samples=2 if reset else 1
        )
        if reset:
            _check_method(self.method)
            self._points_ = X
            self.n_samples_fit_ = len(X)
        return X

    def _neighbors(self, queries, k: int) -> Neighbors:
        """k neighbours among the fitted points: of themselves if queries is None."""
        points = self._points_
        if queries is None:
            return _to_numpy(self._search(points, None, k))
        # One compiled program serves all numbers of queries up to the same power of two.
        size = max(8, 1 << (len(queries) - 1).bit_length())
        padded = np.concatenate([queries, np.repeat(queries[-1:], size - len(queries), axis=0)])
        found = _to_numpy(self._search(points, padded, k))
        return Neighbors(*(a[: len(queries)] for a in found))

    def _search(self, points, queries, k):
        options = dict(queries=queries, metric=self.metric)
        if self.method is None:
            return knn(points, k, **options)
        options["local_k"] = min(self.local_k, len(points) - 1)
        return reduced_knn(points, k, self.method, **options, **(self.method_params or {}))


def _check_method(method: str | None) -> None:
    if method is not None and method not in REDUCTIONS:
        raise ValueError(f"method={method!r}; use None or one of {', '.join(REDUCTIONS)}.")


def _to_numpy(nb: Neighbors) -> Neighbors:
    distance, index = jax.device_get(nb)
    return Neighbors(distance.astype(np.float64), index.astype(np.int64))


def twins(points, queries):
    """The first point equal to each query, −1 where there is none."""
    both = np.concatenate([points, queries])
    _, first, inverse = np.unique(both, axis=0, return_index=True, return_inverse=True)
    twin = first[inverse.ravel()[len(points) :]]
    return np.where(twin < len(points), twin, -1)
