import math

import jax
import numpy as np
import pytest

import similarity as S
from similarity.uncertainty import calibrated, interval, permutation_null


def mean_gap(a, b):
    return (a - b).mean()


def test_an_interval_of_a_mean_is_that_of_the_normal_theory():
    r = np.random.default_rng(0)
    a, b = r.normal(size=(400, 1)).astype(np.float32), np.zeros((400, 1), np.float32)
    got = interval(mean_gap, jax.random.key(0), a, b, num=2000)
    error = a.std(ddof=1) / 20
    np.testing.assert_allclose(got.standard_error, error, rtol=0.06)
    np.testing.assert_allclose(
        (got.low, got.high), a.mean() + error * np.array([-1.96, 1.96]), atol=0.1 * error
    )
    np.testing.assert_allclose(got.value, a.mean(), rtol=1e-5)
    assert got.draws.shape == (2000,)


def test_rows_are_resampled_together(models):
    """Of equal sides every draw has m_CCA 1, and d_logit 0."""
    f, g, *_ = models.cast(np.float32)
    got = interval(S.mcca, jax.random.key(0), f, f, num=20)
    np.testing.assert_allclose(got.draws, 1, atol=1e-5)
    distance = lambda a, b: S.logit_distance(a, g, b, g)
    assert interval(distance, jax.random.key(0), f, f, num=20).high == 0


def test_coverage_of_the_interval():
    """95% intervals of a mean, n = 60, 300 data sets: within 4 s.e. of .94, the small-n value."""
    data = np.random.default_rng(0).exponential(size=(300, 60, 1)).astype(np.float32)
    run = lambda x, k: interval(mean_gap, k, x, 0 * x, num=300)[1:3]
    low, high = jax.jit(jax.vmap(run))(data, jax.random.split(jax.random.key(1), 300))
    assert abs(((low < 1) & (high > 1)).mean() - 0.94) < 4 * (0.95 * 0.05 / 300) ** 0.5


def test_intervals_of_a_similarity_hold_it_and_their_own_value():
    """Linear CKA of the population is ‖Σ_xy‖²/(‖Σ_xx‖ ‖Σ_yy‖).

    With inputs drawn twice 10 of 40 intervals held that, and one its own value.
    """
    r, held = np.random.default_rng(0), 0
    a = r.normal(size=(16, 16)) / 4
    debiased = lambda f, f2: S.cka(f, f2, debiased=True)
    truth = np.sum(a**2) / np.sqrt(16 * np.sum((a.T @ a + np.eye(16)) ** 2))
    for i in range(40):
        x = r.normal(size=(80, 16))
        y = x @ a + r.normal(size=(80, 16))
        got = interval(debiased, jax.random.key(i), *np.float32([x, y]), num=60)
        assert got.low <= got.value <= got.high
        held += int(got.low <= truth <= got.high)
    assert held >= 40 * 0.95 - 4 * (40 * 0.95 * 0.05) ** 0.5


def test_null_of_independent_data_gives_uniform_p_values():
    """Exact by exchangeability: 200 data sets, Kolmogorov distance below its 99.9% point."""
    f, f2 = np.random.default_rng(0).normal(size=(2, 200, 20, 2)).astype(np.float32)
    run = lambda a, b, k: permutation_null(S.mcca, k, a, b, num=99).p_value
    p = np.sort(jax.jit(jax.vmap(run))(f, f2, jax.random.split(jax.random.key(0), 200)))
    assert np.abs(p - np.arange(1, 201) / 200).max() < 1.95 / 200**0.5 + 0.01


def test_null_of_related_data_and_of_a_distance(models):
    f, _, f2, _ = models.cast(np.float32)
    close = permutation_null(S.mcca, jax.random.key(0), f, f2, num=99)
    assert np.isclose(close.p_value, 0.01) and close.excess > 0.8 and close.z > 10
    apart = permutation_null(S.procrustes, jax.random.key(0), f, f2, num=99, larger_is_closer=False)
    assert np.isclose(apart.p_value, 0.01) and apart.excess < 0


