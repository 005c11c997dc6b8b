"""Free volatility: identities 1–6 of its specification, on Gaussian data and random residuals."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import diffenc
from diffenc import elbo, finite_depth, volatility, volatility_choice
from diffenc.likelihood import gaussian_log_prob
from tests.diffenc.moving import MEAN, NT, NUMPY_SIGMOID, VAR, four_points, process


def loss_at(kind, gamma, u):
    """Exact l_u of the Gaussian toy at the levels gamma, in nats per unit of gamma."""
    x, eps = four_points(len(gamma))
    low, rate = -20.0, 35.0  # of a schedule that has all levels asked for
    terms = elbo.elbo_terms(
        process(kind, volatility=u),
        x,
        gamma=lambda t: low + rate * t,
        decoder=gaussian_log_prob,
        t=(jnp.repeat(jnp.asarray(gamma), 4) - low) / rate,
        eps=eps,
        eps_0=jnp.zeros_like(eps),
    )
    return np.asarray(terms.diffusion).reshape(-1, 4).mean(1) / rate


def gap(kind, low, high, u):
    """-ELBO less the entropy with the ideal denoiser, nats per dimension, by quadrature."""
    nodes, weights = np.polynomial.legendre.leggauss(300)
    gamma = low + (high - low) * (nodes + 1) / 2
    diffusion = (high - low) / 2 * loss_at(kind, gamma, u) @ weights
    scale = {"identity": lambda g: 1.0, "nt": lambda g: NUMPY_SIGMOID(-g)}[kind]
    signal = NUMPY_SIGMOID(-high)
    energy = scale(high) ** 2 * (MEAN**2 + VAR)
    prior = 0.5 * (signal * energy + np.logaddexp(0, -high) - signal)
    moved = (1 - scale(low)) ** 2 * (MEAN**2 + VAR) * np.exp(-low)
    reconstruction = 0.5 * (low + np.log(2 * np.pi) + 1 + moved)
    return diffusion + prior + reconstruction - 0.5 * np.log(2 * np.pi * np.e * VAR)


# The specification's table: gap of -ELBO to the entropy in nats per dimension.
GAPS = [
    ("identity", 1.0, (-6.0, 0.0), 0.074935),
    ("nt", 1.0, (-6.0, 0.0), 0.109578),
    ("nt", NT, (-6.0, 0.0), 0.0904124),
    ("identity", 1.0, (-13.3, 5.0), 0.000310848),
    ("nt", 1.0, (-13.3, 5.0), 0.0242501),
    ("nt", NT, (-13.3, 5.0), 0.0000132212),
    ("identity", 1.0, (-20.0, 15.0), 1.789e-08),
    ("nt", 1.0, (-20.0, 15.0), 0.0242369),
    ("nt", NT, (-20.0, 15.0), 2.4115e-09),
]


@pytest.mark.parametrize("kind, u, ends, want", GAPS)
def test_gap_to_the_entropy(kind, u, ends, want, x64):
    assert gap(kind, *ends, u) == pytest.approx(want, rel=3e-4 if want < 1e-7 else 7e-6)


@pytest.mark.parametrize("u", [0.2, 0.7, 1.3, 4.0, lambda g: 1.5 + jnp.sin(g)])
@pytest.mark.parametrize("kind", ["identity", "nt"])
def test_no_volatility_goes_below_the_entropy(kind, u, x64):
    best = gap(kind, -13.3, 5.0, 1.0 if kind == "identity" else NT)
    assert gap(kind, -13.3, 5.0, u) > best > 0


def test_closed_form_of_the_best_loss_of_nt(x64):
    """A (1 + 2 s^2) / 2 s^2 with A the ideal denoiser's error: the value of SNR alpha^6/sigma^2."""
    gamma = np.linspace(-13.0, 5.0, 7)
    snr = lambda g: NUMPY_SIGMOID(-g) ** 3 / NUMPY_SIGMOID(g)
    slope = np.array([(snr(g + 1e-5) - snr(g - 1e-5)) / 2e-5 for g in gamma])
    want = -0.5 * slope * VAR / (1 + VAR * snr(gamma))
    np.testing.assert_allclose(loss_at("nt", gamma, NT), want, rtol=1e-8)
    # I(x; z) between the ends of that SNR: 5.9568544562 of the specification, nats.
    whole = 0.5 * np.log((1 + VAR * snr(-13.3)) / (1 + VAR * snr(5.0)))
    assert whole == pytest.approx(5.9568544562, rel=1e-10)


