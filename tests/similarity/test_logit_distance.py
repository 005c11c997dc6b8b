import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import similarity as S
from similarity.logit_distance import apply_factor


def definition(f, g, f2, g2):
    """Root mean square of centred logit differences, in double precision."""
    f, g, f2, g2 = (np.asarray(x, np.float64) for x in (f, g, f2, g2))
    d = f @ (g - g.mean(0)).T - f2 @ (g2 - g2.mean(0)).T
    return np.sqrt((d**2).sum(1).mean())


@pytest.mark.parametrize(("n", "k", "m"), [(400, 7, 3), (40, 60, 3), (5, 60, 4), (50, 6, 5)])
def test_distance_is_its_definition_on_every_route(x64, make_models, n, k, m):
    """Many or few inputs and labels take different factorisations."""
    models = make_models(1, n, k, m)
    np.testing.assert_allclose(S.logit_distance(*models), definition(*models), rtol=1e-13)
    rows = S.squared_logit_distances(*models)
    np.testing.assert_allclose(np.sqrt(np.mean(rows)), definition(*models), rtol=1e-13)


def test_blocks_of_inputs_do_not_matter(x64):
    r = np.random.default_rng(0)
    f, f2, R = (jnp.asarray(r.normal(size=(n, m))) for n, m in ((157, 4), (157, 4), (8, 8)))
    want = ((np.hstack([f - f2, f2]) @ R.T) ** 2).sum(1)
    np.testing.assert_allclose(apply_factor(f, f2, R), want, rtol=1e-13)
    np.testing.assert_allclose(apply_factor(f, f2, R, tile=256), want, rtol=1e-13)


def test_logits_give_the_same_distance_and_their_shifts_do_not_matter(x64, models):
    f, g, f2, g2 = models
    shift = np.arange(400.0)[:, None]
    got = S.logit_distance_from_logits(f @ g.T + shift, S.log_probs(f2, g2))
    np.testing.assert_allclose(got, S.logit_distance(*models), rtol=1e-12)


def test_gauge_of_either_model_does_not_matter(x64, models, gauge_of):
    f, g, f2, g2 = models
    want = S.logit_distance(*models)
    np.testing.assert_allclose(S.logit_distance(*gauge_of(3, f, g), f2, g2), want, rtol=1e-12)
    np.testing.assert_allclose(S.logit_distance(f, g, *gauge_of(4, f2, g2)), want, rtol=1e-12)


def test_equal_models_are_exactly_zero_in_single_precision(make_models):
    for shape in ((400, 7, 3), (300, 200, 16), (20, 500, 16)):
        f, g, *_ = make_models(0, *shape).cast(np.float32)
        assert S.logit_distance(f, g, f, g) == 0
        assert S.squared_logit_distances(f, g, f, g).max() == 0


@pytest.mark.parametrize("size", [1e-2, 1e-4, 1e-6])
def test_near_models_are_accurate_in_single_precision(make_models, size):
    """Measured 1.2e-7 of the distance of the rounded inputs, at every size."""
    f, g, *_ = make_models(5, 300, 100, 8).cast(np.float32)
    r = np.random.default_rng(0)
    f2 = (f + size * r.normal(size=f.shape)).astype(np.float32)
    g2 = (g + size * r.normal(size=g.shape)).astype(np.float32)
    np.testing.assert_allclose(S.logit_distance(f, g, f2, g2), definition(f, g, f2, g2), rtol=1e-6)


def test_a_gram_form_fails_where_this_one_stands(make_models):
    """The planted error: tr(FᵀF GᵀG) in single precision, for models equal up to gauge."""
    f, g, *_ = make_models(5, 300, 100, 8).cast(np.float32)
    B = (np.random.default_rng(0).normal(size=(8, 8)) + 3 * np.eye(8)).astype(np.float32)
    f2, g2 = (np.asarray(x) for x in S.apply_gauge(f, g, B, np.zeros(8, np.float32)))
    F = jnp.concatenate([f, f2], axis=1)
    G = jnp.concatenate([g - g.mean(0, keepdims=True), g2.mean(0, keepdims=True) - g2], axis=1)
    gram = float(jnp.vdot(F.T @ F, G.T @ G)) / 300
    want = definition(f, g, f2, g2)
    assert abs(gram - want**2) > 1e3 * want**2  # measured 4e6 relative
    # ‖ũ‖ = 27.9 and want = 3.3e-5, from the rounding of (f2, g2): the error is 8e-7 of ‖ũ‖.
    assert abs(float(S.logit_distance(f, g, f2, g2)) - want) < 3e-6 * 27.9


