"""Networks for vectors: a denoiser and an encoder, each a small multilayer perceptron."""

from collections.abc import Sequence

import flax.linen as nn
import jax.numpy as jnp
from jaxtyping import Array, Float

from diffenc.networks.unet import fourier_features

LEVEL_FEATURES = 10  # columns of `level_features`


def level_features(
    gamma: Float[Array, " b"], conditioning: Float[Array, " b"], gamma_min: float, gamma_max: float
) -> Float[Array, "b f"]:
    """Smooth features of the level for small networks: t~, four low harmonics, and the class."""
    share = (gamma - gamma_min) / (gamma_max - gamma_min)
    angles = jnp.pi * share[:, None] * jnp.arange(1.0, 5.0)[None, :]
    return jnp.concatenate(
        [share[:, None] - 0.5, jnp.sin(angles), jnp.cos(angles), conditioning[:, None]], -1
    )


class ScoreMLP(nn.Module):
    """z plus a zero-initialised correction, from z, its Fourier features and the level."""

    width: int
    num_layers: int
    gamma_min: float
    gamma_max: float
    fourier: Sequence[int] = ()

    @nn.compact
    def __call__(
        self, z: Float[Array, "b d"], gamma: Float[Array, " b"], conditioning: Float[Array, " b"]
    ) -> Float[Array, "b d"]:
        waves = [fourier_features(z, self.fourier)] if self.fourier else []
        level = level_features(gamma, conditioning, self.gamma_min, self.gamma_max)
        h = jnp.concatenate([z, *waves, level], -1)
        for i in range(self.num_layers):
            h = nn.swish(nn.Dense(self.width, name=f"dense{i}")(h))
        out = nn.Dense(z.shape[-1], kernel_init=nn.initializers.zeros, name="out")
        return z + out(h)


class EncoderMLP(nn.Module):
    """y(x, γ), zero at initialisation; `squash` bounds it to (-1, 1) by tanh."""

    width: int
    num_layers: int
    gamma_min: float
    gamma_max: float
    squash: bool = True

    @nn.compact
    def __call__(
        self, x: Float[Array, "b d"], gamma: Float[Array, " b"], conditioning: Float[Array, " b"]
    ) -> Float[Array, "b d"]:
        level = level_features(gamma, conditioning, self.gamma_min, self.gamma_max)
        h = jnp.concatenate([x, level], -1)
        for i in range(self.num_layers):
            h = nn.swish(nn.Dense(self.width, name=f"dense{i}")(h))
        y = nn.Dense(x.shape[-1], kernel_init=nn.initializers.zeros, name="out")(h)
        return jnp.tanh(y) if self.squash else y
