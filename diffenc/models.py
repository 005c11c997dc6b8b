"""Diffusion models by name: `build` makes a frozen value whose methods are pure functions."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import flax.linen as nn
import jax
import jax.numpy as jnp
from jax.typing import ArrayLike
from jaxtyping import Array, Float, Int, Integer, Key

from diffenc import checks, components, elbo, finite_depth, process_checks, sampling, schedules
from diffenc.elbo import ElboTerms
from diffenc.encoder import Encoder, Fixed, Trainable
from diffenc.likelihood import dequantise, discretised_log_prob, quantise
from diffenc.options import Options
from diffenc.prediction import Prediction
from diffenc.presets import resolve
from diffenc.process import Process
from diffenc.schedules import Schedule
from diffenc.volatility import Volatility

Params = dict[str, Any]


def build(name: str, shape: Sequence[int], levels: int, **options: Any) -> "Diffusion":
    """The named model for data of `shape` ([h, w, c] or [d]) with integer codes below `levels`.

    Names are those of `diffenc.PRESETS`, options the fields of `diffenc.Options`.

    Raises:
        ValueError: an unknown name or option, or values that do not fit together.

    Examples:
        >>> model = diffenc.build("diffenc", (4,), 8, width=8)
        >>> params, codes = model.init(jax.random.key(0)), np.array([[0, 1, 6, 7]])
        >>> t, eps = jnp.array([0.5]), jnp.ones((1, 4))
        >>> terms = model.elbo_terms(params, codes, t=t, eps=eps, eps_0=eps)  # nats per example
        >>> terms.prior.shape, model.sample(jax.random.key(1), params, 2, 3).shape
        ((1,), (2, 4))
    """
    sizes, codes = checks.sizes(shape, levels)
    model = Diffusion(name, sizes, codes, resolve(name, sizes, codes, options))
    model.encoder_network()  # raises where the encoder cannot take the shape
    return model


@dataclass(frozen=True, repr=False)
class Diffusion:
    """A diffusion model: pure functions of its parameters. Made by `build`.

    `params` are those of `init`, trained or not; `conditioning` is a class index per example, where
    the model has `options.num_classes`. Arrays of any floating-point type are taken; what is
    narrower than float32 becomes float32 first. Every method but `init` raises ValueError for
    arrays of another shape or kind, and for values out of range where they are concrete.
    """

    name: str
    shape: tuple[int, ...]
    levels: int
    options: Options

    def __repr__(self) -> str:
        """The call of `build` that makes it, with what differs from the name's own options."""
        own = resolve(self.name, self.shape, self.levels, {})
        given = vars(self.options).items()
        changed = [f", {name}={v!r}" for name, v in given if v != getattr(own, name)]
        return f"diffenc.build({self.name!r}, {self.shape}, {self.levels}{''.join(changed)})"

    @property
    def schedule(self) -> Schedule:
        """γ(t), and the start of its parameters."""
        assert not isinstance(self.options.schedule, str)  # `resolve` has made it an object
        return self.options.schedule

    @property
    def encoder(self) -> Fixed | Trainable:
        """How the data moves with depth."""
        assert not isinstance(self.options.encoder, str)
        return self.options.encoder

    @property
    def prediction(self) -> Prediction:
        """What the score network predicts."""
        assert not isinstance(self.options.parametrisation, str)
        return self.options.parametrisation

    def score_network(self) -> nn.Module:
        """The score network as a Flax module of (z, γ, class index)."""
        return components.score_network(self.options, self.shape)

    def encoder_network(self) -> nn.Module | None:
        """The encoder's y as a Flax module of (x, γ, class index); None where it has none."""
        if not isinstance(self.encoder, Trainable):
            return None
        return self.encoder.network(self.shape, components.settings(self.options))

    @partial(jax.jit, static_argnums=0)  # or each parameter is a program of its own
    def init(self, key: Key[Array, ""]) -> Params:
        """Parameters with which v̂ (or ε̂) = z and y = 0."""
        k_score, k_encoder, k_schedule = jax.random.split(key, 3)
        x, level = jnp.zeros((1, *self.shape)), jnp.zeros((1,))
        params: Params = {"score": self.score_network().init(k_score, x, level, level)["params"]}
        if (inner := self.encoder_network()) is not None:
            params["encoder"] = inner.init(k_encoder, x, level, level)["params"]
        if schedule := self.schedule.init(k_schedule):
            params["schedule"] = schedule
        # A fold, not a fourth split: the published parts keep the values they had.
        return params | components.init_form(self.options, jax.random.fold_in(key, 3))

    def bind(
        self,
        params: Params,
        conditioning: Integer[ArrayLike, " b"] | None = None,
        dropout_key: Key[Array, ""] | None = None,
    ) -> Process:
        """The process of these parameters, for `finite_depth`, `flow`, `importance`, `path` …

        With conditioning it is that of these examples. Deterministic without `dropout_key`.
        """
        return self._process(params, self._classes(conditioning, None), dropout_key)

    def elbo_terms(
        self,
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
        """The three terms of −ELBO, per example in nats, at times t with noise eps and eps_0.

        Deterministic without `dropout_key`. A `volatility` takes the place of the model's own
        (`diffenc.volatility_choice`).
        """
        checks.same_batch(self.shape, codes=codes, eps=eps, eps_0=eps_0)
        codes = checks.codes("codes", codes, self.levels)
        t = checks.times(t, len(codes))
        eps, eps_0 = checks.batch(self.shape, eps=eps, eps_0=eps_0)
        classes = self._classes(conditioning, len(codes))
        learned = checks.part(params, "schedule", self.schedule.init)
        trained, for_variance = schedules.split(self.schedule, learned)
        gamma = partial(self._gamma, trained)
        x = dequantise(codes, self.levels)
        process = self._process(params, classes, dropout_key)
        if volatility is not None:
            process_checks.of_level("volatility", volatility, positive=True)
            process = process._replace(volatility=volatility)
        terms = elbo.elbo_terms(
            process,
            x,
            gamma=gamma,
            decoder=partial(discretised_log_prob, levels=self.levels),
            target=codes,
            t=t,
            eps=eps,
            eps_0=eps_0,
            x_0_every=1 if dropout_key is None else self.options.x_0_every,
        )
        if self.options.depth is not None:
            steps, ratio = self.options.depth, self._log_ratio(params)
            loss = finite_depth.diffusion_loss(
                process, x, gamma=gamma, t=t, eps=eps, num_steps=steps, log_ratio=ratio
            )
            return terms._replace(diffusion=loss)
        if for_variance is None:
            return terms
        added = schedules.variance_surrogate(partial(self._gamma, for_variance), t, terms.diffusion)
        return terms._replace(diffusion=terms.diffusion + added)

    def encode(
        self,
        params: Params,
        x: Float[ArrayLike, "b *shape"],
        gamma: Float[ArrayLike, "*level"],
        conditioning: Integer[ArrayLike, " b"] | None = None,
    ) -> tuple[Float[Array, "b *shape"], Float[Array, "b *shape"]]:
        """(x_γ, dx_γ/dγ) at one level, or at one for each example."""
        (x,) = checks.batch(self.shape, x=x)
        process = self._process(params, self._classes(conditioning, len(x)))
        return process.encode(x, checks.level(gamma, len(x)))

    def denoise(
        self,
        params: Params,
        z: Float[ArrayLike, "b *shape"],
        gamma: Float[ArrayLike, "*level"],
        conditioning: Integer[ArrayLike, " b"] | None = None,
    ) -> Float[Array, "b *shape"]:
        """x̂, the prediction of x_γ from z, at one level or at one for each example."""
        (z,) = checks.batch(self.shape, z=z)
        process = self._process(params, self._classes(conditioning, len(z)))
        return process.x_hat(z, checks.level(gamma, len(z)))

    def gamma(self, params: Params, t: Float[ArrayLike, "*b"]) -> Float[Array, "*b"]:
        """The schedule's level at times t in [0, 1]."""
        learned = checks.part(params, "schedule", self.schedule.init)
        return self._gamma(learned, checks.within_unit("t", t))

    def sample_step(
        self,
        params: Params,
        z: Float[ArrayLike, "b *shape"],
        t: Float[ArrayLike, ""],
        s: Float[ArrayLike, ""],
        eps: Float[ArrayLike, "b *shape"],
        conditioning: Integer[ArrayLike, " b"] | None = None,
    ) -> Float[Array, "b *shape"]:
        """z_s, one step of the generative process from time t down to s, with noise eps."""
        z, eps = checks.batch(self.shape, z=z, eps=eps)
        gamma_t, gamma_s = (self.gamma(params, time) for time in checks.step(t, s))
        process = self._process(params, self._classes(conditioning, len(z)))
        x_hat = process.x_hat(z, jnp.broadcast_to(gamma_t, (len(z),)))
        step = partial(sampling.generative_step, z, x_hat, gamma_s, gamma_t, eps)
        return step(counterterm=process.counterterm, volatility=process.volatility)

    def sample(
        self,
        key: Key[Array, ""],
        params: Params,
        num: int,
        num_steps: int,
        conditioning: Integer[ArrayLike, " b"] | None = None,
    ) -> Int[Array, "num *shape"]:
        """Codes of `num` draws, in `num_steps` equal steps of time."""
        checks.key(key)
        num, num_steps = checks.counts(num=num, num_steps=num_steps)
        process = self._process(params, self._classes(conditioning, num))
        z = sampling.ancestral_sample(
            key,
            process.x_hat,
            lambda t: self.gamma(params, t),
            (num, *self.shape),
            num_steps,
            counterterm=process.counterterm,
            volatility=process.volatility,
            # A learned variance is that of the model's own number of steps.
            log_ratio=self._log_ratio(params) if num_steps == self.options.depth else 0.0,
        )
        return quantise(z, self.levels)

    def _log_ratio(self, params: Params) -> ArrayLike:
        learned = self.options.step_variance == "learned"
        return checks.part(params, "log_ratio") if learned else params.get("log_ratio", 0.0)

    def _gamma(self, params: schedules.Params, t: Float[Array, "*b"]) -> Float[Array, "*b"]:
        return jnp.asarray(self.schedule.gamma(params, t))

    def _classes(
        self, conditioning: Integer[ArrayLike, " b"] | None, num: int | None
    ) -> Float[Array, " b"] | None:
        return checks.class_scalars(conditioning, num, self.options.num_classes)

    def _process(
        self,
        params: Params,
        classes: Float[Array, " b"] | None,
        dropout_key: Key[Array, ""] | None = None,
    ) -> Process:
        k_score, k_encoder = (None, None) if dropout_key is None else jax.random.split(dropout_key)
        score, weights = self.score_network(), checks.part(params, "score")

        def denoiser(z: Array, gamma: Array) -> Array:
            index = jnp.zeros_like(gamma) if classes is None else classes
            return components.apply(score, weights, z, gamma, index, k_score)

        return Process(
            encoder=self._encoder(params, k_encoder),
            denoiser=denoiser,
            prediction=self.prediction,
            conditioning=classes,
            shape=self.shape,
            **components.form(self.options, params),
        )

    def _encoder(self, params: Params, key: Key[Array, ""] | None) -> Encoder:
        if not isinstance(self.encoder, Trainable):
            return self.encoder.encoder()
        weights = checks.part(params, "encoder")
        network = self.encoder.network(self.shape, components.settings(self.options))

        def y(x: Array, gamma: Array, classes: Array | None) -> Array:
            gamma = jnp.broadcast_to(gamma, (len(x),))
            index = jnp.zeros_like(gamma) if classes is None else classes
            return components.apply(network, weights, x, gamma, index, key)

        return self.encoder.encoder(y)