def test_wide_data_are_warned_of_and_calibrated():
    """n = 12, m = m' = 8: unrelated, m_CCA ≈ .9, and the null says so."""
    f, f2 = np.random.default_rng(0).normal(size=(2, 12, 8)).astype(np.float32)
    with pytest.warns(UserWarning, match="12 inputs"):
        got = permutation_null(S.mcca, jax.random.key(0), f, f2, num=99)
    assert got.value > 0.7 and got.p_value > 0.05 and abs(got.excess) < 0.1


def test_calibrated_score_is_zero_for_chance_and_one_for_equality(models):
    f, _, f2, _ = models.cast(np.float32)
    itself = calibrated("cka", jax.random.key(0), f, f, num=99)
    np.testing.assert_allclose([itself.score, itself.effect], 1, atol=1e-5)
    assert np.isclose(itself.p_value, 0.01)
    related = calibrated("mutual_knn", jax.random.key(0), f, f2, num=99)
    want = (related.value - related.critical) / (1 - related.critical)
    np.testing.assert_allclose(related.score, want, rtol=1e-6)
    # 95 of the 100 values, the observed one among them, are at most the critical one.
    assert (related.draws <= related.critical).sum() == 95
    unrelated = np.random.default_rng(1).normal(size=f.shape).astype(np.float32)
    apart = calibrated("procrustes", jax.random.key(1), f, unrelated, num=99)
    assert apart.p_value > 0.05 and apart.score == 0 and apart.draws.min() > 0


def test_width_inflates_the_value_and_not_the_calibrated_score():
    """n = 40: unrelated CKA rises from .06 at width 4 to .9 at 400; the score stays at 0."""
    r = np.random.default_rng(0)
    values = []
    for width in (4, 400):
        f, f2 = r.normal(size=(2, 40, width)).astype(np.float32)
        got = calibrated("cka", jax.random.key(0), f, f2, num=99)
        assert got.score < 0.05 and abs(got.effect) < 0.15
        values.append(float(got.value))
    assert values[0] < 0.25 and values[1] > 0.8


def test_depth_inflates_the_best_pair_and_not_its_p_value():
    """The best of 6 × 6 unrelated layers beats 95% of single draws, not 95% of best ones."""
    r = np.random.default_rng(3)
    layers, layers2 = ([*r.normal(size=(6, 60, 5)).astype(np.float32)] for _ in range(2))
    best = calibrated("cka", jax.random.key(0), layers, layers2, num=99)
    i, j = best.pair
    alone = permutation_null(S.cka, jax.random.key(1), layers[i], layers2[j], num=99)
    np.testing.assert_allclose(best.value, S.cka(layers[i], layers2[j]), rtol=1e-5)
    assert alone.p_value <= 0.05 < best.p_value


def test_calibrated_p_values_of_unrelated_layers_are_uniform():
    """Exact by exchangeability, of a maximum over pairs as well: Kolmogorov, 100 data sets."""
    r = np.random.default_rng(0)
    p = []
    for i in range(100):
        a, b, c, d = r.normal(size=(4, 20, 2)).astype(np.float32)
        p.append(float(calibrated("cka", jax.random.key(i), [a, b], [c, d], num=59).p_value))
    assert np.abs(np.sort(p) - np.arange(1, 101) / 100).max() < 1.95 / 10 + 1 / 60


def test_a_similarity_whose_best_value_is_negative_grows_as_well(models):
    """`closest` -1 of cka - 2 calibrates as 1 of cka, as the docstring promises."""
    f, _, f2, _ = models.cast(np.float32)
    key, less = jax.random.key(0), lambda x, y: S.cka(x, y) - 2
    got = calibrated(less, key, f, f2, num=19, closest=-1.0)
    want = calibrated("cka", key, f, f2, num=19)
    assert got.p_value == want.p_value and want.score > 0.5
    np.testing.assert_allclose(got.score, want.score, atol=1e-5)


