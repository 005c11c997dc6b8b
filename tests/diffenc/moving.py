"""Gaussian data in one dimension under encoders that move it, with the ideal denoiser."""

import jax
import jax.numpy as jnp
import numpy as np

from diffenc import noising
from diffenc.encoder import identity_encoder, nt_encoder
from diffenc.process import Process

MEAN, VAR = 0.3, 0.25
SCALES = {"identity": lambda g: jnp.ones_like(g), "nt": lambda g: jax.nn.sigmoid(-g)}
ENCODERS = {"identity": identity_encoder(), "nt": nt_encoder()}
COUNTERTERMS = {"identity": 0.0, "nt": 1.0}
NT = lambda gamma: 1 + 2 * jax.nn.sigmoid(gamma)  # u* of the non-trainable encoder
NUMPY_SIGMOID = lambda u: 1 / (1 + np.exp(-u))


def denoiser(kind):
    """v of E[x_gamma | z] for data N(MEAN, VAR): the best x_hat of the nt encoder at every u."""

    def denoise(z, gamma):
        g = noising.per_example(gamma, z)
        signal = noising.alpha(g) * SCALES[kind](g)
        gain = signal * VAR / (signal**2 * VAR + jax.nn.sigmoid(g))
        x = MEAN + gain * (z - signal * MEAN)
        return noising.v_from_x(z, SCALES[kind](g) * x, gamma)

    return denoise


def process(kind, volatility=1.0):
    """The process of the ideal denoiser."""
    given = {"counterterm": COUNTERTERMS[kind], "volatility": volatility}
    return Process(ENCODERS[kind], denoiser(kind), **given)


def four_points(num):
    """(x, eps), [4 num, 1], whose average over each four integrates every quadratic of them."""
    root = np.sqrt(2)
    points = np.tile([[root, 0], [-root, 0], [0, root], [0, -root]], (num, 1))
    return jnp.asarray(MEAN + np.sqrt(VAR) * points[:, :1]), jnp.asarray(points[:, 1:])
