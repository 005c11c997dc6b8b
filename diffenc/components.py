"""The parts that a model's options name: its schedule and its networks."""

import flax.linen as nn
import jax.numpy as jnp

from diffenc import schedules
from diffenc.networks.encoders import EncoderUNet, mult_res_levels
from diffenc.networks.mlp import EncoderMLP, ScoreMLP
from diffenc.networks.unet import ScoreUNet
from diffenc.options import Options


def schedule(options: Options) -> schedules.Schedule:
    """The noise schedule of `options.schedule`."""
    ends = options.gamma_min, options.gamma_max
    match options.schedule:
        case "fixed":
            return schedules.fixed_linear(*ends)
        case "learned_linear":
            return schedules.learned_linear(*ends)
        case "monotone":
            return schedules.monotone(*ends, learn_endpoints=options.learn_endpoints)
        case "polynomial":
            return schedules.polynomial(*ends)


def score_network(options: Options, shape: tuple[int, ...]) -> nn.Module:
    """The denoiser: a U-Net for images, an MLP for vectors."""
    sizes = dict(
        width=options.width,
        num_layers=options.num_layers,
        gamma_min=options.gamma_min,
        gamma_max=options.gamma_max,
        fourier=options.fourier,
    )
    if len(shape) == 1:
        return ScoreMLP(**sizes)
    return ScoreUNet(
        **sizes,
        dropout=options.dropout,
        dtype=_dtype(options),
        remat=options.remat,
        unroll=options.unroll,
    )


def encoder_network(options: Options, shape: tuple[int, ...]) -> nn.Module | None:
    """The encoder's y(x, gamma), None for encoders without parameters.

    Raises ValueError for images whose sides the poolings do not divide.
    """
    if options.encoder in ("identity", "nt"):
        return None
    ends = dict(gamma_min=options.gamma_min, gamma_max=options.gamma_max)
    if len(shape) == 1:
        return EncoderMLP(options.encoder_width, options.encoder_layers, **ends)
    levels, blocks = options.encoder_layers, 1
    if options.encoder == "mult_res":
        levels = mult_res_levels(shape[0], options.encoder_layers)
        blocks = options.encoder_layers // levels
    if shape[0] % 2**levels or shape[1] % 2**levels:
        raise ValueError(
            f"an encoder with {levels} poolings needs sides divisible by {2**levels}, not "
            f"{shape[0]}x{shape[1]}; lower encoder_layers"
        )
    return EncoderUNet(
        options.encoder_width,
        levels,
        blocks,
        shape[-1],
        **ends,
        dropout=options.dropout,
        # The published `unet` encoder halves the groups of its middle blocks.
        mid_groups=16 if options.encoder == "unet" else 32,
        dtype=_dtype(options),
        remat=options.remat,
    )


def _dtype(options: Options):
    """float32 is left to promotion, so that double-precision inputs stay double."""
    return None if options.dtype == "float32" else jnp.dtype(options.dtype)