def test_the_optimum_is_the_least_over_a_grid_of_volatilities():
    error, moved = np.random.default_rng(0).normal(size=(2, 40, 6))
    products = [
        jnp.asarray((a * b).sum(1)) for a, b in ((error, error), (moved, moved), (error, moved))
    ]
    found = volatility_choice.Moments(*products)
    # NumPy, straight from the definition: r = (1 + u)/2 e - m with m = (e - moved)/2.
    loss = lambda u: (((1 + u) / 2 * error - (error - moved) / 2) ** 2).sum(1).mean() / (2 * u)
    best = float(found.optimal())
    np.testing.assert_allclose(
        [float(found.loss(u).mean()) for u in (0.3, best, 2.0)],
        [loss(0.3), loss(best), loss(2.0)],
        rtol=1e-6,
    )
    grid = np.geomspace(best / 3, best * 3, 2001)
    assert min(map(loss, grid)) == pytest.approx(loss(best), rel=1e-6)
    assert grid[np.argmin([loss(u) for u in grid])] == pytest.approx(best, rel=2e-3)
    assert loss(best) < loss(1.0)


@pytest.mark.parametrize("kind", ["identity", "nt"])
def test_estimated_volatility_is_the_closed_form(kind, x64):
    levels = jnp.linspace(-13.0, 4.0, 9)
    x = MEAN + np.sqrt(VAR) * jax.random.normal(jax.random.key(0), (500, 1))
    found = volatility_choice.estimate(jax.random.key(1), process(kind), x, levels)
    got = jax.vmap(volatility_choice.Moments.optimal)(found)
    # Both m = 0 and m = -sigma^2 e hold for every draw, so there is no Monte-Carlo error.
    np.testing.assert_allclose(got, 1.0 if kind == "identity" else NT(levels), rtol=1e-9)


def test_interpolation_is_exact_at_its_levels_and_constant_beyond():
    u = volatility.interpolated(jnp.array([-2.0, 0.0, 1.0]), jnp.array([1.0, 4.0, 0.5]))
    np.testing.assert_allclose(
        u(jnp.array([-5.0, -2.0, -1.0, 0.0, 9.0])), [1, 1, 2, 4, 0.5], rtol=1e-6
    )


def free_model(form="learned"):
    options = dict(width=8, encoder_width=8, gamma_min=-4.0, volatility=form)
    return diffenc.build("free", (2,), 16, **options)


def moved(model, scale):
    """Parameters off the initialisation, in one program."""
    away = lambda p: p + scale * jax.random.normal(jax.random.key(p.size), p.shape)
    return jax.jit(lambda key: jax.tree.map(away, model.init(key)))(jax.random.key(0))


@pytest.mark.parametrize("form", ["learned", "network"])
def test_a_learned_volatility_starts_at_the_published_one(form, x64):
    model = free_model(form)
    params = jax.jit(model.init)(jax.random.key(0))
    gamma = jnp.linspace(-4.0, 5.0, 7)
    np.testing.assert_allclose(model.bind(params).volatility(gamma), 1.0, rtol=1e-6)


