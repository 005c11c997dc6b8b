"""What the scikit-learn estimators that search have in common."""

import dataclasses
from typing import Any, NamedTuple

import jax
import numpy as np
from sklearn.base import BaseEstimator
from sklearn.utils.validation import validate_data

from hubness.reductions import REDUCTIONS, Reduction, reduced_knn, reduction
from hubness.search.knn import knn
from repgeo import inputs

SEARCH_OPTIONS = ("two_domain", "block_size")  # of `method_params`: of the search, not the method

_FIELD = "method__"  # before a field of a method that is an object


class Found(NamedTuple):
    """Neighbours of each query in NumPy, nearest first."""

    distance: np.ndarray
    index: np.ndarray


class FittedSearch(BaseEstimator):
    """Search among fitted points by the estimator's metric, method, local_k and method_params.

    `method` is None, a short name, or a reduction. Fields of a named one come from local_k, where
    it has one, and method_params, which may also hold two_domain and block_size.
    """

    metric: str
    method: str | Reduction | None
    local_k: int
    method_params: dict[str, Any] | None
    n_samples_fit_: int
    _points_: np.ndarray

    def get_params(self, deep=True):
        """The parameters; with `deep` also the fields of a method that is an object, method__…."""
        found = super().get_params(deep)
        if deep and dataclasses.is_dataclass(method := self.method):
            fields = dataclasses.fields(method)
            found |= {f"{_FIELD}{field.name}": getattr(method, field.name) for field in fields}
        return found

    def set_params(self, **params):
        """Sets parameters; method__local_k=3 puts a changed copy in the place of the object.

        Raises:
            ValueError: unknown names, or a field of a method that is a name or lacks it.
        """
        super().set_params(**{n: v for n, v in params.items() if not n.startswith(_FIELD)})
        fields = {n.removeprefix(_FIELD): v for n, v in params.items() if n.startswith(_FIELD)}
        other = [n for n in fields if f"{_FIELD}{n}" not in self.get_params()]
        if other:
            raise ValueError(
                f"method={self.method!r} is no object with {', '.join(other)} to set; pass one "
                "such as CSLS(local_k=10), or options of a name in method_params"
            )
        if fields:
            method: Any = self.method
            self.method = dataclasses.replace(method, **fields)
        return self

    def _remember(self):
        """Notes the parameters that what `fit` keeps was made with."""
        self._fit_params = self.get_params(deep=False)

    def _check_remembered(self, *free: str):
        """ValueError where parameters other than `free` were set since `fit`."""
        now = self.get_params(deep=False)
        changed = [n for n in now if n not in free and now[n] != self._fit_params[n]]
        if changed:
            raise ValueError(
                f"{', '.join(changed)} was set after fit, whose lists are of another value; call "
                "fit again"
            )

    def _points(self, X, *, reset: bool):
        least = 2 if reset else 1
        rows: Any = validate_data(self, X, reset=reset, dtype="numeric", ensure_min_samples=least)
        if reset:
            self.n_samples_fit_ = len(rows)
            self._reduction()
            self._points_ = rows
        return rows

    def _reduction(self) -> Reduction | None:
        """The method as an object.

        Raises:
            ValueError: an unknown name, or options that the method does not take.
        """
        if not isinstance(self.method_params, dict | None):
            raise ValueError(
                f"method_params={self.method_params!r}; accepted is a dict of options by name"
            )
        given = {n: v for n, v in (self.method_params or {}).items() if n not in SEARCH_OPTIONS}
        method = self.method
        if method is None and (other := set(self.method_params or {}) - {"block_size"}):
            raise ValueError(
                f"method=None takes no options; method_params holds {', '.join(sorted(other))}"
            )
        if isinstance(method, str):
            if method not in REDUCTIONS:
                raise ValueError(f"method={method!r}; use None or one of {', '.join(REDUCTIONS)}.")
            if "local_k" in {field.name for field in dataclasses.fields(REDUCTIONS[method])}:
                local_k = inputs.count("local_k", self.local_k, 2**31 - 1)
                given = {"local_k": min(local_k, self.n_samples_fit_ - 1)} | given
        return None if method is None else reduction(method, **given)

    def _neighbors(self, queries, k: int) -> Found:
        """k neighbours among the fitted points: of themselves if queries is None."""
        options = {n: v for n, v in (self.method_params or {}).items() if n in SEARCH_OPTIONS}
        asked = len(self._points_ if queries is None else queries)
        if queries is not None and not options.get("two_domain"):
            # One compiled program serves all numbers of queries up to the same power of two; not
            # where the queries that are asked are themselves what is measured.
            size = max(8, 1 << (asked - 1).bit_length())
            queries = np.concatenate([queries, np.repeat(queries[-1:], size - asked, axis=0)])
        method = self._reduction()
        options |= dict(queries=queries, metric=self.metric)
        if method is None:
            found = knn(self._points_, k, **options)
        else:
            found = reduced_knn(self._points_, k, method, **options)
        distance, index = jax.device_get(found)
        return Found(distance[:asked].astype(np.float64), index[:asked].astype(np.int64))

    def _lists(self, X, own: Found) -> Found:
        """Neighbours of queries; of one that is a fitted point those of its `own` search."""
        first = _twins(self._points_, X)
        new = first < 0
        found = Found(*(a[first] for a in own))
        if new.any():
            asked = self._neighbors(X[new], own.index.shape[1])
            found.distance[new], found.index[new] = self._values(asked), asked.index
        return found

    def _values(self, nb: Found) -> np.ndarray:
        return nb.distance


def _twins(points, queries):
    """The first point equal to each query, −1 where there is none."""
    both = np.concatenate([points, queries])
    _, first, inverse = np.unique(both, axis=0, return_index=True, return_inverse=True)
    twin = first[inverse.ravel()[len(points) :]]
    return np.where(twin < len(points), twin, -1)
