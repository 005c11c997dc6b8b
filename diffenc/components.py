"""The parts that a model's options name: the score network, and the form of the loss."""

from typing import Any

import flax.linen as nn
import jax.numpy as jnp
from flax.errors import ScopeParamNotFoundError, ScopeParamShapeError
from jaxtyping import Array, Key

from diffenc import checks
from diffenc.networks.blocks import Settings
from diffenc.networks.mlp import ScoreMLP
from diffenc.networks.unet import ScoreUNet
from diffenc.options import Options
from diffenc.process import COUNTERTERMS
from diffenc.volatility import VOLATILITIES, Form, Volatility


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


def init_form(options: Options, key: Key[Array, ""]) -> dict[str, Any]:
    """Parameters of what is learned of the loss's form: at first it is the published one."""
    forms = _forms(options).items()
    params: dict[str, Any] = {name: form.init(key) for name, form in forms if form.init}
    if options.step_variance == "learned" and options.depth is not None:
        params["log_ratio"] = jnp.zeros((options.depth,))
    return params


def form(options: Options, params: dict[str, Any]) -> dict[str, Volatility]:
    """The counterterm and the volatility of these parameters.

    Raises:
        ValueError: parameters of one that is learned are missing.
    """
    ends = _ends(options)
    own = lambda name, init: None if init is None else checks.part(params, name, init)
    return {name: f.of(own(name, f.init), *ends) for name, f in _forms(options).items()}


def _forms(options: Options) -> dict[str, Form]:
    assert options.counterterm is not None  # `presets.resolve` has filled it in
    return {
        "counterterm": COUNTERTERMS[options.counterterm],
        "volatility": VOLATILITIES[options.volatility],
    }


def _ends(options: Options) -> tuple[float, float]:
    assert options.gamma_min is not None  # `presets.resolve` has filled it in
    return options.gamma_min, options.gamma_max


def apply(
    net: nn.Module,
    params: dict[str, Any],
    x: Array,
    gamma: Array,
    classes: Array,
    key: Array | None,
) -> Array:
    """The network's output; dropout is on exactly with a key.

    Raises:
        ValueError: the parameters are of a network of another shape.
    """
    rngs = {} if key is None else {"dropout": key}
    try:
        return jnp.asarray(net.apply({"params": params}, x, gamma, classes, rngs=rngs))
    except (ScopeParamNotFoundError, ScopeParamShapeError) as error:
        raise ValueError(f"params are of another model: {error}; build it as it was") from error
