"""The loss of Gaussian data without Monte Carlo, against its closed forms (spec 9.2: 12–14)."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from diffenc import noising
from diffenc.elbo import elbo_terms
from diffenc.encoder import smooth_encoder
from diffenc.likelihood import gaussian_log_prob
from diffenc.process import Process

MEAN, VAR, LOW, HIGH = 0.3, 0.25, -13.3, 5.0
LINEAR = lambda t: LOW + (HIGH - LOW) * t
WARPED = lambda t: LOW + (HIGH - LOW) * (t + t**2) / 2
SCALES = {
    "identity": lambda g: jnp.ones_like(g),
    "nt": lambda g: jax.nn.sigmoid(-g),
    "wave": lambda g: 1 + 0.3 * jnp.sin(g),
}


def with_slope(scale, gamma):
    return jax.jvp(scale, (gamma,), (jnp.ones_like(gamma),))


def quadrature(scale, gamma=LINEAR, counterterm=1.0):
    """The loss of x_gamma = scale(gamma) x with its best denoiser, exact but for round-off.

    It is a quadratic of (x, eps), which four points integrate, and smooth in t: Gauss–Legendre.
    """
    nodes, weights = np.polynomial.legendre.leggauss(300)
    t = jnp.repeat(jnp.asarray((nodes + 1) / 2), 4)
    root = np.sqrt(2)
    points = np.tile([[root, 0], [-root, 0], [0, root], [0, -root]], (300, 1))

    def denoise(z, gamma):
        g = gamma[:, None]
        a, slope = with_slope(scale, g)
        signal = noising.alpha(g) * a
        gain = signal * VAR / (signal**2 * VAR + jax.nn.sigmoid(g))
        x = MEAN + gain * (z - signal * MEAN)
        return noising.v_from_x(z, (a - slope) * x / (1 + counterterm * jax.nn.sigmoid(g)), gamma)

    x, eps = (jnp.asarray(p) for p in (MEAN + np.sqrt(VAR) * points[:, :1], points[:, 1:]))
    encoder = smooth_encoder(lambda x, g, c: scale(noising.per_example(g, x)) * x)
    loss = elbo_terms(
        Process(encoder, denoise, counterterm=counterterm),
        x,
        gamma=gamma,
        decoder=gaussian_log_prob,
        t=t,
        eps=eps,
        eps_0=jnp.zeros_like(eps),
    ).diffusion
    return float(np.asarray(loss).reshape(300, 4).mean(1) @ weights / 2)


def parts(scale):
    """½ ln of the ratio of v a² SNR + 1 at both ends, and ½ ∫ v a′² / (a² v + e^γ) dγ."""
    nodes, weights = np.polynomial.legendre.leggauss(300)
    g = jnp.asarray(LOW + (HIGH - LOW) * (nodes + 1) / 2)
    a, slope = with_slope(scale, g)
    cost = (HIGH - LOW) / 2 * (VAR * slope**2 / (a**2 * VAR + jnp.exp(g))) @ weights
    end = lambda g: np.log1p(VAR * float(scale(jnp.asarray(g))) ** 2 * np.exp(-g))
    return 0.5 * (end(LOW) - end(HIGH)), 0.5 * float(cost)


@pytest.mark.parametrize("counterterm", [0.0, 1.0])
@pytest.mark.parametrize("kind", SCALES)
def test_the_best_loss_is_its_ends_and_the_cost_of_the_path(kind, counterterm, x64):
    ends, cost = parts(SCALES[kind])
    got = quadrature(SCALES[kind], counterterm=counterterm)
    assert got == pytest.approx(ends + cost, rel=1e-10)
    assert (cost > 0.01) == (kind != "identity")
    published = {"identity": 5.9560146336186595, "nt": 5.981091364302}
    assert got == pytest.approx(published.get(kind, got), rel=1e-12)


@pytest.mark.parametrize("kind", SCALES)
def test_the_schedule_between_fixed_ends_changes_nothing(kind, x64):
    assert quadrature(SCALES[kind], WARPED) == pytest.approx(quadrature(SCALES[kind]), rel=1e-10)


def test_it_does_where_the_encoder_follows_t_in_place_of_gamma(x64):
    # As a function of t the encoding stays; as one of γ, the path to the same ends is another.
    def of_t(g):
        t = (jnp.sqrt(1 + 8 * (g - LOW) / (HIGH - LOW)) - 1) / 2
        return jax.nn.sigmoid(-LINEAR(t))

    ends, cost = parts(of_t)
    assert quadrature(of_t, WARPED) == pytest.approx(ends + cost, rel=1e-10)
    assert abs(quadrature(of_t, WARPED) - quadrature(SCALES["nt"])) > 1e-3
