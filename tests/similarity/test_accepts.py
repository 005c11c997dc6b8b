"""What every measure accepts: right to a stated tolerance against float64 NumPy, or refused.

Arrays of all dtypes, layouts, offsets, scales and with duplicates, as people have them, in the
default mode of JAX, which computes in float32. `python -m tests.similarity.test_accepts` writes
the table of docs/inputs.md from the same cases.
"""

import pathlib
from collections.abc import Callable
from typing import NamedTuple

import jax.numpy as jnp
import ml_dtypes
import numpy as np
import pytest
from scipy import stats

import similarity as S
from tests.similarity import definitions as D

PAGE = pathlib.Path(__file__).parents[2] / "docs" / "inputs.md"
N, K, M = 60, 7, 3
LABEL_SETS = np.array([[0, 1, 2, 3], [6, 5, 4, 3], [2, 0, 4, 6]])
INPUT_SET = np.array([5, 17, 30, 44])


def base() -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Two related models with values of order one, exact in bfloat16 but for the last digits."""
    r = np.random.default_rng(0)
    f, g = r.normal(size=(N, M)), r.normal(size=(K, M))
    return f, g, f @ r.normal(size=(M, M)) + 0.3 * r.normal(size=f.shape), r.normal(size=g.shape)


def read_only(x):
    x = x.copy()
    x.flags.writeable = False
    return x


def duplicated(x):
    x = x.copy()
    x[1 : len(x) // 3] = x[0]
    return x


CASES: dict[str, Callable[[np.ndarray], object]] = {
    "float64": lambda x: x,
    "float32": lambda x: x.astype(np.float32),
    "float32 of JAX": lambda x: jnp.asarray(x, jnp.float32),
    "float16": lambda x: x.astype(np.float16),
    "bfloat16": lambda x: x.astype(ml_dtypes.bfloat16),
    "bfloat16 of JAX": lambda x: jnp.asarray(x, jnp.bfloat16),
    "int16": lambda x: np.int16(np.round(1000 * x)),
    "int64 beyond 2³¹": lambda x: np.int64(np.round(x * 2**33)),
    "bool": lambda x: x > 0,
    "nested lists": lambda x: x.tolist(),
    "column-major": np.asfortranarray,
    "read-only": read_only,
    "strided": lambda x: np.repeat(x, 2, axis=0)[::2],
    "big-endian": lambda x: x.astype(">f8"),
    "duplicates": duplicated,
    "float64 + 1e3": lambda x: x + 1e3,
    "float64 + 1e6": lambda x: x + 1e6,
    "float64 + 1e8": lambda x: x + 1e8,
    **{f"float64 × {s:g}": (lambda x, s=s: s * x) for s in (1e-30, 1e-10, 1e10, 1e30)},
    **{
        f"float32 × {s:g}": (lambda x, s=s: np.float32(s) * x.astype(np.float32))
        for s in (1e-30, 1e30)
    },
}


class Tried(NamedTuple):
    """A measure on two models, its definition, the tolerance, and the cases that it refuses."""

    ours: Callable[..., object]
    definition: Callable[..., object]
    tolerance: float
    refused: frozenset[str] = frozenset()


def _represented(ours, definition, tolerance, refused=()):
    return Tried(
        lambda f, g, f2, g2: ours(f, f2),
        lambda f, g, f2, g2: definition(f, f2),
        tolerance,
        frozenset(refused),
    )


def _distributed(ours, definition, tolerance, refused=()):
    return Tried(
        lambda f, g, f2, g2: ours(S.log_probs(f, g), S.log_probs(f2, g2)),
        lambda f, g, f2, g2: definition(D.log_probs(f, g), D.log_probs(f2, g2)),
        tolerance,
        frozenset(refused),
    )


def _batched(x):
    return np.reshape(np.asarray(x), (2, N // 2, M))


def _stack(x, y):
    return np.stack([np.asarray(x), np.asarray(y)])


def _row(f, g, f2, g2, i):
    return f[i : i + 1], g, f2[i : i + 1], g2


HIDDEN = ("float64 + 1e6", "float64 + 1e8")
LARGE = ("float64 × 1e+10", "float64 × 1e+30", "float32 × 1e+30", "int64 beyond 2³¹")
SMALL = ("float64 × 1e-30", "float64 × 1e-10", "float32 × 1e-30")
PRODUCTS = (*HIDDEN, *LARGE, *SMALL)
OVERFLOW = ("float64 × 1e+30", "float32 × 1e+30")
# Rows of booleans may be all zero, which have no direction.
NO_DIRECTION = ("bool",)

# Those that grow with the representations; their errors are relative, of the others absolute.
GROWING = {
    *("procrustes", "logit_distance", "logit_distance_sq", "logit_distance_from_logits"),
    *("pairwise_logit_distance", "d_rep"),
    "d_rep_symmetric",
}
# About five times the largest error measured over the cases.
TRIED = {
    "mcca": _represented(S.mcca, D.mcca, 2e-6),
    "svcca": _represented(S.svcca, D.svcca, 2e-6),
    "pwcca": _represented(S.pwcca, D.pwcca, 2e-6),
    "linear_regression_r2": _represented(S.linear_regression_r2, D.linear_regression_r2, 2e-6),
    "cka": _represented(S.cka, D.cka, 2e-6),
    "cka_debiased": _represented(
        S.MEASURES["cka_debiased"].function, lambda x, y: D.cka(x, y, True), 2e-6
    ),
    "minibatch_cka": _represented(
        lambda x, y: S.minibatch_cka(_batched(x), _batched(y)), D.minibatch_cka, 2e-6
    ),
    # Rounding may break ties of Spearman ranks, of which duplicates make many.
    "rsa": _represented(S.rsa, D.rsa, 5e-4),
    "mutual_knn": _represented(S.mutual_knn, D.mutual_knn, 1e-6, NO_DIRECTION),
    "neighbour_jaccard": _represented(S.neighbour_jaccard, D.neighbour_jaccard, 1e-6, NO_DIRECTION),
    "cknna": _represented(S.cknna, D.cknna, 1e-6, NO_DIRECTION),
    "procrustes": _represented(S.procrustes, D.procrustes, 2e-6),
    "angular_procrustes": _represented(S.angular_procrustes, D.angular_procrustes, 2e-6),
    "d_svd": _represented(S.d_svd, D.d_svd, 2e-6),
    "kl": _distributed(S.kl, D.kl, 2e-5, (*HIDDEN, *OVERFLOW)),
    "js": _distributed(S.js, D.js, 2e-5, (*HIDDEN, *OVERFLOW)),
    "total_variation": _distributed(
        S.total_variation, D.total_variation, 2e-5, (*HIDDEN, *OVERFLOW)
    ),
    # Rounded, so that a tie is one on both sides.
    "agreement": _distributed(
        lambda p, q: S.agreement(p.round(4), q.round(4)),
        lambda p, q: D.agreement(p.round(4), q.round(4)),
        0.0,
        (*HIDDEN, *OVERFLOW),
    ),
    "canonical_correlations": _represented(S.canonical_correlations, D.correlations, 5e-6),
    "spearman": _represented(
        lambda x, y: S.spearman(np.asarray(x)[:, 0], np.asarray(y)[:, 0]),
        lambda x, y: stats.spearmanr(x[:, 0], y[:, 0]).statistic,
        2e-6,
    ),
    "cosines": Tried(
        lambda f, g, f2, g2: S.gauge.cosines(g), lambda f, g, f2, g2: D.cosines(g), 2e-6
    ),
    "logit_distance_from_logits": _represented(
        S.logit_distance_from_logits, D.logit_distance_from_logits, 2e-6
    ),
    "pairwise_logit_distance": Tried(
        lambda f, g, f2, g2: S.pairwise_logit_distance(_stack(f, f2), _stack(g, g2))[0, 1],
        D.logit_distance,
        2e-6,
        frozenset(PRODUCTS),
    ),
    "logit_distance": Tried(S.logit_distance, D.logit_distance, 2e-6, frozenset(PRODUCTS)),
    "logit_distance_sq": Tried(S.logit_distance_sq, D.logit_distance_sq, 2e-6, frozenset(PRODUCTS)),
    "squared_logit_distances": Tried(
        S.squared_logit_distances,
        lambda f, g, f2, g2: [D.logit_distance_sq(*_row(f, g, f2, g2, i)) for i in range(len(f))],
        1e-5,
        frozenset(PRODUCTS),
    ),
    "d_rep_symmetric": Tried(
        lambda *m: S.d_rep_symmetric(*m, label_sets=LABEL_SETS).d_sq,
        lambda f, g, f2, g2: (
            0.5 * (D.d_rep(f, g, f2, g2, LABEL_SETS) + D.d_rep(f2, g2, f, g, LABEL_SETS))
        ),
        2e-4,  # L of the first set of g2 has condition 1,015: rounding alone moves it by 3e-5
        frozenset(PRODUCTS),
    ),
    "d_rep": Tried(
        lambda *m: S.d_rep(*m, label_sets=LABEL_SETS).d_sq,
        lambda *m: D.d_rep(*m, LABEL_SETS),
        1e-5,
        frozenset(PRODUCTS),
    ),
    "max_d_svd": Tried(
        lambda *m: S.max_d_svd(*m, 0, 6, label_sets=LABEL_SETS),
        lambda *m: D.max_d_svd(*m, LABEL_SETS),
        1e-5,
        frozenset(PRODUCTS),
    ),
    "d_svd_labels": Tried(
        lambda *m: S.d_svd_labels(*m, INPUT_SET),
        lambda *m: D.d_svd_labels(*m, INPUT_SET),
        1e-5,
        frozenset(PRODUCTS),
    ),
}


def error(name: str, case: str) -> float | None:
    """Error of a measure on a case; None where it is refused."""
    tried, given = TRIED[name], [CASES[case](x) for x in base()]
    exact = [np.asarray(x, np.float64) for x in given]
    try:
        got = np.asarray(tried.ours(*given), np.float64)
    except ValueError as refusal:
        assert len(str(refusal)) > 40 and "accepted" in str(refusal) or ";" in str(refusal)
        return None
    want = np.asarray(tried.definition(*exact), np.float64)
    assert got.shape == want.shape
    scale = np.abs(want) if name in GROWING else np.maximum(np.abs(want), 1)
    with np.errstate(invalid="ignore"):  # ∞ = ∞ where no label set has full rank
        return float(np.where(got == want, 0, np.abs(got - want) / scale).max())


@pytest.mark.usefixtures("unchecked")
@pytest.mark.parametrize("case", CASES)
@pytest.mark.parametrize("name", TRIED)
def test_right_or_refused(name, case):
    tried = TRIED[name]
    found = error(name, case)
    if case in tried.refused:
        assert found is None
    else:
        assert found is not None and found <= tried.tolerance


def table() -> str:
    """docs/inputs.md: the cases, and for each measure its error bound and what it refuses."""
    lines = ["| measure | right to | refuses |", "|---|---|---|"]
    for name, tried in TRIED.items():
        refused = ", ".join(case for case in CASES if case in tried.refused) or "nothing"
        lines.append(f"| `{name}` | {tried.tolerance:g} | {refused} |")
    return f"""# What the measures accept

Every measure of `similarity` is tried on two models of {N} inputs, {K} labels and {M} dimensions,
given as each of: {", ".join(CASES)}.

JAX is in its default mode, which computes in float32; float64 loses its offset and scale before.
"Right to" bounds the error against the definition in float64
NumPy, relative for distances that grow with the representations, absolute below one and relative
above for the others; it is about five times what was measured.
What would not be right is refused in one sentence. NaN, infinity, complex, textual, ragged, masked
and sparse arrays are refused by all.

{chr(10).join(lines)}

Written by `python -m tests.similarity.test_accepts`.
"""


def test_the_page_is_that_of_the_cases():
    assert PAGE.read_text() == table(), "run python -m tests.similarity.test_accepts"


if __name__ == "__main__":
    PAGE.write_text(table())
