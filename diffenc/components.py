"""The parts that a model's options name: the score network, and the form of the loss."""

from typing import Any

import flax.linen as nn
import jax.numpy as jnp
from jaxtyping import Array, Key

from diffenc import volatility
from diffenc.networks.blocks import Settings
from diffenc.networks.mlp import ScoreMLP
from diffenc.networks.unet import ScoreUNet
from diffenc.presets import Options
from diffenc.process import Counterterm


def settings(options: Options) -> Settings:
    """What all networks of the model share."""
    return Settings(
        *_ends(options),
        dropout=options.dropout,
        # float32 is left to promotion, so that double-precision inputs stay double.
        dtype=None if options.dtype == "float32" else jnp.dtype(options.dtype),
        remat=options.remat,
        group_channels=options.group_channels,
    )


def score_network(options: Options, shape: tuple[int, ...]) -> nn.Module:
    """The denoiser: a U-Net for images, an MLP for vectors."""
    shared, fourier = settings(options), options.fourier or ()
    ends = shared.gamma_min, shared.gamma_max
    if len(shape) == 1:
        return ScoreMLP(options.width, options.num_layers, *ends, fourier)
    return ScoreUNet(
        options.width,
        options.num_layers,
        *ends,
        fourier,
        dropout=shared.dropout,
        dtype=shared.dtype,
        remat=shared.remat,
        unroll=bool(options.unroll),
        group_channels=shared.group_channels,
    )


COUNTERTERM_WAVES = 8  # cosines in γ of the learned counterterm


def init_form(options: Options, key: Key[Array, ""]) -> dict[str, Any]:
    """Parameters of what is learned of the loss's form: at first it is the published one."""
    params: dict[str, Any] = {}
    if options.counterterm == "learned":
        params["counterterm"] = jnp.zeros((COUNTERTERM_WAVES,))
    if options.volatility == "learned":
        params["volatility"] = jnp.zeros((volatility.WAVES,))
    elif options.volatility == "network":
        params["volatility"] = volatility.init_network(key)
    if options.step_variance == "learned" and options.depth is not None:
        params["log_ratio"] = jnp.zeros((options.depth,))
    return params


def counterterm_of(options: Options, params: dict[str, Any]) -> Counterterm:
    """The multiplier of σ² x̂: a number, or learned as 1 plus a cosine series in γ."""
    if options.counterterm != "learned":
        return float(options.counterterm == "on")
    weights, ends = params["counterterm"], _ends(options)
    return lambda gamma: 1.0 + volatility.cosine_series(weights, gamma, *ends)


def volatility_of(options: Options, params: dict[str, Any]) -> volatility.Volatility:
    """u of the model: 1, or learned as a series or as a network of γ."""
    match options.volatility:
        case "published":
            return volatility.PUBLISHED
        case "learned":
            return volatility.series(params["volatility"], *_ends(options))
        case "network":
            return volatility.network(params["volatility"], *_ends(options))


def _ends(options: Options) -> tuple[float, float]:
    assert options.gamma_min is not None  # `presets.resolve` has filled it in
    return options.gamma_min, options.gamma_max