def test_a_learned_volatility_is_stationary_at_the_optimum(x64):
    """The gradient of the bound in u vanishes where u* says, and the bound is lower there."""
    model = free_model()
    params = moved(model, 0.3)
    rng = np.random.default_rng(0)
    codes, eps = rng.integers(0, 16, (64, 2)), jnp.asarray(rng.normal(size=(64, 2)))
    t = jnp.full((64,), 0.7)
    bound = lambda u: model.elbo_terms(
        params, codes, t=t, eps=eps, eps_0=eps, volatility=lambda g: jnp.full_like(g, 1.0) * u
    ).diffusion.mean()
    x, gamma = diffenc.likelihood.dequantise(codes, 16), model.gamma(params, t)
    found = jax.jit(lambda p: volatility_choice.moments(model.bind(p), x, eps, gamma))(params)
    best = found.optimal()
    assert abs(float(best) - 1) > 0.05
    differentiate = jax.jit(jax.value_and_grad(bound))
    value, slope = differentiate(best)
    assert abs(float(slope)) < 1e-9 * float(value)
    assert value < differentiate(jnp.ones_like(best))[0]
    np.testing.assert_allclose(value, 9.0 * found.loss(best).mean(), rtol=1e-9)


def test_finite_depth_and_continuous_time_agree_for_a_learned_volatility(x64):
    model = free_model()
    rng = np.random.default_rng(0)
    codes, eps = rng.integers(0, 16, (5, 2)), jnp.asarray(rng.normal(size=(5, 2)))
    t, x = jnp.asarray([0.1, 0.3, 0.5, 0.7, 0.9]), diffenc.likelihood.dequantise(codes, 16)

    @jax.jit
    def ratios(params):
        given = {"eps": eps, "gamma": lambda t: model.gamma(params, t)}
        at_depth = [
            finite_depth.diffusion_loss(model.bind(params), x, t=t - 0.5 / n, num_steps=n, **given)
            for n in (2000, 16000)
        ]
        whole = model.elbo_terms(params, codes, t=t, eps=eps, eps_0=eps).diffusion
        return [loss / whole for loss in at_depth]

    errors = [np.abs(np.asarray(ratio) - 1) for ratio in ratios(moved(model, 0.2))]
    # Of first order on average; measured 4.6 to 64 times less with eight times as many steps.
    assert (errors[1] < errors[0] / 4).all()
    assert errors[1].max() < 2e-3


def test_a_model_at_finite_depth_sums_the_costs_of_its_steps(x64):
    model = diffenc.build(
        "diffenc", (2,), 16, width=8, encoder_width=8, depth=4, step_variance="learned"
    )
    params = jax.jit(model.init)(jax.random.key(0)) | {
        "log_ratio": jnp.array([0.1, -0.2, 0.3, 0.0])
    }
    rng = np.random.default_rng(0)
    codes, eps = rng.integers(0, 16, (4, 2)), jnp.asarray(rng.normal(size=(4, 2)))
    t = (jnp.arange(4) + 0.5) / 4
    terms = jax.jit(lambda p: model.elbo_terms(p, codes, t=t, eps=eps, eps_0=eps))(params)
    levels = model.gamma(params, jnp.arange(5) / 4)
    x = diffenc.likelihood.dequantise(codes, 16)
    one = lambda p: finite_depth.sampled_step_cost(model.bind(p), x, eps, levels[:-1], levels[1:])
    cost = jax.jit(one)(params)
    log_w = params["log_ratio"]
    np.testing.assert_allclose(
        terms.diffusion, 4 * (jnp.exp(log_w) - 1 - log_w + jnp.exp(log_w) * cost), rtol=1e-9
    )


@pytest.mark.parametrize(
    "options, said",
    [
        ({"depth": 0}, "at least 1"),
        ({"step_variance": "learned"}, "needs a finite depth"),
        ({"depth": 10, "schedule": "monotone"}, "interior='elbo'"),
    ],
)
def test_impossible_forms_are_refused(options, said):
    with pytest.raises(ValueError, match=said):
        diffenc.build("free", (2,), 16, **options)
