"""Gaussian data, where every quantity has a closed form (spec 9.2: 10, 12–14, 17; 9.3)."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from scipy.integrate import quad

from diffenc import noising, stratified_times
from diffenc.elbo import elbo_terms
from diffenc.encoder import identity_encoder, nt_encoder, residual_encoder, smooth_encoder
from diffenc.likelihood import gaussian_log_prob
from diffenc.process import Process
from diffenc.sampling import ancestral_sample

MEAN, VAR = 0.3, 0.25


def linear_encoder(a):
    """x_gamma = a(gamma) x."""
    return smooth_encoder(lambda x, gamma, c: a(noising.per_example(gamma, x)) * x)


def optimal_denoiser(a, counterterm):
    """v of the x_hat that minimises the loss for x_gamma = a(gamma) x, data N(MEAN, VAR)."""

    def denoise(z, gamma):
        g = noising.per_example(gamma, z)
        alpha, sigma = noising.alpha(g), noising.sigma(g)
        scale, slope = jax.jvp(a, (g,), (jnp.ones_like(g),))
        gain = alpha * scale * VAR / (alpha**2 * scale**2 * VAR + sigma**2)
        x = MEAN + gain * (z - alpha * scale * MEAN)  # E[x | z]
        x_hat = (scale - slope) * x / (1 + counterterm * sigma**2)
        return noising.v_from_x(z, x_hat, gamma)

    return denoise


ENCODINGS = {
    "identity": (lambda g: jnp.ones_like(g), identity_encoder()),
    "nt": (lambda g: jax.nn.sigmoid(-g), nt_encoder()),
    "bump": (lambda g: 1 + 0.5 * jnp.exp(-((g + 2) ** 2)), None),
}


def closed_form(a, low, high):
    """½ ∫ v (a − a')² / (a² v + e^γ) dγ, per dimension."""
    slope = lambda g: (a(g + 1e-5) - a(g - 1e-5)) / 2e-5
    integrand = lambda g: VAR * (a(g) - slope(g)) ** 2 / (a(g) ** 2 * VAR + np.exp(g))
    return 0.5 * quad(integrand, low, high, limit=500, epsabs=1e-11)[0]


NUMPY = {
    "identity": lambda g: 1.0,
    "nt": lambda g: 1 / (1 + np.exp(g)),
    "bump": lambda g: 1 + 0.5 * np.exp(-((g + 2) ** 2)),
}


@functools.cache
def draws(num=400_000):
    """Times, points and noise."""
    keys = jax.random.split(jax.random.key(0), 4)
    x, eps, eps_0 = (jax.random.normal(k, (num, 1)) for k in keys[1:])
    return stratified_times(keys[0], num)[0], MEAN + jnp.sqrt(VAR) * x, eps, eps_0


@functools.cache
def diffusion_loss(kind):
    """The diffusion loss of each point with the optimal denoiser, one program an encoder."""
    (a, encoder), low, high = ENCODINGS[kind], -13.3, 5.0

    @functools.partial(jax.jit, static_argnums=5)
    def loss(t, x, eps, eps_0, warp, counterterm):
        denoiser = optimal_denoiser(a, counterterm)
        process = Process(encoder or linear_encoder(a), denoiser, counterterm=counterterm)
        gamma = lambda t: low + (high - low) * t**warp
        given = {"decoder": gaussian_log_prob, "t": t, "eps": eps, "eps_0": eps_0}
        return elbo_terms(process, x, gamma=gamma, **given).diffusion

    return loss


@functools.cache
def diffusion_estimate(kind, warp=1.0, counterterm=1.0):
    """Mean and standard error of the diffusion loss per dimension with the optimal denoiser."""
    loss = np.asarray(diffusion_loss(kind)(*draws(), warp, counterterm), np.float64)
    return loss.mean(), loss.std() / np.sqrt(len(loss))


@pytest.mark.parametrize("counterterm", [0.0, 1.0])
@pytest.mark.parametrize("kind", ENCODINGS)
def test_optimal_denoisers_reach_the_closed_form(kind, counterterm):
    mean, error = diffusion_estimate(kind, counterterm=counterterm)
    # Strata make the true error smaller than the one stated, which takes draws as independent.
    assert abs(mean - closed_form(NUMPY[kind], -13.3, 5.0)) < 4 * error
    assert error < 0.02


def test_closed_forms_agree_with_the_published_numbers():
    identity = closed_form(NUMPY["identity"], -13.3, 5.0)
    log_form = 0.5 * np.log((1 + VAR * np.exp(13.3)) / (1 + VAR * np.exp(-5.0)))
    np.testing.assert_allclose([identity, log_form], 5.9560146336186595, rtol=1e-9)
    np.testing.assert_allclose(closed_form(NUMPY["nt"], -13.3, 5.0), 5.981091364302, rtol=1e-9)


@pytest.mark.parametrize("kind", ["nt", "bump"])
def test_loss_splits_into_an_end_point_term_and_a_path_cost(kind):
    a = NUMPY[kind]
    slope = lambda g: (a(g + 1e-5) - a(g - 1e-5)) / 2e-5
    snr = lambda g: VAR * a(g) ** 2 * np.exp(-g)
    ends = 0.5 * np.log((snr(-13.3) + 1) / (snr(5.0) + 1))
    cost = quad(
        lambda g: VAR * slope(g) ** 2 / (a(g) ** 2 * VAR + np.exp(g)), -13.3, 5.0, limit=500
    )[0]
    assert cost > 0
    np.testing.assert_allclose(ends + 0.5 * cost, closed_form(a, -13.3, 5.0), rtol=1e-8)


def test_the_schedule_between_fixed_ends_does_not_matter():
    plain, warped = diffusion_estimate("nt"), diffusion_estimate("nt", warp=1.7)
    assert abs(plain[0] - warped[0]) < 4 * np.hypot(plain[1], warped[1])


@pytest.mark.parametrize(
    "kind, num_steps, mean, variance",
    [
        ("identity", 1000, 0.2994955, 0.24773),
        ("identity", 4000, 0.2994955, 0.249433),
        ("nt", 1000, 0.300398, 0.24792),
        ("nt", 4000, 0.300097, 0.249479),
        ("identity", 16000, 0.2994955, 0.249861),
        ("nt", 16000, 0.300022, 0.249872),
    ],
)
def test_sampler_moments_follow_the_affine_recursion(kind, num_steps, mean, variance, x64):
    a = ENCODINGS[kind][0]
    counterterm = 1.0 if kind == "nt" else 0.0
    denoise = optimal_denoiser(a, counterterm)
    levels = jnp.linspace(5.0, -13.3, num_steps + 1)

    def affine(g_t, g_s):
        """mu_P(z) = slope z + offset of one step."""
        z = jnp.array([[0.0], [1.0]])
        gamma = jnp.full((2,), g_t)
        x_hat = noising.x_from_v(z, denoise(z, gamma), gamma)
        mu = noising.generative_mean(z, x_hat, g_s, g_t, counterterm)[:, 0]
        return mu[1] - mu[0], mu[0]

    slopes, offsets = jax.jit(jax.vmap(affine))(levels[:-1], levels[1:])
    noise = noising.transition_variance(levels[1:], levels[:-1])
    m, v = 0.0, 1.0
    for slope, offset, extra in zip(*map(np.asarray, (slopes, offsets, noise)), strict=True):
        m, v = slope * m + offset, slope**2 * v + extra
    scale = np.sqrt(1 / (1 + np.exp(-13.3)))
    np.testing.assert_allclose([m / scale, v / scale**2], [mean, variance], atol=6e-7 + 5e-6)


@pytest.mark.parametrize("kind", ["identity", "nt"])
def test_samples_have_the_moments_of_the_data(kind):
    a = ENCODINGS[kind][0]
    counterterm = 1.0 if kind == "nt" else 0.0
    denoise = optimal_denoiser(a, counterterm)
    num = 20_000
    draws = jax.jit(
        lambda key: ancestral_sample(
            key,
            lambda z, gamma: noising.x_from_v(z, denoise(z, gamma), gamma),
            lambda t: -13.3 + 18.3 * t,
            (num, 1),
            1000,
            counterterm=counterterm,
        )
    )(jax.random.key(5))
    want_mean, want_var = {"identity": (0.2994955, 0.24773), "nt": (0.300398, 0.24792)}[kind]
    assert abs(draws.mean() - want_mean) < 4 * np.sqrt(want_var / num)
    assert abs(draws.var() - want_var) < 4 * want_var * np.sqrt(2 / num)


def init_mlp(key, sizes):
    keys = jax.random.split(key, len(sizes))
    scale = lambda i: 0.0 if i == len(sizes) - 2 else 1 / np.sqrt(sizes[i])
    return [
        (
            scale(i) * jax.random.normal(keys[i], (sizes[i], sizes[i + 1])),
            jnp.zeros((1, sizes[i + 1])),
        )
        for i in range(len(sizes) - 1)
    ]


def apply_mlp(params, x, gamma):
    level = jnp.broadcast_to(gamma, (len(x),))[:, None] / 3 + 1
    h = jnp.concatenate([x, level], -1)
    for weight, bias in params[:-1]:
        h = jax.nn.swish(h @ weight + bias)
    return h @ params[-1][0] + params[-1][1]


LOW, HIGH = -6.0, 0.0  # a short range, so that the prior matters


def toy_terms(key, num, encoder, denoiser, counterterm):
    """−ELBO of `num` fresh points of the two-dimensional toy, in nats per dimension, each [num]."""
    k_x, k_t, k_e, k_0 = jax.random.split(key, 4)
    x = MEAN + jnp.sqrt(VAR) * jax.random.normal(k_x, (num, 2))
    terms = elbo_terms(
        Process(encoder, denoiser, counterterm=counterterm),
        x,
        gamma=lambda t: LOW + (HIGH - LOW) * t,
        decoder=gaussian_log_prob,
        t=stratified_times(k_t, num)[0],
        eps=jax.random.normal(k_e, x.shape),
        eps_0=jax.random.normal(k_0, x.shape),
    )
    return sum(terms) / 2


def model_terms(kind, params, key, num):
    encoder = {
        "vdm": identity_encoder(),
        "nt": nt_encoder(),
        "diffenc": residual_encoder(lambda x, g, c: x + apply_mlp(params["encoder"], x, g)),
    }[kind]
    denoiser = lambda z, g: z + apply_mlp(params["score"], z, g)
    return toy_terms(key, num, encoder, denoiser, float(kind != "vdm"))


def train_toy(kind, steps=6000, batch=512):
    optimizer = optax.adam(optax.cosine_decay_schedule(1e-2, steps))
    k_score, k_encoder = jax.random.split(jax.random.key(0))
    sizes = (3, 64, 64, 2)
    params = {"score": init_mlp(k_score, sizes), "encoder": init_mlp(k_encoder, sizes)}

    def step(carry, key):
        params, opt_state = carry
        grads = jax.grad(lambda p: model_terms(kind, p, key, batch).mean())(params)
        updates, opt_state = optimizer.update(grads, opt_state)
        return (optax.apply_updates(params, updates), opt_state), None

    @jax.jit
    def train(params, keys):
        return jax.lax.scan(step, (params, optimizer.init(params)), keys)[0][0]

    return train(params, jax.random.split(jax.random.key(1), steps))


def trained_minus_optimal(kind, params):
    """Mean and standard error of a trained model's −ELBO less that of the best model without a
    learned encoder, on the same points and noise, which removes most of the variance."""
    reference = "nt" if kind == "nt" else "identity"
    a, encoder = ENCODINGS[reference]
    counterterm = float(kind == "nt")
    denoiser = optimal_denoiser(a, counterterm)

    def difference(key):
        trained = model_terms(kind, params, key, 20_000)
        return (trained - toy_terms(key, 20_000, encoder, denoiser, counterterm)).mean()

    keys = jax.random.split(jax.random.key(2), 100)
    values = jax.jit(lambda keys: jax.lax.map(difference, keys))(keys)
    return float(values.mean()), float(values.std() / np.sqrt(len(keys)))


def optimal_gap(reference):
    """−ELBO less the entropy for the best denoiser, in nats per dimension."""
    a = NUMPY[reference]
    signal, noise = 1 / (1 + np.exp(HIGH)), 1 / (1 + np.exp(-HIGH))
    second_moment = a(HIGH) ** 2 * (MEAN**2 + VAR)
    prior = 0.5 * (signal * second_moment + noise - np.log(noise) - 1)
    moved = (1 - a(LOW)) ** 2 * (MEAN**2 + VAR) * np.exp(-LOW)
    reconstruction = 0.5 * (LOW + np.log(2 * np.pi) + 1 + moved)
    entropy = 0.5 * np.log(2 * np.pi * np.e * VAR)
    return closed_form(a, LOW, HIGH) + prior + reconstruction - entropy


def test_gaps_of_the_theory():
    np.testing.assert_allclose(optimal_gap("identity"), 0.074935, atol=1e-6)
    np.testing.assert_allclose(optimal_gap("nt"), 0.109578, atol=1e-6)


@pytest.mark.parametrize(
    "kind", [*(pytest.param(k, marks=pytest.mark.slow) for k in ("vdm", "nt")), "diffenc"]
)
def test_trained_models_reach_the_gaps_of_the_theory(kind, optimised):
    difference, error = trained_minus_optimal(kind, train_toy(kind))
    gap = difference + optimal_gap("nt" if kind == "nt" else "identity")
    assert error < 1e-3
    if kind == "diffenc":
        # The best affine encoder reaches 0.0236; a trained network about 0.025.
        assert 0.0236 - 4 * error < gap < 0.026 + 2 * error
    else:
        # Measured after these 6,000 steps: vdm 3e-4, nt 7e-4.
        assert -4 * error < difference < 1e-3
