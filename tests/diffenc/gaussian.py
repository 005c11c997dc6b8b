"""Correlated Gaussian data, x ~ N(m, C) in three dimensions, and its optimal denoisers."""

import jax
import jax.numpy as jnp
import numpy as np

from diffenc import noising
from diffenc.encoder import identity_encoder, nt_encoder
from diffenc.process import Process

MEAN = np.array([0.3, -0.2, 0.1])
ROOT = np.array([[0.6, 0.0, 0.0], [0.3, 0.4, 0.0], [-0.2, 0.1, 0.3]])
COVARIANCE = ROOT @ ROOT.T
VALUES, VECTORS = np.linalg.eigh(COVARIANCE)
LOW, HIGH = -6.0, 2.0
# x_gamma = a(gamma) x, and the counterterm that goes with it.
SCALES = {"identity": lambda g: jnp.ones_like(g), "nt": lambda g: jax.nn.sigmoid(-g)}
ENCODERS = {"identity": identity_encoder(), "nt": nt_encoder()}
COUNTERTERMS = {"identity": 0.0, "nt": 1.0}


def sample(key, num):
    noise = jax.random.normal(key, (num, 3))
    return MEAN[None].astype(noise.dtype) + noise @ ROOT.T.astype(noise.dtype)


def denoiser(kind):
    """v of E[x_gamma | z], for a level an example."""

    def denoise(z, gamma):
        values, vectors, mean = (a.astype(z.dtype) for a in (VALUES, VECTORS, MEAN))
        encoded = SCALES[kind](gamma)[:, None]
        scale = noising.alpha(gamma)[:, None] * encoded
        marginal = scale**2 * values[None] + jax.nn.sigmoid(gamma)[:, None]
        away = (z - scale * mean[None]) @ vectors
        x = mean[None] + (scale * values[None] / marginal * away) @ vectors.T
        return noising.v_from_x(z, encoded * x, gamma)

    return denoise


def process(kind):
    """The process of the ideal denoiser."""
    return Process(ENCODERS[kind], denoiser(kind), counterterm=COUNTERTERMS[kind])


def log_normal(x, mean, covariance):
    """ln N(x; mean, covariance) of rows, in NumPy."""
    away = np.asarray(x, np.float64) - mean
    _, log_det = np.linalg.slogdet(2 * np.pi * covariance)
    return -0.5 * (np.einsum("bi,bi->b", away @ np.linalg.inv(covariance), away) + log_det)