def test_it_is_a_metric_up_to_shifts_of_a_row():
    """Zero iff logits agree up to a shift of each row; symmetric; triangle. 200 drawn triples."""

    @settings(max_examples=200, deadline=None)
    @given(st.integers(0, 2**31), st.sampled_from([1e-3, 1.0, 1e3]))
    def check(seed, scale):
        r = np.random.default_rng(seed)
        f, g = scale * r.normal(size=(3, 12, 2)), r.normal(size=(3, 5, 2))
        ab, ba, bc, ac = (
            float(S.logit_distance(f[i], g[i], f[j], g[j]))
            for i, j in ((0, 1), (1, 0), (1, 2), (0, 2))
        )
        assert abs(ab - ba) <= 1e-12 * ab
        assert ac <= (ab + bc) * (1 + 1e-12)
        assert ab > 0
        assert float(S.logit_distance(f[0], g[0], f[0], g[0] + r.normal(size=2))) <= 1e-12 * scale

    with jax.enable_x64(True):
        check()


def test_a_stack_gives_the_matrix_of_single_distances(x64, make_models):
    many = [make_models(s, 60, 7, 3) for s in range(4)]
    fs, gs = np.stack([m.f for m in many]), np.stack([m.g for m in many])
    got = np.asarray(S.pairwise_logit_distance(fs, gs))
    want = [[definition(a.f, a.g, b.f, b.g) for b in many] for a in many]
    np.testing.assert_allclose(got, want, rtol=1e-12)
    assert (np.diag(got) == 0).all() and (got == got.T).all()


def test_unequal_dimensions_are_padded(x64, make_models):
    a, b = make_models(0, 50, 7, 3), make_models(1, 50, 7, 2)
    np.testing.assert_allclose(
        S.logit_distance(a.f, a.g, b.f, b.g), definition(a.f, a.g, b.f, b.g), rtol=1e-12
    )


def test_a_bias_is_a_coordinate(x64, models):
    f, g, f2, g2 = models
    b, b2 = np.linspace(0, 1, 7), np.linspace(1, -1, 7)
    got = S.logit_distance(*S.with_bias(f, g, b), *S.with_bias(f2, g2, b2))
    want = S.logit_distance_from_logits(f @ g.T + b, f2 @ g2.T + b2)
    np.testing.assert_allclose(got, want, rtol=1e-12)


def test_no_array_of_inputs_by_labels_is_held():
    """Compiled temporaries at n = k = 20,000, m = 8, single precision; n·k would be 1.6 GB."""
    shape = jax.ShapeDtypeStruct((20_000, 8), jnp.float32)
    compiled = jax.jit(S.logit_distance_sq).lower(shape, shape, shape, shape).compile()
    assert compiled.memory_analysis().temp_size_in_bytes < 40e6  # measured 7.1e6


@pytest.mark.usefixtures("unchecked")
class TestErrors:
    def test_labels_differ(self, models):
        f, g, f2, g2 = models
        with pytest.raises(ValueError, match="numbers of labels must be equal"):
            S.logit_distance(f, g, f2, g2[:-1])

    def test_inputs_differ(self, models):
        f, g, f2, g2 = models
        with pytest.raises(ValueError, match="numbers of rows must be equal"):
            S.logit_distance(f, g, f2[:-1], g2)

    def test_masked_logits(self, models):
        u = np.array(models.f @ models.g.T)
        u[:, 2] = -np.inf
        with pytest.raises(ValueError, match="-inf"):
            S.logit_distance_from_logits(u, u)

    def test_stacks_differ(self, models):
        with pytest.raises(ValueError, match=r"\(models, inputs, dim\)"):
            S.pairwise_logit_distance(models.f[None], np.stack([models.g, models.g2]))
