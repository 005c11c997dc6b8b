import jax
import numpy as np
import pytest

import similarity as S
from tests.similarity import definitions_models

SETS = np.arange(160).reshape(40, 4)


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("terms", ["max", "mean"])
def test_terms_are_those_of_the_published_search(x64, make_models, seed, terms):
    """The symmetric table and its second-largest entries against the O(k³) loop: 1e-15."""
    models = make_models(seed)
    reduce = {"max": max, "mean": np.mean}[terms]
    t1, t3, pivot, out, t2, t4, chosen = definitions_models.llv(*models, SETS, reduce)
    got = S.llv_distance(*models, input_sets=SETS, terms=terms)
    np.testing.assert_allclose(got[1:5], (t1, t2, t3, t4), rtol=1e-10)
    # The table is symmetric, so that pivots tie: of tied ones the lowest, here as in the loop.
    assert (got.pivot, got.leave_out) == (pivot, out)
    np.testing.assert_array_equal(got.input_set, SETS[chosen])
    np.testing.assert_allclose(got.d, max(t1, t2, 1e-5 * t3, 1e-5 * t4), rtol=1e-10)
    summed = S.llv_distance(*models, input_sets=SETS, weight=0.5, reduce="sum", terms=terms)
    np.testing.assert_allclose(summed.d, t1 + t2 + 0.5 * (t3 + t4), rtol=1e-10)


def test_swapped_models_are_at_the_same_distance(x64, models):
    f, g, f2, g2 = models
    there, back = (
        S.llv_distance(*models, input_sets=SETS),
        S.llv_distance(f2, g2, f, g, input_sets=SETS),
    )
    np.testing.assert_allclose(there.d, back.d, rtol=1e-12)


def test_gauge_does_not_matter(x64, models, gauge_of):
    """Measured 3e-15 for either model."""
    f, g, f2, g2 = models
    want = S.llv_distance(*models, input_sets=SETS)
    for moved in ((*gauge_of(1, f, g), f2, g2), (f, g, *gauge_of(2, f2, g2))):
        got = S.llv_distance(*moved, input_sets=SETS)
        np.testing.assert_allclose(got[:5], want[:5], rtol=1e-10)


def test_equal_models_are_at_distance_zero_to_rounding(models):
    f, g, *_ = models.cast(np.float32)
    assert S.llv_distance(f, g, f, g, input_sets=SETS).d < 1e-6  # measured 1.7e-7


def test_drawn_sets_are_reproducible_and_hold_distinct_inputs(models):
    models = models.cast(np.float32)
    a, b = (S.llv_distance(*models, key=jax.random.key(3), num_sets=20) for _ in range(2))
    assert a.d == b.d and len(set(np.asarray(a.input_set))) == 4


def test_a_duplicated_label_is_left_out_and_constant_embeddings_are_infinitely_far(x64, models):
    f, g, f2, g2 = models
    g, g2 = g.copy(), g2.copy()
    g[4], g2[4] = g[1], g2[1]
    got = S.llv_distance(f, g, f2, g2, input_sets=SETS)
    assert np.isfinite(got.d)
    assert {int(got.pivot), int(got.leave_out)} & {1, 4}
    constant = np.ones_like(f)
    assert S.llv_distance(constant, g, f2, g2, input_sets=SETS).d == np.inf


def test_unequal_dimensions_have_a_distance(x64, make_models):
    a, b = make_models(0), make_models(1, m=2)
    t1, t3, _, _, t2, t4, _ = definitions_models.llv(a.f, a.g, b.f, b.g, SETS)
    got = S.llv_distance(a.f, a.g, b.f, b.g, input_sets=SETS)
    np.testing.assert_allclose(got[1:5], (t1, t2, t3, t4), rtol=1e-10)


def test_the_same_under_jit_and_vmap(x64, models):
    f, g, f2, g2 = models
    d = lambda f2, g2: S.llv_distance(f, g, f2, g2, input_sets=SETS).d
    got = jax.jit(jax.vmap(d))(np.stack([f2, f]), np.stack([g2, g]))
    np.testing.assert_allclose(got, [d(f2, g2), 0], atol=1e-12)


class TestErrors:
    def test_neither_key_nor_sets(self, models):
        with pytest.raises(ValueError, match="give key"):
            S.llv_distance(*models)

    def test_two_labels(self, models):
        f, g, f2, g2 = models
        with pytest.raises(ValueError, match="2 labels given"):
            S.llv_distance(f, g[:2], f2, g2[:2], input_sets=SETS)

    @pytest.mark.parametrize(
        ("sets", "match"),
        [(SETS + 300, "outside"), (SETS * 0, "twice"), (SETS[0], "first"), (SETS[:, :1], "pivot")],
    )
    def test_bad_sets(self, models, sets, match, unchecked):
        with pytest.raises(ValueError, match=match):
            S.llv_distance(*models, input_sets=sets)

    @pytest.mark.parametrize(
        "options, match",
        [
            (dict(weight=-1e9), "weight=-1"),
            (dict(weight=np.nan), "weight is nan"),
            (
                dict(input_sets=None, key=jax.random.key(0), num_sets=0),
                "num_sets must be at least 1",
            ),
        ],
    )
    def test_bad_numbers(self, models, options, match, unchecked):
        with pytest.raises(ValueError, match=match):
            S.llv_distance(*models, **{"input_sets": SETS, **options})

    def test_unknown_option(self, models, unchecked):
        with pytest.raises(ValueError, match="reduce='mean'; accepted are 'max' and 'sum'"):
            S.llv_distance(*models, input_sets=SETS, reduce="mean")
