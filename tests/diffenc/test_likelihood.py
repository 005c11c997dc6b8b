"""Oracles: the softmax over all bins written out, SciPy, and the anchors of the specification."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy.stats import norm

import diffenc
from diffenc.likelihood import (
    bits_per_dim,
    dequantise,
    discretised_log_prob,
    gaussian_log_prob,
    quantise,
)

GAMMA_0 = -13.3


def one_hot_log_prob(codes, z, gamma_0, levels):
    """All bins at once, in float64 NumPy."""
    values = 2 * (np.arange(levels) + 0.5) / levels - 1
    logit = -0.5 * np.exp(-gamma_0) * (np.asarray(z, np.float64)[..., None] - values) ** 2
    top = logit.max(-1, keepdims=True)
    log_p = logit - top - np.log(np.exp(logit - top).sum(-1, keepdims=True))
    return np.take_along_axis(log_p, codes[..., None], -1)[..., 0]


@pytest.mark.parametrize("levels, gamma_0", [(256, -13.3), (17, -7.88), (256, 0.0), (2, 1.0)])
def test_log_prob_equals_the_softmax_over_all_bins(levels, gamma_0):
    rng = np.random.default_rng(0)
    codes = rng.integers(0, levels, (6, 5))
    x = 2 * (codes + 0.5) / levels - 1
    z = (x + np.exp(gamma_0 / 2) * rng.normal(size=x.shape)).astype(np.float32)
    want = one_hot_log_prob(codes, z, gamma_0, levels).sum(-1)
    got = discretised_log_prob(codes, z, gamma_0, levels)
    # Measured 3e-6: float32 rounding of (z - v) at exp(-gamma_0) = 6e5.
    np.testing.assert_allclose(got, want, rtol=2e-5, atol=2e-5)


def test_probabilities_sum_to_one_over_the_codes(x64):
    z = jnp.asarray(np.random.default_rng(1).uniform(-1.2, 1.2, (7, 1)))
    total = sum(jnp.exp(discretised_log_prob(np.full((7, 1), k), z, -5.0, 17)) for k in range(17))
    np.testing.assert_allclose(total, 1.0, atol=1e-12)


@pytest.mark.parametrize("code, bits", [(100, 0.0104532), (0, 0.0052266), (255, 0.0052266)])
def test_expected_reconstruction_loss_of_inner_and_edge_codes(code, bits):
    # The expectation over the noise by Gauss-Hermite-like quadrature: exact to 1e-6.
    e = np.linspace(-9, 9, 20_001)
    weight = norm.pdf(e) * (e[1] - e[0])
    x = 2 * (code + 0.5) / 256 - 1
    z = x + np.exp(GAMMA_0 / 2) * e
    log_p = one_hot_log_prob(np.full(e.shape, code), z, GAMMA_0, 256)
    np.testing.assert_allclose(-(weight * log_p).sum() / np.log(2), bits, rtol=2e-5)
    draws = np.random.default_rng(2).normal(size=(40_000, 1)).astype(np.float32)
    noisy = x + np.exp(GAMMA_0 / 2) * draws
    loss = -discretised_log_prob(np.full(draws.shape, code), noisy.astype(np.float32), GAMMA_0, 256)
    loss = np.asarray(loss) / np.log(2)
    assert abs(loss.mean() - bits) < 5 * loss.std() / np.sqrt(len(loss))


def test_decoding_the_noisy_code_gives_it_back():
    codes = np.arange(256)
    x = dequantise(codes, 256)
    np.testing.assert_array_equal(quantise(x, 256), codes)
    noise = np.random.default_rng(3).uniform(-0.99, 0.99, 256) / 256
    np.testing.assert_array_equal(quantise(x + noise.astype(np.float32), 256), codes)
    np.testing.assert_array_equal(quantise(np.array([-3.0, 3.0]), 256), [0, 255])


def test_codes_of_a_double_near_an_edge_are_those_of_its_own_digits():
    np.testing.assert_array_equal(quantise(np.array([-1e-12, 1e-12]), 2), [0, 1])


@pytest.mark.parametrize("levels", [2**22, 2**22 - 1])
def test_the_most_levels_are_told_apart(levels):
    codes = np.r_[0:4, levels // 2 - 2 : levels // 2 + 2, levels - 4 : levels]
    for x in (dequantise(codes, levels), np.asarray(dequantise(codes, levels))):
        np.testing.assert_array_equal(quantise(x, levels), codes)


X, NONE = np.zeros((2, 4), np.float32), np.zeros((2, 4), int)


@pytest.mark.usefixtures("unchecked")
@pytest.mark.parametrize(
    "call, message",
    [
        (lambda: quantise(X, 0), "levels=0 must be at least 1"),
        (lambda: quantise(X, 2.5), "levels=2.5 must be a whole number"),
        (lambda: dequantise(NONE, 2.5), "levels=2.5 must be a whole number"),
        (lambda: dequantise(NONE, 2**26), "levels=67108864; accepted are up to 4194304"),
        (lambda: diffenc.build("vdmv", (4,), 2**31), "levels=2147483648; accepted are up to"),
        (lambda: quantise(jnp.asarray([np.nan]), 4), "x .*NaN"),
        (
            lambda: discretised_log_prob(NONE[:1], X, 0.0, 8),
            r"codes \(1, 4\), z \(2, 4\); one shape",
        ),
        (lambda: discretised_log_prob(NONE, X, np.zeros(4), 8), r"gamma_0 has shape \(4,\)"),
        (lambda: discretised_log_prob(NONE, X, float("nan"), 8), "gamma_0 is nan"),
        (lambda: gaussian_log_prob(X[:1], X, 0.0), r"x \(1, 4\), z \(2, 4\); one shape"),
        (lambda: gaussian_log_prob(X, X, np.zeros(4)), r"gamma_0 has shape \(4,\)"),
        (lambda: gaussian_log_prob(X, X, float("nan")), "gamma_0 is nan"),
        (lambda: bits_per_dim(float("nan"), (2,)), "nats is nan"),
        (lambda: bits_per_dim(jnp.asarray([1.0, np.inf]), (2,)), "nats .*infinite"),
        (lambda: bits_per_dim(1.0, (-2,)), r"shape=\(-2,\) must be whole numbers of at least 1"),
        (lambda: bits_per_dim(1.0, (0, 4)), r"shape=\(0, 4\) must be"),
    ],
)
def test_what_has_no_likelihood_is_one_sentence(call, message):
    """Each was a number: of a row repeated, a code out of range, or NaN."""
    with pytest.raises(ValueError, match=message):
        call()


def test_the_backward_pass_does_not_store_the_bins():
    shape, levels = (8, 16, 16, 3), 256
    codes = np.zeros(shape, np.int32)
    loss = lambda z: discretised_log_prob(codes, z, GAMMA_0, levels).sum()
    compiled = jax.jit(jax.grad(loss)).lower(jnp.zeros(shape)).compile()
    bins = 4 * np.prod(shape) * levels
    assert compiled.memory_analysis().temp_size_in_bytes < bins / 4


def test_gaussian_decoder_is_scipys_density(x64):
    rng = np.random.default_rng(4)
    x, z = rng.normal(size=(3, 2)), rng.normal(size=(3, 2))
    want = norm.logpdf(x, z, np.exp(-3.0 / 2)).sum(-1)
    np.testing.assert_allclose(gaussian_log_prob(x, z, -3.0), want, rtol=1e-12)


def test_bits_per_dim():
    np.testing.assert_allclose(bits_per_dim(np.log(2) * 12.0 * np.arange(3), (2, 2, 3)), [0, 1, 2])
