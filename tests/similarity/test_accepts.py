"""What every measure accepts: right to a stated tolerance against float64 NumPy, or refused.

Arrays of all dtypes, layouts, offsets, scales and with duplicates, as people have them, in the
default mode of JAX, which computes in float32. `python -m tests.similarity.test_accepts` writes
the table of docs/inputs.md from the same cases.
"""

import pathlib

import numpy as np
import pytest
from scipy import stats

import similarity as S
from tests.given import CASES, HIDDEN, LARGE, OVERFLOW, SMALL, check, growing, rows
from tests.similarity import definitions as D
from tests.similarity import test_accepts_bounds, test_accepts_models
from tests.similarity.tried import (
    INPUT_SET,
    LABEL_SETS,
    K,
    M,
    N,
    distributed,
    models,
    represented,
)

PAGE = pathlib.Path(__file__).parents[2] / "docs" / "inputs.md"


def _batched(x):
    return np.reshape(np.asarray(x), (2, N // 2, M))


def _stack(x, y):
    return np.stack([np.asarray(x), np.asarray(y)])


def _row(f, g, f2, g2, i):
    return f[i : i + 1], g, f2[i : i + 1], g2


PRODUCTS = (*HIDDEN, *LARGE, *SMALL)
# Rows of booleans may be all zero, which have no direction.
NO_DIRECTION = ("bool",)

# About five times the largest error measured over the cases.
TRIED = {
    "mcca": represented(S.mcca, D.mcca, 2e-6),
    "svcca": represented(S.svcca, D.svcca, 2e-6),
    "pwcca": represented(S.pwcca, D.pwcca, 2e-6),
    "linear_regression_r2": represented(S.linear_regression_r2, D.linear_regression_r2, 2e-6),
    "cka": represented(S.cka, D.cka, 2e-6),
    "cka_debiased": represented(
        S.MEASURES["cka_debiased"].function, lambda x, y: D.cka(x, y, True), 2e-6
    ),
    "minibatch_cka": represented(
        lambda x, y: S.minibatch_cka(_batched(x), _batched(y)), D.minibatch_cka, 2e-6
    ),
    # Rounding may break ties of Spearman ranks, of which duplicates make many.
    "rsa": represented(S.rsa, D.rsa, 5e-4),
    "mutual_knn": represented(S.mutual_knn, D.mutual_knn, 1e-6, NO_DIRECTION),
    "neighbour_jaccard": represented(S.neighbour_jaccard, D.neighbour_jaccard, 1e-6, NO_DIRECTION),
    "cknna": represented(S.cknna, D.cknna, 1e-6, NO_DIRECTION),
    "procrustes": growing(represented(S.procrustes, D.procrustes, 2e-6)),
    "angular_procrustes": represented(S.angular_procrustes, D.angular_procrustes, 2e-6),
    "d_svd": represented(S.d_svd, D.d_svd, 2e-6),
    "kl": distributed(S.kl, D.kl, 2e-5, (*HIDDEN, *OVERFLOW)),
    "js": distributed(S.js, D.js, 2e-5, (*HIDDEN, *OVERFLOW)),
    "total_variation": distributed(
        S.total_variation, D.total_variation, 2e-5, (*HIDDEN, *OVERFLOW)
    ),
    # Rounded, so that a tie is one on both sides.
    "agreement": distributed(
        lambda p, q: S.agreement(p.round(4), q.round(4)),
        lambda p, q: D.agreement(p.round(4), q.round(4)),
        0.0,
        (*HIDDEN, *OVERFLOW),
    ),
    "canonical_correlations": represented(S.canonical_correlations, D.correlations, 5e-6),
    "spearman": represented(
        lambda x, y: S.spearman(np.asarray(x)[:, 0], np.asarray(y)[:, 0]),
        lambda x, y: stats.spearmanr(x[:, 0], y[:, 0]).statistic,
        2e-6,
    ),
    "cosines": models(
        lambda f, g, f2, g2: S.gauge.cosines(g), lambda f, g, f2, g2: D.cosines(g), 2e-6
    ),
    "logit_distance_from_logits": growing(
        represented(S.logit_distance_from_logits, D.logit_distance_from_logits, 2e-6)
    ),
    "pairwise_logit_distance": growing(
        models(
            lambda f, g, f2, g2: S.pairwise_logit_distance(_stack(f, f2), _stack(g, g2))[0, 1],
            D.logit_distance,
            2e-6,
            PRODUCTS,
        )
    ),
    "logit_distance": growing(models(S.logit_distance, D.logit_distance, 2e-6, PRODUCTS)),
    "logit_distance_sq": growing(models(S.logit_distance_sq, D.logit_distance_sq, 2e-6, PRODUCTS)),
    "squared_logit_distances": models(
        S.squared_logit_distances,
        lambda f, g, f2, g2: [D.logit_distance_sq(*_row(f, g, f2, g2, i)) for i in range(len(f))],
        1e-5,
        PRODUCTS,
    ),
    "d_rep_symmetric": growing(
        models(
            lambda *m: S.d_rep_symmetric(*m, label_sets=LABEL_SETS).d_sq,
            lambda f, g, f2, g2: (
                0.5 * (D.d_rep(f, g, f2, g2, LABEL_SETS) + D.d_rep(f2, g2, f, g, LABEL_SETS))
            ),
            2e-4,  # L of the first set of g2 has condition 1,015: rounding alone moves it by 3e-5
            PRODUCTS,
        )
    ),
    "d_rep": growing(
        models(
            lambda *m: S.d_rep(*m, label_sets=LABEL_SETS).d_sq,
            lambda *m: D.d_rep(*m, LABEL_SETS),
            1e-5,
            PRODUCTS,
        )
    ),
    "max_d_svd": models(
        lambda *m: S.max_d_svd(*m, 0, 6, label_sets=LABEL_SETS),
        lambda *m: D.max_d_svd(*m, LABEL_SETS),
        1e-5,
        PRODUCTS,
    ),
    "d_svd_labels": models(
        lambda *m: S.d_svd_labels(*m, INPUT_SET),
        lambda *m: D.d_svd_labels(*m, INPUT_SET),
        1e-5,
        PRODUCTS,
    ),
}


@pytest.mark.usefixtures("unchecked")
@pytest.mark.parametrize("case", CASES)
@pytest.mark.parametrize("name", TRIED)
def test_right_or_refused(name, case):
    check(TRIED[name], case)


def table() -> str:
    """docs/inputs.md: the cases, and for each function its error bound and what it refuses."""
    lines = [
        "| function | right to | refuses |",
        "|---|---|---|",
        *rows(TRIED | test_accepts_models.TRIED | test_accepts_bounds.TRIED),
    ]
    return f"""# What the measures accept

Every function of `similarity` that takes arrays is tried on two models of {N} inputs, {K} labels
and {M} dimensions, given as each of: {", ".join(CASES)}.

JAX is in its default mode, which computes in float32; float64 loses its offset and scale before.
"Right to" bounds the error against the definition in float64
NumPy, relative for distances that grow with the representations, of the largest entry for arrays
that do, absolute below one and relative above for the others; it is about five times what was
measured.
What would not be right is refused in one sentence. NaN, infinity, complex, textual, ragged, masked
and sparse arrays are refused by all.

One input far from all others, such as a massive activation, hides the debiased HSIC from sums in
float32. `cka` and `minibatch_cka` then compute in float64, right to 1e-6 where tried, and refuse
where even that may be off by more than 1e-4. Where float32 may be off by as much, the value is NaN
inside `jax.jit`, and `CkaSums` refuses it. Outside `jax.jit`, Euclidean `rsa` is right to 5e-4
beside a row 10⁸ times as far out as the others, and for clusters as far apart.

{chr(10).join(lines)}

Written by `python -m tests.similarity.test_accepts`.
"""


def test_the_page_is_that_of_the_cases():
    assert PAGE.read_text() == table(), "run python -m tests.similarity.test_accepts"


if __name__ == "__main__":
    PAGE.write_text(table())
