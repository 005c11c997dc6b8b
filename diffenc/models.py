"""Build a diffusion model by name, as a tuple of pure functions."""

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any, NamedTuple

import flax.linen as nn
import jax
import jax.numpy as jnp
from jax.typing import ArrayLike
from jaxtyping import Array, Float, Int, Integer, Key

from diffenc import checks, components, elbo, finite_depth, process, sampling, schedules
from diffenc.elbo import ElboTerms
from diffenc.encoder import (
    Encoder,
    encode_with_slope,
    identity_encoder,
    nt_encoder,
    residual_encoder,
)
from diffenc.likelihood import dequantise, discretised_log_prob, quantise
from diffenc.options import Options, resolve
from diffenc.volatility import Volatility

Params = dict[str, Any]


class Diffusion(NamedTuple):
    """A diffusion model: pure functions of its parameters, and what it was built from.

    `conditioning` is a class index per example where the model has `options.num_classes`.
    """

    init: Callable[..., Params]
    elbo_terms: Callable[..., ElboTerms]
    encode: Callable[..., tuple[Array, Array]]
    denoise: Callable[..., Array]
    gamma: Callable[..., Array]
    sample_step: Callable[..., Array]
    sample: Callable[..., Array]
    parts: Callable[..., dict[str, Any]]
    name: str
    shape: tuple[int, ...]
    levels: int
    options: Options


def build(name: str, shape: Sequence[int], levels: int, **options) -> Diffusion:
    """The named model for data of `shape` ([h, w, c] or [d]) with integer codes below `levels`.

    Options are the fields of `diffenc.Options`. Raises ValueError for an unknown name or option,
    with the nearest right one, and for values that do not fit together.

    The functions:
      init(key) -> params
      elbo_terms(params, codes, *, t, eps, eps_0, conditioning=None, dropout_key=None,
        volatility=None) -> ElboTerms, per example in nats; without `dropout_key` deterministic;
        a `volatility` takes the place of the model's own (`diffenc.volatility_choice`)
      encode(params, x, gamma, conditioning=None) -> (x_gamma, dx_gamma/dgamma)
      denoise(params, z, gamma, conditioning=None) -> x_hat, the prediction of x_gamma
      gamma(params, t) -> the schedule's level
      sample_step(params, z, t, s, eps, conditioning=None) -> z_s
      sample(key, params, num, num_steps, conditioning=None) -> codes [num, *shape]
      parts(params, conditioning=None) -> the keywords that `diffenc.elbo`, `finite_depth` and
        `step_choice` take of a model: encoder, denoiser, conditioning, and the form of the loss
    """
    shape = tuple(int(n) for n in shape)
    resolved = resolve(name, shape, levels, options)
    model = _Model(
        shape,
        levels,
        resolved,
        components.schedule(resolved),
        components.score_network(resolved, shape),
        components.encoder_network(resolved, shape),
    )
    return Diffusion(
        init=partial(_init, model),
        elbo_terms=partial(_elbo_terms, model),
        encode=partial(_encode, model),
        denoise=partial(_denoise, model),
        gamma=partial(_gamma, model),
        sample_step=partial(_sample_step, model),
        sample=partial(_sample, model),
        parts=partial(_parts, model),
        name=name,
        shape=shape,
        levels=levels,
        options=resolved,
    )


class _Model(NamedTuple):
    shape: tuple[int, ...]
    levels: int
    options: Options
    schedule: schedules.Schedule
    score: nn.Module
    inner: nn.Module | None


def _init(model: _Model, key: Key[Array, ""]) -> Params:
    k_score, k_encoder, k_schedule = jax.random.split(key, 3)
    x, level = jnp.zeros((1, *model.shape)), jnp.zeros((1,))
    params = {"score": model.score.init(k_score, x, level, level)["params"]}
    if model.inner is not None:
        params["encoder"] = model.inner.init(k_encoder, x, level, level)["params"]
    if schedule := model.schedule.init(k_schedule):
        params["schedule"] = schedule
    # A fold, not a fourth split: the published parts keep the values they had.
    return params | components.init_form(model.options, jax.random.fold_in(key, 3))


