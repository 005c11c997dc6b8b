"""Oracles: the two means of the definition, and Gaussian data in closed form (spec 9.2: 9–11)."""

import jax
import jax.numpy as jnp
import ml_dtypes
import numpy as np
import pytest

import diffenc
from diffenc import finite_depth, noising
from diffenc.encoder import identity_encoder, nt_encoder, residual_encoder, smooth_encoder
from diffenc.prediction import PREDICTIONS
from diffenc.process import Process
from diffenc.sampling import generative_step, sample_along

MEAN, VAR, LOW, HIGH = 0.3, 0.25, -13.3, 5.0
ENCODERS = {
    "identity": identity_encoder(),
    "nt": nt_encoder(),
    "residual": residual_encoder(lambda x, g, c: jnp.tanh(x * noising.per_example(g, x) / 3)),
    "smooth": smooth_encoder(lambda x, g, c: x * jnp.cos(noising.per_example(g, x) / 9)),
}
SCALES = {"identity": lambda g: jnp.ones_like(g), "nt": lambda g: jax.nn.sigmoid(-g)}


def network(z, gamma):
    return jnp.sin(z + 0.2 * noising.per_example(gamma, z))


@pytest.mark.parametrize("parametrisation", ["v", "eps"])
@pytest.mark.parametrize("counterterm", [0.0, 1.0, jnp.tanh])
@pytest.mark.parametrize("name", ENCODERS)
def test_step_cost_is_the_distance_of_the_two_means(name, counterterm, parametrisation, x64):
    rng = np.random.default_rng(0)
    x, eps = (jnp.asarray(rng.normal(size=(4, 3))) for _ in range(2))
    gamma_t = jnp.asarray([-11.0, -4.0, 0.5, 4.8])
    gamma_s = gamma_t - jnp.asarray([0.01, 1.0, 3.0, 0.2])
    encoder = ENCODERS[name]
    process = Process(encoder, network, PREDICTIONS[parametrisation], counterterm)

    @jax.jit
    def both(x, eps, gamma_s, gamma_t):
        x_t, x_s = (encoder.value(x, g, None) for g in (gamma_t, gamma_s))
        z = noising.diffuse(x_t, gamma_t, eps)
        x_hat = process.x_hat(z, gamma_t)
        weight = counterterm(gamma_t) if callable(counterterm) else counterterm
        mu_q = noising.posterior_mean(z, x_t, x_s, gamma_s, gamma_t)
        mu_p = noising.generative_mean(z, x_hat, gamma_s, gamma_t, weight)
        variance = noising.transition_variance(gamma_s, gamma_t)
        want = ((mu_q - mu_p) ** 2).sum(1) / (2 * variance)
        return finite_depth.sampled_step_cost(process, x, eps, gamma_s, gamma_t), want

    got, want = both(x, eps, gamma_s, gamma_t)
    np.testing.assert_allclose(got, want, rtol=1e-10)


def gaussian_costs(kind, num_steps, dtype=jnp.float64):
    """Exact E[l] of each step, by points whose average integrates every quadratic of (x, eps).

    The denoiser minimises the cost: x_hat = E[c x_t + x_s - x_t | z] / (c + kappa).
    """
    scale, counterterm = SCALES[kind], float(kind == "nt")
    levels = np.asarray(jnp.linspace(LOW, HIGH, num_steps + 1, dtype=dtype))
    ends = [np.repeat(g, 4) for g in (levels[:-1], levels[1:])]
    root = np.sqrt(2)
    points = np.tile([[root, 0], [-root, 0], [0, root], [0, -root]], (num_steps, 1))

    def denoise(z, gamma, gamma_s):
        a_t, a_s = (scale(g)[:, None] for g in (gamma, gamma_s))
        alpha, variance = noising.alpha(gamma)[:, None], jax.nn.sigmoid(gamma)[:, None]
        gain = alpha * a_t * VAR / (alpha**2 * a_t**2 * VAR + variance)
        data = MEAN + gain * (z - alpha * a_t * MEAN)
        fraction = noising.step_fraction(gamma_s, gamma)[:, None]
        kappa = counterterm * (gamma - gamma_s)[:, None] * variance
        x_hat = (fraction * a_t + a_s - a_t) * data / (fraction + kappa)
        return noising.v_from_x(z, x_hat, gamma)

    @jax.jit
    def costs(x, eps, gamma_s, gamma_t):
        best = lambda z, gamma: denoise(z, gamma, gamma_s)
        process = Process(ENCODERS[kind], best, counterterm=counterterm)
        return finite_depth.sampled_step_cost(process, x, eps, gamma_s, gamma_t)

    x, eps = MEAN + np.sqrt(VAR) * points[:, :1], points[:, 1:]
    found = costs(*(np.asarray(a, dtype) for a in (x, eps, *ends)))
    return np.asarray(found, np.float64).reshape(num_steps, 4).mean(1)


