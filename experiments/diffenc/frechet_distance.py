"""The Fréchet distance of two sets of features, and extractors given by the user's own file."""

import hashlib
import importlib.util
import pathlib
from collections.abc import Callable
from typing import Any

import numpy as np

from experiments.runtime.errors import UserError

Extractor = Callable[[np.ndarray], np.ndarray]


def frechet_distance(a: np.ndarray, b: np.ndarray) -> float:
    """|m_a − m_b|² + tr(C_a + C_b − 2 (C_a C_b)^½) of the Gaussians fitted to rows a and b; ≥ 0.

    The squared 2-Wasserstein distance of those Gaussians (Dowson and Landau 1982); Heusel et al.
    2017, https://arxiv.org/abs/1706.08500, call it FID in features of one Inception network. It is
    biased upwards by the number of rows: compare only equal numbers. Raises `UserError` for fewer
    than two rows, or other numbers of columns.
    """
    if a.ndim != 2 or b.ndim != 2 or a.shape[1] != b.shape[1] or min(len(a), len(b)) < 2:
        raise UserError(
            f"features have shapes {a.shape} and {b.shape}; needed: two or more rows each and the "
            "same number of columns"
        )
    mean = a.mean(0) - b.mean(0)
    # The eigenvalues of C_a C_b are squares of the singular values of A B^T for C = A^T A.
    roots = [(f - f.mean(0)).astype(np.float64) / np.sqrt(len(f) - 1) for f in (a, b)]
    # A triangular factor has the same covariance and never more rows than columns.
    factors = [np.asarray(np.linalg.qr(root, mode="r")) for root in roots]
    cross = np.linalg.svd(factors[0] @ factors[1].T, compute_uv=False).sum()
    spread = sum(np.sum(factor**2) for factor in factors)
    return float(max(0.0, mean @ mean + spread - 2 * cross))


def load_extractor(where: str) -> tuple[Extractor, dict[str, Any]]:
    """The function and its facts from "FILE.py:FUNCTION"; the file is run, so use your own.

    The function takes codes, integers [n, h, w, c], and returns features [n, d]. Raises `UserError`
    where there is no such file or function.
    """
    name, _, function = where.partition(":")
    path = pathlib.Path(name)
    if not path.is_file() or not function:
        raise UserError(
            f"--features={where}: give FILE.py:FUNCTION, a function from codes [n, h, w, c] to "
            "features [n, d]"
        )
    spec = importlib.util.spec_from_file_location(path.stem, path)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    extractor: Extractor | None = getattr(module, function, None)
    if not callable(extractor):
        raise UserError(f"--features={where}: {path.name} has no function {function!r}")
    digest = hashlib.sha256(path.read_bytes()).hexdigest()
    return extractor, {"extractor": f"{path.name}:{function}", "sha256": digest}


def extract(extractor: Extractor, codes: np.ndarray, batch_size: int = 256) -> np.ndarray:
    """Features [n, d] of all codes, in batches. Raises `UserError` for other shapes."""
    parts = [
        np.asarray(extractor(codes[start : start + batch_size]))
        for start in range(0, len(codes), batch_size)
    ]
    features = np.concatenate(parts)
    if features.ndim != 2 or len(features) != len(codes):
        raise UserError(
            f"the extractor returned {features.shape} for {len(codes)} images; needed: one row each"
        )
    if not np.isfinite(features).all():
        raise UserError("the extractor returned values that are not finite")
    return features