@pytest.mark.usefixtures("unchecked")
def test_what_cannot_be_calibrated_is_refused(models):
    f, f2, key = models.f, models.f2, jax.random.key(0)
    with pytest.raises(ValueError, match="accepted are a function and mcca"):
        calibrated("kl", key, f, f2)
    with pytest.raises(ValueError, match="give closest"):
        calibrated(S.cka, key, f, f2)
    with pytest.raises(ValueError, match="closest is nan"):
        calibrated(S.cka, key, f, f2, closest=math.nan)
    with pytest.raises(ValueError, match="closest has dtype"):
        calibrated(S.cka, key, f, f2, closest="1")
    with pytest.raises(ValueError, match="level has dtype"):
        calibrated("cka", key, f, f2, level="a")
    with pytest.raises(ValueError, match=r"closest=1.0 beside 'procrustes', whose own is 0.0"):
        calibrated("procrustes", key, f, f2, closest=1.0)
    with pytest.raises(ValueError, match="offset hides their spread"):
        calibrated("cka", key, f + 1e8, f2)
    with pytest.raises(ValueError, match="same inputs"):
        calibrated("cka", key, [f, f2[:5]], f2)
    with pytest.raises(ValueError, match=r"num=18 .* nothing is significant at level=0.05.*>= 19"):
        calibrated("cka", key, f, f2, num=18)
    # Of 20 values the largest is the 5 % level: with 19 draws equality is still significant.
    assert float(calibrated("cka", key, f, f, num=19).p_value) == pytest.approx(0.05)


@pytest.mark.usefixtures("unchecked")
def test_what_is_no_measure_of_layers_is_refused(models):
    f, f2, key = models.f, models.f2, jax.random.key(0)
    for function in (interval, permutation_null):
        with pytest.raises(ValueError, match="measure='cka'; accepted is a function"):
            function("cka", key, f, f2)
        with pytest.raises(ValueError, match="measure returned .*accepted is a scalar"):
            function(lambda x, y: x[0], key, f, f2)
    for result in (lambda x, y: x[0], lambda x, y: (x, y)):
        with pytest.raises(ValueError, match="measure returned .*accepted is a scalar"):
            calibrated(result, key, f, f2, closest=1.0)
    with pytest.raises(ValueError, match="empty list of layers"):
        calibrated("cka", key, [], f2)


@pytest.mark.usefixtures("unchecked")
def test_errors(models):
    with pytest.raises(ValueError, match="same inputs"):
        interval(S.mcca, jax.random.key(0), models.f, models.f2[:5])
    with pytest.raises(ValueError, match="level has dtype"):
        interval(S.mcca, jax.random.key(0), models.f, models.f2, level="a")
    with pytest.raises(ValueError, match="level=1.5"):
        interval(S.mcca, jax.random.key(0), models.f, models.f2, level=1.5)
    with pytest.raises(ValueError, match=r"num must be at least 2 and an integer, got num=19\.0"):
        permutation_null(S.mcca, jax.random.key(0), models.f, models.f2, num=19.0)
    with pytest.raises(ValueError, match=r"num=19\.5"):
        calibrated("cka", jax.random.key(0), models.f, models.f2, num=19.5)
    with pytest.raises(ValueError, match=r"num=19\.0"):
        interval(S.mcca, jax.random.key(0), models.f, models.f2, num=19.0)
    with pytest.raises(ValueError, match="num=1"):
        permutation_null(S.mcca, jax.random.key(0), models.f, models.f2, num=1)


@pytest.mark.usefixtures("unchecked")
def test_calibration_is_refused_under_jit():
    x, key = np.eye(6, 2, dtype=np.float32), jax.random.key(0)
    with pytest.raises(ValueError, match="^calibrated works on the host .*: call it outside jit"):
        jax.jit(lambda x: calibrated(S.cka, key, x, x, num=19, closest=1.0))(x)


@pytest.mark.filterwarnings("ignore:halves of 2 inputs for 2 dimensions")
def test_halves_that_a_measure_refuses_are_named():
    x = np.eye(2, 1, dtype=np.float32)
    with pytest.raises(ValueError, match="^halves of 2 inputs, .* needs at least 2 inputs; got 1"):
        interval(S.cka, jax.random.key(0), x, x)


@pytest.mark.usefixtures("unchecked")
def test_a_traced_level_is_taken(models):
    x, y = models.cast(np.float32)[0::2]
    run = lambda level: interval(mean_gap, jax.random.key(0), x, y, num=5, level=level).low
    np.testing.assert_allclose(jax.jit(run)(0.9), run(0.9), rtol=1e-5)
