"""What the bounds accept: both sides right, or refused.

The cases, and the page that they make, are those of test_accepts.
"""

import itertools

import jax.numpy as jnp
import numpy as np
import pytest

import similarity as S
from similarity import bounds
from tests.given import CASES, HIDDEN, LARGE, OVERFLOW, SMALL, check, growing, of_size
from tests.similarity import definitions as D
from tests.similarity import definitions_models as DM
from tests.similarity.tried import (
    INPUT_SETS,
    LABEL_SETS,
    K,
    M,
    distributed,
    models,
    represented,
)

PRODUCTS = (*HIDDEN, *LARGE, *SMALL)
EXTREMES = (*OVERFLOW, "float64 × 1e-30", "float32 × 1e-30")


def sides(bound):
    return bound.lhs, bound.rhs


def of_llv(ours, lhs, rhs):
    """A bound by d_LLV, whose labels and terms are those of the definition."""

    def call(*given):
        t1, t3, pivot, out, t2, t4, chosen = DM.llv(
            *(np.asarray(x, float) for x in given), INPUT_SETS
        )
        d = max(t1, t2, 1e-5 * t3, 1e-5 * t4)
        with np.errstate(over="ignore"):
            terms = [jnp.asarray(x) for x in (d, t1, t2, t3, t4)]
        numbers = (*terms, *map(jnp.asarray, (pivot, out, INPUT_SETS[chosen])))
        return sides(ours(*given, S.llv.LlvDistance(*numbers)))

    def defined(*exact):
        t1, t3, pivot, out, t2, t4, chosen = DM.llv(*exact, INPUT_SETS)
        rest = [y for y in range(K) if y not in (pivot, out)]
        sets = [(pivot, *c) for c in itertools.combinations(rest, M)]
        embeddings = D.max_d_svd(*exact, np.array(sets))
        unembeddings = D.d_svd_labels(*exact, INPUT_SETS[chosen])
        d = max(t1, t2, 1e-5 * t3, 1e-5 * t4)
        return lhs(embeddings, unembeddings), rhs(t1, t2, d)

    return models(call, defined, 2e-5, PRODUCTS)


# About five times the largest error measured over the cases.
TRIED = {
    "bounds.kl_below_logit": growing(
        distributed(
            lambda p, q: sides(bounds.kl_below_logit(p, q)),
            lambda p, q: (4 * D.kl(p, q), np.square(DM.clr(p) - DM.clr(q)).sum(axis=1)),
            2e-5,
            (*HIDDEN, *LARGE),
        )
    ),
    "bounds.logit_below_kl": growing(
        distributed(
            lambda p, q: sides(bounds.logit_below_kl(p, q)),
            DM.logit_below_kl,
            2e-5,
            (*HIDDEN, *LARGE),
        )
    ),
    "bounds.raw_logit_loss": growing(
        represented(
            lambda u, u2: sides(bounds.raw_logit_loss(u, u2)),
            lambda u, u2: (np.square(u - u2).sum(axis=1).mean(),) * 2,
            2e-6,
            EXTREMES,
        )
    ),
    "bounds.l2_below_l1": growing(
        represented(
            lambda u, u2: sides(bounds.l2_below_l1(u, u2)),
            lambda u, u2: (np.linalg.norm(u - u2, axis=1).mean(), M * np.abs(u - u2).mean()),
            2e-6,
            EXTREMES,
        )
    ),
    "bounds.l1_below_l2": growing(
        represented(
            lambda u, u2: sides(bounds.l1_below_l2(u, u2)),
            lambda u, u2: (
                M * np.abs(u - u2).mean(),
                M**0.5 * np.linalg.norm(u - u2, axis=1).mean(),
            ),
            2e-6,
            EXTREMES,
        )
    ),
    "bounds.label_set_average": growing(
        models(
            lambda *m: sides(bounds.label_set_average(*m, label_sets=LABEL_SETS)),
            lambda *m: (DM.label_gaps(*m, LABEL_SETS), 2 * M / (K - 1) * D.logit_distance_sq(*m)),
            1e-5,
            PRODUCTS,
        )
    ),
    "bounds.d_rep_below_logit": growing(
        models(
            lambda *m: sides(bounds.d_rep_below_logit(*m, label_sets=LABEL_SETS)),
            lambda *m: (
                np.sqrt(D.d_rep(*m, LABEL_SETS)),
                (2 * M / (K - 1)) ** 0.5
                * D.logit_distance(*m)
                / DM.least_singular(m[1], LABEL_SETS),
            ),
            1e-5,
            PRODUCTS,
        )
    ),
    "bounds.cca_below_residual": of_size(
        models(
            lambda f, g, f2, g2: sides(bounds.cca_below_residual(f, g, f2)),
            DM.cca_below_residual,
            4e-5,
            PRODUCTS,
        )
    ),
    "bounds.residual_below_logit": of_size(
        models(
            lambda *m: sides(bounds.residual_below_logit(*m)),
            lambda *m: (DM.cca_parts(*m[:3])[2], D.logit_distance_sq(*m)),
            2e-5,
            PRODUCTS,
        )
    ),
    "bounds.mcca_above_logit": models(
        lambda *m: sides(bounds.mcca_above_logit(*m)),
        DM.mcca_above_logit,
        3e-5,
        PRODUCTS,
    ),
    "bounds.svd_below_trace": represented(
        lambda z, w: sides(bounds.svd_below_trace(z, w)),
        lambda z, w: (D.d_svd(z, w), 1 - (D.unit_columns(z) * D.unit_columns(w)).sum() / M),
        2e-6,
    ),
    "bounds.embeddings_below_llv": of_llv(
        bounds.embeddings_below_llv, lambda e, u: e, lambda t1, t2, d: 2 * t1**2
    ),
    "bounds.unembeddings_below_llv": of_llv(
        bounds.unembeddings_below_llv, lambda e, u: u, lambda t1, t2, d: 2 * t2**2
    ),
    "bounds.published_llv": of_llv(bounds.published_llv, max, lambda t1, t2, d: 2 * M * d),
    "bounds.concept_kl": growing(
        models(
            lambda f, *m: sides(bounds.concept_kl(f[:2], f, *m)),
            lambda f, *m: DM.concept_kl(f[:2], f, *m),
            2e-5,
            PRODUCTS,
        )
    ),
}


@pytest.mark.usefixtures("unchecked")
@pytest.mark.parametrize("case", CASES)
@pytest.mark.parametrize("name", TRIED)
def test_right_or_refused(name, case):
    check(TRIED[name], case)