def _elbo_terms(
    model: _Model,
    params: Params,
    codes: Integer[ArrayLike, "b *shape"],
    *,
    t: Float[ArrayLike, " b"],
    eps: Float[ArrayLike, "b *shape"],
    eps_0: Float[ArrayLike, "b *shape"],
    conditioning: Integer[ArrayLike, " b"] | None = None,
    dropout_key: Key[Array, ""] | None = None,
    volatility: Volatility | None = None,
) -> ElboTerms:
    codes, t, eps, eps_0 = map(jnp.asarray, (codes, t, eps, eps_0))
    checks.check_batch(model.shape, codes=codes, eps=eps, eps_0=eps_0)
    checks.check_times(t, len(codes))
    checks.check_codes(codes, model.levels)
    classes = _classes(model, conditioning, len(codes))
    trained, for_variance = _split_schedule(model, params)
    x, level = dequantise(codes, model.levels), partial(_gamma, model, trained)
    form = _keywords(model, params, classes, dropout_key)
    form |= {} if volatility is None else {"volatility": volatility}
    terms = elbo.elbo_terms(
        x,
        gamma=level,
        decoder=partial(discretised_log_prob, levels=model.levels),
        target=codes,
        t=t,
        eps=eps,
        eps_0=eps_0,
        x_0_every=1 if dropout_key is None else model.options.x_0_every,
        **form,
    )
    if model.options.depth is not None:
        steps = dict(num_steps=model.options.depth, log_ratio=params.get("log_ratio", 0.0))
        loss = finite_depth.diffusion_loss(x, gamma=level, t=t, eps=eps, **steps, **form)
        return terms._replace(diffusion=loss)
    if for_variance is None:
        return terms
    gamma = partial(_gamma, model, for_variance)
    added = schedules.variance_surrogate(gamma, t, terms.diffusion)
    return terms._replace(diffusion=terms.diffusion + added)


def _split_schedule(model: _Model, params: Params) -> tuple[Params, Params | None]:
    """Parameters of the schedule through which the bound is differentiated, and its variance."""
    if (model.options.schedule, model.options.interior) != ("monotone", "variance"):
        return params, None
    still = jax.lax.stop_gradient
    ends = {name: leaf for name, leaf in params["schedule"].items() if name in schedules.ENDS}
    interior = {n: leaf for n, leaf in params["schedule"].items() if n not in schedules.ENDS}
    return {"schedule": ends | still(interior)}, {"schedule": still(ends) | interior}


def _parts(
    model: _Model, params: Params, conditioning: Integer[ArrayLike, " b"] | None = None
) -> dict[str, Any]:
    num = 0 if conditioning is None else len(jnp.asarray(conditioning))
    return _keywords(model, params, _classes(model, conditioning, num))


def _keywords(model: _Model, params: Params, classes, dropout_key=None) -> dict[str, Any]:
    k_score, k_encoder = (None, None) if dropout_key is None else jax.random.split(dropout_key)
    return dict(
        encoder=_encoder(model, params, k_encoder),
        denoiser=partial(_output, model, params, classes=classes, key=k_score),
        conditioning=classes,
        parametrisation=model.options.parametrisation,
        **_form(model, params),
    )


def _form(model: _Model, params: Params) -> dict[str, Any]:
    return dict(
        counterterm=components.counterterm_of(model.options, params),
        volatility=components.volatility_of(model.options, params),
    )


def _gamma(model: _Model, params: Params, t: Float[ArrayLike, "*b"]) -> Float[Array, "*b"]:
    t = jnp.asarray(t)
    t = t.astype(jnp.promote_types(t.dtype, jnp.float32))
    return jnp.asarray(model.schedule.gamma(params.get("schedule", {}), t))


