"""Encoders: how the data moves with depth, x_γ, and how fast.

The slope is carried as the drift d = (dx_γ/dγ) / σ², which stays bounded where the slope vanishes
with σ and is what the loss needs. `Encoder` is two functions; `Identity`, `NonTrainable`, `UNet`,
`MultiRes` and `MLP` are the choices of a model, values that make them. DiffEnc,
https://arxiv.org/abs/2310.19789.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple, Protocol, runtime_checkable

import flax.linen as nn
import jax
import jax.numpy as jnp
from jaxtyping import Array

from diffenc.networks import counts
from diffenc.networks.blocks import Settings
from diffenc.networks.encoders import EncoderUNet, mult_res_levels, unet_flops
from diffenc.networks.mlp import LEVEL_FEATURES, EncoderMLP
from diffenc.noising import per_example

# (x, γ, conditioning) -> an array like x; γ a scalar or [b], conditioning [b] or None.
DepthFn = Callable[[Array, Array, Array | None], Array]


class Encoder(NamedTuple):
    """Two functions of (x, γ, conditioning): x_γ − x, and the pair (x_γ, d).

    The offset is kept apart because, near the data, encodings at two depths differ by less than
    the rounding of x.
    """

    offset: DepthFn
    with_drift: Callable[[Array, Array, Array | None], tuple[Array, Array]]

    def value(self, x: Array, gamma: Array, conditioning: Array | None = None) -> Array:
        """x_γ."""
        return x + self.offset(x, gamma, conditioning)


def identity_encoder() -> Encoder:
    """x_γ = x at every depth: VDM."""
    return Encoder(
        offset=lambda x, gamma, c: jnp.zeros_like(x),
        with_drift=lambda x, gamma, c: (x, jnp.zeros_like(x)),
    )


def nt_encoder() -> Encoder:
    """x_γ = α² x, the non-trainable encoder; its slope is −σ² x_γ."""

    def offset(x, gamma, conditioning):
        return -jax.nn.sigmoid(per_example(gamma, x)) * x

    def with_drift(x, gamma, conditioning):
        x_t = jax.nn.sigmoid(-per_example(gamma, x)) * x
        return x_t, -x_t

    return Encoder(offset, with_drift)


def residual_encoder(inner: DepthFn) -> Encoder:
    """x_γ = x + σ² (y − x), y = inner(x, γ, conditioning): the trainable encoder.

    y and dy/dγ come from one forward-mode pass, and x_t from that y, so one dropout mask
    serves value and slope. The drift is y − x_γ + dy/dγ.
    """

    def share(x, y, gamma):
        return jax.nn.sigmoid(per_example(gamma, x)) * (y - x)

    def offset(x, gamma, conditioning):
        return share(x, inner(x, gamma, conditioning), gamma)

    def with_drift(x, gamma, conditioning):
        y, y_slope = _with_slope(inner, x, gamma, conditioning)
        x_t = x + share(x, y, gamma)
        return x_t, y - x_t + y_slope

    return Encoder(offset, with_drift)


def smooth_encoder(value: DepthFn) -> Encoder:
    """Any differentiable x_γ = value(x, γ, conditioning), its slope by one forward pass.

    The drift divides the slope by σ², so in float32 a slope that does not vanish with σ
    loses digits at small γ; prefer `residual_encoder` where it applies.
    """

    def with_drift(x, gamma, conditioning):
        x_t, slope = _with_slope(value, x, gamma, conditioning)
        return x_t, slope / jax.nn.sigmoid(per_example(gamma, x))

    return Encoder(lambda x, gamma, c: value(x, gamma, c) - x, with_drift)


def _with_slope(
    function: DepthFn, x: Array, gamma: Array, conditioning: Array | None
) -> tuple[Array, Array]:
    return jax.jvp(lambda g: function(x, g, conditioning), (gamma,), (jnp.ones_like(gamma),))


@runtime_checkable
class Fixed(Protocol):
    """An encoder without parameters, as an option of a model."""

    def encoder(self) -> Encoder:
        """Its functions."""
        ...


@runtime_checkable
class Trainable(Protocol):
    """An encoder with a network y(x, γ), as an option of a model: its sizes, a frozen value.

    A new encoder is one such class: `diffenc.build(..., encoder=Mine(...))`, or a preset.
    """

    def network(self, shape: tuple[int, ...], settings: Settings) -> nn.Module:
        """y(x, γ, class index) for data of `shape`, its level and class one for each example.

        Raises:
            ValueError: the network cannot take data of this shape.
        """
        ...

    def encoder(self, y: DepthFn) -> Encoder:
        """Its functions, given those of the network with its parameters."""
        ...

    def flops(self, shape: tuple[int, ...]) -> tuple[float, float]:
        """FLOPs of one evaluation of y, and those of them that come before the level enters."""
        ...


@dataclass(frozen=True)
class Identity:
    """x_γ = x: VDM."""

    def encoder(self) -> Encoder:
        return identity_encoder()


@dataclass(frozen=True)
class NonTrainable:
    """x_γ = α² x."""

    def encoder(self) -> Encoder:
        return nt_encoder()


@dataclass(frozen=True)
class UNet:
    """x_γ = x + σ² (y − x), y a U-Net of `levels` poolings with one block each: DiffEnc-8-2."""

    width: int = 64
    levels: int = 2

    def network(self, shape: tuple[int, ...], settings: Settings) -> nn.Module:
        # The published network halves the groups of its middle blocks.
        return _unet(shape, settings, self.width, self.levels, 1, mid_groups=16)

    def encoder(self, y: DepthFn) -> Encoder:
        return residual_encoder(y)

    def flops(self, shape: tuple[int, ...]) -> tuple[float, float]:
        return unet_flops(shape, self.width, self.levels, 1)


@dataclass(frozen=True)
class MultiRes:
    """x_γ = x + σ² (y − x), y a U-Net with `blocks` blocks on each arm: DiffEnc-32-4.

    It pools until the side is at most 8, or odd, and its levels share the blocks.
    """

    width: int = 64
    blocks: int = 4

    def network(self, shape: tuple[int, ...], settings: Settings) -> nn.Module:
        return _unet(shape, settings, self.width, *self._levels(shape), mid_groups=32)

    def encoder(self, y: DepthFn) -> Encoder:
        return residual_encoder(y)

    def flops(self, shape: tuple[int, ...]) -> tuple[float, float]:
        return unet_flops(shape, self.width, *self._levels(shape))

    def _levels(self, shape: tuple[int, ...]) -> tuple[int, int]:
        levels = mult_res_levels(shape[0], self.blocks)
        return levels, self.blocks // levels


@dataclass(frozen=True)
class MLP:
    """x_γ = x + σ² (y − x) for vectors, y a multilayer perceptron."""

    width: int = 64
    layers: int = 2

    def network(self, shape: tuple[int, ...], settings: Settings) -> nn.Module:
        if len(shape) != 1:
            raise ValueError(f"encoder MLP is for vectors, not for shape {shape}; use UNet")
        return EncoderMLP(self.width, self.layers, settings.gamma_min, settings.gamma_max)

    def encoder(self, y: DepthFn) -> Encoder:
        return residual_encoder(y)

    def flops(self, shape: tuple[int, ...]) -> tuple[float, float]:
        hidden = [self.width] * self.layers
        return counts.dense([shape[0] + LEVEL_FEATURES, *hidden, shape[0]]), 0.0


def _unet(
    shape: tuple[int, ...],
    settings: Settings,
    width: int,
    levels: int,
    blocks: int,
    *,
    mid_groups: int,
) -> EncoderUNet:
    if len(shape) != 3:
        raise ValueError(f"encoders UNet and MultiRes are for images, not for shape {shape}")
    if shape[0] % 2**levels or shape[1] % 2**levels:
        raise ValueError(
            f"an encoder with {levels} poolings needs sides divisible by {2**levels}, not "
            f"{shape[0]}x{shape[1]}; lower encoder_layers"
        )
    return EncoderUNet(
        width,
        levels,
        blocks,
        shape[-1],
        settings.gamma_min,
        settings.gamma_max,
        dropout=settings.dropout,
        mid_groups=mid_groups,
        dtype=settings.dtype,
        remat=settings.remat,
        group_channels=settings.group_channels,
    )


ENCODERS: dict[str, type[Identity | NonTrainable | UNet | MultiRes]] = {
    "identity": Identity,
    "nt": NonTrainable,
    "unet": UNet,
    "mult_res": MultiRes,
}
"""The short names of `diffenc.build`; for vectors both U-Nets are an MLP."""
