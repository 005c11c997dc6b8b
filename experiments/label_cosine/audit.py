"""The audit of a user's unembedding matrix, as numbers."""

from typing import Any

import numpy as np

from experiments import arrays
from experiments.runtime.errors import UserError
from similarity import gauge

Record = dict[str, Any]


def read_matrix(matrix: str, bias: str, rows: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """The matrix and bias (zeros where there is none), and at most `rows` rows drawn of them.

    Raises:
      UserError: for fewer than three labels, given or asked for, rows that are not finite, zero or
        all equal, or a bias of another length.
    """
    if rows < 3:
        raise UserError(f"max_labels is {rows}; accepted: 3 or more")
    W = arrays.read_matrix(matrix)
    if len(W) < 3:
        raise UserError(
            f"{matrix} has shape {W.shape}; accepted is (labels, dim), 3 labels or more"
        )
    b = arrays.as_numbers(arrays.load_one(bias), bias) if bias else np.zeros(len(W), np.float32)
    b = b[:, 0] if b.shape == (len(W), 1) else b  # a column of a table
    if b.shape != (len(W),) or not np.isfinite(b).all():
        raise UserError(
            f"{bias} has shape {b.shape}; accepted is ({len(W)},), one finite number for each label"
        )
    if np.array_equal(W, np.broadcast_to(W[:1], W.shape)):
        raise UserError(
            f"{matrix}: all {len(W):,} rows are equal, so no direction tells labels apart"
        )
    zero = np.flatnonzero(~W.any(axis=1))
    if len(zero):
        raise UserError(
            f"{matrix}: {len(zero):,} rows are zero, the first is {zero[0]:,}, counted from 0; "
            "zero has no cosine with any label: remove them"
        )
    if len(W) > rows:
        chosen = np.sort(np.random.default_rng(seed).choice(len(W), rows, replace=False))
        W, b = W[chosen], b[chosen]
    return W.astype(np.float32), b.astype(np.float32)


def summarise(W: np.ndarray, b: np.ndarray) -> Record:
    """How many cosine statements about pairs and neighbours a translation undoes."""
    audit = gauge.audit(W, b)
    pairs = np.triu_indices(len(W), 1)
    raw, centred = (np.asarray(x)[pairs] for x in (audit.cosine, audit.centred_cosine))
    fixed = np.asarray(audit.fixed)[pairs]
    needed = np.asarray(audit.flip_distance)[pairs][~fixed] / float(audit.row_scale)
    return {
        "labels": len(W),
        "dim": W.shape[1],
        "pairs": int(fixed.size),
        "pairs_no_translation_moves": int(fixed.sum()),
        "mean_cosine": float(raw.mean()),
        "mean_centred_cosine": float(centred.mean()),
        "sign_changes_on_centring": float((np.sign(raw) != np.sign(centred)).mean()),
        "nearest_changes_on_centring": float((audit.nearest != audit.nearest_centred).mean()),
        "nearest_that_survive_every_translation": int(audit.nearest_survives.sum()),
        "translation_to_cosine_zero": {
            name: float(np.quantile(needed, q))
            for name, q in (("least", 0.0), ("median", 0.5), ("greatest", 1.0))
        },
        "mean_row_to_row_scale": float(
            np.linalg.norm(W.mean(0)) / max(float(audit.row_scale), np.finfo(np.float32).tiny)
        ),
    }