def _encoder(model: _Model, params: Params, key: Key[Array, ""] | None = None) -> Encoder:
    inner = model.inner
    if inner is None:
        return identity_encoder() if model.options.encoder == "identity" else nt_encoder()
    rngs = {} if key is None else {"dropout": key}

    def y(x, gamma, classes):
        gamma = jnp.broadcast_to(gamma, (len(x),))
        classes = jnp.zeros_like(gamma) if classes is None else classes
        return inner.apply({"params": params["encoder"]}, x, gamma, classes, rngs=rngs)

    return residual_encoder(y)


def _classes(model: _Model, conditioning, num: int) -> Array | None:
    return checks.class_scalars(conditioning, num, model.options.num_classes)


def _output(model: _Model, params: Params, z, gamma, *, classes, key=None) -> Array:
    """The score network's own output: v_hat or eps_hat."""
    rngs = {} if key is None else {"dropout": key}
    classes = jnp.zeros_like(gamma) if classes is None else classes
    return model.score.apply({"params": params["score"]}, z, gamma, classes, rngs=rngs)


def _encode(
    model: _Model,
    params: Params,
    x: Float[ArrayLike, "b *shape"],
    gamma: Float[ArrayLike, "*level"],
    conditioning: Integer[ArrayLike, " b"] | None = None,
) -> tuple[Float[Array, "b *shape"], Float[Array, "b *shape"]]:
    x, gamma = jnp.asarray(x), jnp.asarray(gamma)
    checks.check_batch(model.shape, x=x)
    gamma, classes = jnp.broadcast_to(gamma, (len(x),)), _classes(model, conditioning, len(x))
    return encode_with_slope(_encoder(model, params), x, gamma, classes)


def _denoise(
    model: _Model,
    params: Params,
    z: Float[ArrayLike, "b *shape"],
    gamma: Float[ArrayLike, "*level"],
    conditioning: Integer[ArrayLike, " b"] | None = None,
) -> Float[Array, "b *shape"]:
    z, gamma = jnp.asarray(z), jnp.asarray(gamma)
    checks.check_batch(model.shape, z=z)
    gamma = jnp.broadcast_to(gamma, (len(z),))
    classes = _classes(model, conditioning, len(z))
    output = _output(model, params, z, gamma, classes=classes)
    from_output = process.x_from_v if model.options.parametrisation == "v" else process.x_from_eps
    return from_output(z, output, gamma)


def _sample_step(
    model: _Model,
    params: Params,
    z: Float[ArrayLike, "b *shape"],
    t: Float[ArrayLike, ""],
    s: Float[ArrayLike, ""],
    eps: Float[ArrayLike, "b *shape"],
    conditioning: Integer[ArrayLike, " b"] | None = None,
) -> Float[Array, "b *shape"]:
    z, eps = jnp.asarray(z), jnp.asarray(eps)
    checks.check_batch(model.shape, z=z, eps=eps)
    gamma_t, gamma_s = _gamma(model, params, t), _gamma(model, params, s)
    x_hat = _denoise(model, params, z, gamma_t, conditioning)
    return sampling.generative_step(z, x_hat, gamma_s, gamma_t, eps, **_form(model, params))


def _sample(
    model: _Model,
    key: Key[Array, ""],
    params: Params,
    num: int,
    num_steps: int,
    conditioning: Integer[ArrayLike, " b"] | None = None,
) -> Int[Array, "num *shape"]:
    if num < 1 or num_steps < 1:
        raise ValueError(f"num={num} and num_steps={num_steps} must be at least 1")
    z = sampling.ancestral_sample(
        key,
        lambda z, gamma: _denoise(model, params, z, gamma, conditioning),
        partial(_gamma, model, params),
        (num, *model.shape),
        num_steps,
        # A learned variance is that of the model's own number of steps.
        log_ratio=params.get("log_ratio", 0.0) if num_steps == model.options.depth else 0.0,
        **_form(model, params),
    )
    return quantise(z, model.levels)
