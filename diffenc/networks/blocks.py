"""Blocks shared by the score network and the encoders.

Shapes and order of layers follow the published DiffEnc and VDM networks, so that parameters are
counted and can be loaded exactly. Statistics, embeddings and attention logits are at least float32
whatever `dtype` the activations have. Dropout is on exactly when `apply` is given a "dropout" key.
"""

from collections.abc import Callable
from typing import NamedTuple

import flax.linen as nn
import jax
import jax.numpy as jnp
from jax.typing import DTypeLike
from jaxtyping import Array, Float

Dtype = DTypeLike | None  # of activations; None: what the inputs' and the parameters' is

PUBLISHED_GROUPS = 32


class Settings(NamedTuple):
    """What all networks of a model share."""

    gamma_min: float
    gamma_max: float
    dropout: float = 0.0
    dtype: Dtype = None
    remat: bool = False
    group_channels: int = 2


def group_count(width: int, most: int = PUBLISHED_GROUPS, least_channels: int = 2) -> int:
    """The largest number of groups ≤ `most` that divides `width` into so many channels or more.

    With `least_channels` 1, as published, only a width of 32 differs: 32 groups in place of 16.
    """
    largest = min(most, max(width // least_channels, 1))
    return next(g for g in range(largest, 0, -1) if width % g == 0)


class GroupNorm(nn.Module):
    """Group normalisation over space and groups of channels, `group_count` of them.

    Means are taken over space first and over channels after, so that the large array is read once
    and written once; statistics are float32.
    """

    most_groups: int = PUBLISHED_GROUPS
    dtype: Dtype = None
    group_channels: int = 2

    @nn.compact
    def __call__(self, x: Float[Array, "b h w c"]) -> Float[Array, "b h w c"]:
        batch, _, _, width = x.shape
        scale = self.param("scale", nn.initializers.ones, (width,))
        bias = self.param("bias", nn.initializers.zeros, (width,))
        groups = group_count(width, self.most_groups, self.group_channels)
        wide = x.astype(jnp.promote_types(x.dtype, jnp.float32))

        def over_group(moment):
            grouped = moment.reshape(batch, groups, width // groups).mean(-1)
            return jnp.repeat(grouped, width // groups, axis=-1)

        mean, square = over_group(wide.mean((1, 2))), over_group((wide * wide).mean((1, 2)))
        variance = jnp.maximum(square - mean * mean, 0.0)
        gain = jax.lax.rsqrt(variance + 1e-6) * scale[None]
        shift = bias[None] - mean * gain
        return (wide * gain[:, None, None, :] + shift[:, None, None, :]).astype(
            self.dtype or wide.dtype
        )


class TimeEmbedding(nn.Module):
    """Conditioning vector of width 4 n from the level and the class, n sinusoids of 1000 t~."""

    width: int
    gamma_min: float
    gamma_max: float
    dtype: Dtype = None

    @nn.compact
    def __call__(
        self, gamma: Float[Array, " b"], conditioning: Float[Array, " b"]
    ) -> Float[Array, "b emb"]:
        half = self.width // 2
        frequencies = 1e4 ** (-jnp.arange(half) / max(half - 1, 1))
        angle = 1000 * (gamma - self.gamma_min) / (self.gamma_max - self.gamma_min)
        angles = angle[:, None] * frequencies[None, :]
        features = jnp.concatenate([jnp.sin(angles), jnp.cos(angles), conditioning[:, None]], -1)
        dense = lambda i: nn.Dense(4 * self.width, dtype=self.dtype, name=f"dense{i}")
        return nn.swish(dense(1)(nn.swish(dense(0)(features))))


class Dropout(nn.Module):
    """As `flax.linen.Dropout`, bit for bit; on exactly when there is a "dropout" key.

    The mask is drawn apart from what it falls on: a TPU's compiler otherwise repeats the generator
    within the convolution that follows, which takes 4.6 times as long to compile (libtpu 0.0.42).
    """

    rate: float

    @nn.compact
    def __call__(self, x: Float[Array, "*shape"]) -> Float[Array, "*shape"]:
        if not (self.rate and self.has_rng("dropout")):
            return x
        if self.rate == 1:
            return jnp.zeros_like(x)
        keep = jax.random.bernoulli(self.make_rng("dropout"), 1.0 - self.rate, x.shape)
        return jnp.where(jax.lax.optimization_barrier(keep), x / (1.0 - self.rate), 0)


class ResnetBlock(nn.Module):
    """Two normalised 3x3 convolutions around the conditioning, zero at first, and a shortcut."""

    features: int
    dropout: float = 0.0
    most_groups: int = PUBLISHED_GROUPS
    dtype: Dtype = None
    convolve: Callable[..., Array] | None = None  # in place of lax.conv_general_dilated
    group_channels: int = 2

    @nn.compact
    def __call__(
        self, x: Float[Array, "b h w c"], cond: Float[Array, "b emb"]
    ) -> Float[Array, "b h w f"]:
        conv = lambda name, **kw: nn.Conv(
            self.features,
            (3, 3),
            dtype=self.dtype,
            name=name,
            conv_general_dilated=self.convolve,
            **kw,
        )
        dense = lambda name, **kw: nn.Dense(self.features, dtype=self.dtype, name=name, **kw)
        norm = lambda name: GroupNorm(self.most_groups, self.dtype, self.group_channels, name=name)
        zeros = nn.initializers.zeros
        h = conv("conv1")(nn.swish(norm("norm1")(x)))
        h = h + dense("cond_proj", use_bias=False, kernel_init=zeros)(cond)[:, None, None, :]
        h = nn.swish(norm("norm2")(h))
        h = Dropout(self.dropout)(h)
        h = conv("conv2", kernel_init=zeros)(h)
        return h + (x if x.shape[-1] == self.features else dense("nin_shortcut")(x))


class AttentionBlock(nn.Module):
    """Single-head self-attention over all positions, residual, zero at initialisation."""

    most_groups: int = PUBLISHED_GROUPS
    dtype: Dtype = None
    group_channels: int = 2

    @nn.compact
    def __call__(self, x: Float[Array, "b h w c"]) -> Float[Array, "b h w c"]:
        batch, height, width, channels = x.shape
        h = GroupNorm(self.most_groups, self.dtype, self.group_channels, name="norm")(x)
        h = h.reshape(batch, height * width, channels)
        dense = lambda name, **kw: nn.Dense(channels, dtype=self.dtype, name=name, **kw)
        q, k, v = dense("q")(h), dense("k")(h), dense("v")(h)
        accurate = jnp.promote_types(q.dtype, jnp.float32)
        logits = jnp.einsum("bqc,bkc->bqk", q, k, preferred_element_type=accurate)
        weights = jax.nn.softmax(logits / jnp.sqrt(jnp.asarray(channels, accurate)), axis=-1)
        h = jnp.einsum("bqk,bkc->bqc", weights.astype(v.dtype), v)
        h = dense("proj_out", kernel_init=nn.initializers.zeros)(h)
        return x + h.reshape(x.shape)
