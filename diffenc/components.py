"""The parts that a model's options name: its schedule, its networks, and the form of its loss."""

from typing import Any

import flax.linen as nn
import jax.numpy as jnp
from jaxtyping import Array, Key

from diffenc import schedules, volatility
from diffenc.elbo import Counterterm
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


COUNTERTERM_WAVES = 8  # cosines in gamma of the learned counterterm


def init_form(options: Options, key: Key[Array, ""]) -> dict[str, Any]:
    """Parameters of what is learned of the loss's form: at first it is the published one."""
    params: dict[str, Any] = {}
    if options.counterterm == "learned":
        params["counterterm"] = jnp.zeros((COUNTERTERM_WAVES,))
    if options.volatility == "learned":
        params["volatility"] = jnp.zeros((volatility.WAVES,))
    elif options.volatility == "network":
        params["volatility"] = volatility.init_network(key)
    if options.step_variance == "learned":
        params["log_ratio"] = jnp.zeros((options.depth,))
    return params


def counterterm_of(options: Options, params: dict[str, Any]) -> Counterterm:
    """The multiplier of sigma^2 x_hat: a number, or learned as 1 plus a cosine series in gamma."""
    if options.counterterm != "learned":
        return float(options.counterterm == "on")
    weights, ends = params["counterterm"], _ends(options)
    return lambda gamma: 1.0 + volatility.cosine_series(weights, gamma, *ends)


def volatility_of(options: Options, params: dict[str, Any]) -> volatility.Volatility:
    """u of the model: 1, or learned as a series or as a network of gamma."""
    match options.volatility:
        case "published":
            return volatility.PUBLISHED
        case "learned":
            return volatility.series(params["volatility"], *_ends(options))
        case "network":
            return volatility.network(params["volatility"], *_ends(options))


def _ends(options: Options) -> tuple[float, float]:
    assert options.gamma_min is not None  # `resolve` has filled it in
    return options.gamma_min, options.gamma_max


def _dtype(options: Options):
    """float32 is left to promotion, so that double-precision inputs stay double."""
    return None if options.dtype == "float32" else jnp.dtype(options.dtype)