CONTINUOUS = {"identity": 5.9560146336186595, "nt": 5.981091364302}


@pytest.mark.parametrize(
    "kind, num_steps, want",
    [("identity", 10, 15.727564464), ("identity", 40, 7.407537165)]
    + [("identity", 160, 6.279746989), ("identity", 1000, 6.006236783), ("nt", 1000, 6.032736093)],
)
def test_gaussian_loss_at_finite_depth(kind, num_steps, want, x64):
    np.testing.assert_allclose(gaussian_costs(kind, num_steps).sum(), want, rtol=1e-9)


@pytest.mark.parametrize("kind, limit", [("identity", 49.93), ("nt", 51.37)])
def test_gap_to_continuous_time_is_of_first_order(kind, limit, x64):
    gaps = {n: n * (gaussian_costs(kind, n).sum() - CONTINUOUS[kind]) for n in (1000, 16000)}
    assert gaps[16000] == pytest.approx(limit, abs=0.03)
    assert gaps[1000] == pytest.approx(limit, rel=0.01)


@pytest.mark.parametrize("num_steps", [1, 10, 1000])
def test_optimal_variance_makes_gaussian_vdm_exact_at_every_depth(num_steps, x64):
    costs = jnp.asarray(gaussian_costs("identity", num_steps))
    total = finite_depth.optimal_cost(costs, 1).sum()
    np.testing.assert_allclose(total, CONTINUOUS["identity"], rtol=1e-11)
    levels = np.linspace(LOW, HIGH, num_steps + 1)
    snr = np.exp(-levels)
    ratio = (1 + VAR * snr[1:]) / (1 + VAR * snr[:-1])
    got = jnp.exp(finite_depth.optimal_log_ratio(costs, 1))
    np.testing.assert_allclose(got, ratio, rtol=1e-9)
    assert (finite_depth.optimal_cost(costs, 1) < costs).all()


@pytest.mark.parametrize(
    "num_steps, want", [(1000, -0.0848793), (4000, -0.0845357), (16000, -0.0844496)]
)
def test_optimal_variance_beats_continuous_time_under_an_encoder(num_steps, want, x64):
    # From the closed form of each step in NumPy; the specification rounds all three to -0.0845.
    costs = jnp.asarray(gaussian_costs("nt", num_steps))
    gap = num_steps * (float(finite_depth.optimal_cost(costs, 1).sum()) - CONTINUOUS["nt"])
    assert gap == pytest.approx(want, abs=2e-7)


def test_any_other_fixed_ratio_diverges(x64):
    log_ratio, dimensions = jnp.asarray(0.2), 1

    def loss(num_steps):
        costs = gaussian_costs("identity", num_steps)
        penalty = finite_depth.variance_penalty(log_ratio, dimensions)
        return num_steps * float(penalty) + np.exp(0.2) * costs.sum()

    slope = (loss(16000) - loss(4000)) / 12000
    assert slope == pytest.approx(0.5 * (np.exp(0.2) - 1 - 0.2), rel=1e-4)


def test_small_steps_keep_their_digits_in_single_precision():
    with jax.enable_x64(True):
        want = {kind: gaussian_costs(kind, 16000).sum() for kind in SCALES}
    for kind in SCALES:
        got = gaussian_costs(kind, 16000, jnp.float32).sum()
        # Levels 1e-3 apart are rounded to 1e-6; measured 1e-4.
        assert got == pytest.approx(want[kind], rel=1e-3)


def toy(rng, num, num_steps, **options):
    x, eps = (jnp.asarray(rng.normal(size=(num, 2))) for _ in range(2))
    t = (jnp.arange(num) % num_steps + 0.5) / num_steps
    gamma = lambda t: -4.0 + 5.0 * t
    process = Process(ENCODERS["residual"], network, counterterm=1.0)
    loss = jax.jit(
        lambda log_ratio: finite_depth.diffusion_loss(
            process, x, gamma=gamma, t=t, eps=eps, num_steps=num_steps, log_ratio=log_ratio
        )
    )
    levels = gamma(np.linspace(0, 1, num_steps + 1))
    index = np.arange(num) % num_steps
    cost = jax.jit(lambda s, t: finite_depth.sampled_step_cost(process, x, eps, s, t))(
        levels[index], levels[index + 1]
    )
    return loss, cost, index


def test_loss_weights_the_step_of_each_time(x64):
    num_steps, table = 4, jnp.asarray([0.0, -0.3, 0.2, 0.5])
    loss, cost, index = toy(np.random.default_rng(1), 8, num_steps)
    w = np.exp(np.asarray(table))[index]
    want = num_steps * (w - 1 - np.log(w) + w * np.asarray(cost))  # D/2 = 1
    np.testing.assert_allclose(loss(table), want, rtol=1e-9)
    np.testing.assert_allclose(loss(0.0), num_steps * np.asarray(cost), rtol=1e-9)


@pytest.mark.usefixtures("unchecked")
@pytest.mark.parametrize("dtype", [np.float16, ml_dtypes.bfloat16])
def test_narrow_data_have_the_loss_and_costs_of_their_float32_values(dtype):
    """A step's levels are apart by less than a half-precision digit of them."""
    rng = np.random.default_rng(3)
    x, eps = (jnp.asarray(rng.normal(size=(4, 2)).astype(dtype)) for _ in range(2))
    t = jnp.asarray([0.1, 0.35, 0.6, 0.9], dtype)
    levels = jnp.asarray([-4.0, -3.97, 0.5, 1.0], dtype)
    process = Process(ENCODERS["nt"], network, counterterm=1.0)
    calls = (
        lambda x, eps, t, levels: finite_depth.diffusion_loss(
            process, x, gamma=lambda t: -4 + 5 * t, t=t, eps=eps, num_steps=100
        ),
        lambda x, eps, t, levels: finite_depth.expected_step_costs(
            jax.random.key(0), process, x, levels
        ),
    )
    narrow = x, eps, t, levels
    for call in calls:
        got, want = call(*narrow), call(*(a.astype(jnp.float32) for a in narrow))
        assert got.dtype == jnp.float32
        np.testing.assert_array_equal(got, want)


def test_a_learned_ratio_is_stationary_at_the_optimal_one(x64):
    num_steps = 4
    loss, cost, index = toy(np.random.default_rng(2), 400, num_steps)
    means = jnp.asarray([np.asarray(cost)[index == i].mean() for i in range(num_steps)])
    best = finite_depth.optimal_log_ratio(means, 2)
    mean = lambda table: loss(table).mean()
    np.testing.assert_allclose(jax.jit(jax.grad(mean))(best), 0.0, atol=1e-10)
    np.testing.assert_allclose(mean(best), finite_depth.optimal_cost(means, 2).sum(), rtol=1e-9)
    assert mean(best) < mean(jnp.zeros(num_steps))


def test_costs_estimated_from_data_agree_with_the_exact_ones():
    num_steps, num = 20, 20_000
    x = MEAN + jnp.sqrt(VAR) * jax.random.normal(jax.random.key(0), (num, 1))

    def denoise(z, gamma):
        alpha, variance = noising.alpha(gamma)[:, None], jax.nn.sigmoid(gamma)[:, None]
        gain = alpha * VAR / (alpha**2 * VAR + variance)
        return noising.v_from_x(z, MEAN + gain * (z - alpha * MEAN), gamma)

    levels = jnp.linspace(LOW, HIGH, num_steps + 1)
    process = Process(identity_encoder(), denoise)
    costs = jax.jit(lambda key: finite_depth.expected_step_costs(key, process, x, levels))(
        jax.random.key(1)
    )
    snr = np.exp(-np.asarray(levels, np.float64))
    # l = (1/2) (SNR_s - SNR_t) times the posterior variance: chi-square, so s.e. l sqrt(2 / num).
    want = 0.5 * (snr[:-1] - snr[1:]) * VAR / (1 + VAR * snr[1:])
    assert (np.abs(costs / want - 1) < 4.5 * np.sqrt(2 / num)).all()


def gaussian_prediction(z, gamma):
    alpha, variance = noising.alpha(gamma)[:, None], jax.nn.sigmoid(gamma)[:, None]
    return MEAN + alpha * VAR / (alpha**2 * VAR + variance) * (z - alpha * MEAN)


@pytest.mark.parametrize("num_steps", [5, 50])
def test_sampling_with_the_optimal_variance_is_right_at_every_depth(num_steps, x64):
    levels = jnp.linspace(LOW, HIGH, num_steps + 1)
    ratios = finite_depth.optimal_log_ratio(jnp.asarray(gaussian_costs("identity", num_steps)), 1)

    def step(moments, inputs):
        g_s, g_t, ratio = inputs
        z, eps = jnp.array([[0.0], [1.0], [0.0]]), jnp.array([[0.0], [0.0], [1.0]])
        x_hat = gaussian_prediction(z, jnp.full((3,), g_t))
        out = generative_step(z, x_hat, g_s, g_t, eps, log_ratio=ratio)[:, 0]
        mean, variance = moments
        slope, noise = out[1] - out[0], out[2] - out[0]
        return (slope * mean + out[0], slope**2 * variance + noise**2), None

    start = jnp.asarray(0.0), jnp.asarray(1.0)
    moments, _ = jax.lax.scan(step, start, (levels[:-1], levels[1:], ratios), reverse=True)
    # 0.2500017 is that of the decoder's input; the start N(0, 1) adds the rest (spec 3).
    variance = moments[1] / noising.alpha(levels[0]) ** 2
    np.testing.assert_allclose(variance, 0.2500038, atol=1e-7)


def test_samples_follow_the_levels_and_ratios_given():
    num, num_steps = 20_000, 12
    levels = jnp.linspace(LOW, HIGH, num_steps + 1)
    snr = jnp.exp(-levels)
    ratios = jnp.log((1 + VAR * snr[1:]) / (1 + VAR * snr[:-1]))
    draw = jax.jit(
        lambda key, ratios: sample_along(
            key, gaussian_prediction, levels, (num, 1), log_ratio=ratios
        )
    )
    good = draw(jax.random.key(3), ratios)
    assert abs(good.var() - 0.25) < 4 * 0.25 * np.sqrt(2 / num)
    # With the posterior's variance twelve steps are far too few.
    assert draw(jax.random.key(3), jnp.zeros(num_steps)).var() < 0.2


def test_a_named_model_tends_to_its_continuous_loss(perturbed):
    model = diffenc.build("diffenc", (2,), 16, encoder_width=8, width=8, gamma_min=-4.0)
    params = perturbed(model.init(jax.random.key(0)))
    rng = np.random.default_rng(0)
    codes = rng.integers(0, 16, (5, 2))
    eps = jnp.asarray(rng.normal(size=(5, 2)), jnp.float32)
    num_steps = 2000
    t = jnp.asarray([0.1, 0.3, 0.5, 0.7, 0.9]) - 0.5 / num_steps

    @jax.jit
    def both(params):
        terms = model.elbo_terms(params, codes, t=t + 0.5 / num_steps, eps=eps, eps_0=eps)
        loss = finite_depth.diffusion_loss(
            model.bind(params),
            diffenc.likelihood.dequantise(codes, 16),
            gamma=lambda t: model.gamma(params, t),
            t=t,
            eps=eps,
            num_steps=num_steps,
        )
        return loss, terms.diffusion

    got, want = both(params)
    np.testing.assert_allclose(got, want, rtol=0.02)
