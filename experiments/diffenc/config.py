"""The keys of a DiffEnc config, at their published values, its variants and its smoke form."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Annotated, Any, Literal

from ml_collections import ConfigDict

import diffenc
from experiments.data.wanted import Wanted
from experiments.runtime.cli import split_arg
from experiments.runtime.errors import UserError, nearest
from experiments.runtime.loop import Schedule
from experiments.runtime.ranges import (
    Between,
    Count,
    Dropout,
    Few,
    Finite,
    NotNegative,
    Positive,
    Seed,
    Several,
    Share,
    Size,
    Text,
    Words,
)
from experiments.runtime.settings import as_flags

Options = Mapping[str, Any]

PUBLISHED_RANGE = (-13.3, 5.0)
Word = Annotated[str, Text("a word that `diffenc.build` knows", needed=True)]
Width = Annotated[int, Between(2, 1_000_000, "[]")]


@dataclass(frozen=True, kw_only=True)
class ModelOptions:
    """Options of `diffenc.build`; those left None follow from the model's name and the data."""

    learn_endpoints: bool | None = None
    interior: Word | None = None
    parametrisation: Word | None = None
    encoder: Word | None = None
    counterterm: Word | None = None
    volatility: Word | None = None
    depth: Positive | None = None
    step_variance: Word | None = None
    width: Width | None = None
    num_layers: Annotated[int, Between(0, 1_000, "[]")] | None = None
    encoder_width: Width | None = None
    encoder_layers: Few | None = None
    dropout: Dropout | None = None
    fourier: Annotated[tuple[Annotated[int, Between(-64, 65)], ...], Several(0)] | None = None
    dtype: Word | None = None
    remat: bool | None = None
    group_channels: Literal[1, 2] | None = None
    gamma_min: Finite = PUBLISHED_RANGE[0]
    gamma_max: Finite = PUBLISHED_RANGE[1]
    schedule: Word = "fixed"
    conditional: bool = False


@dataclass(frozen=True, kw_only=True)
class Model:
    """A model, and what is other than its name says."""

    name: Annotated[str, Words(diffenc.NAMES)]
    options: ModelOptions = ModelOptions()


@dataclass(frozen=True, kw_only=True)
class Train:
    """How a model is trained, as published."""

    batch_size: Positive = 128
    num_steps: Count = 2_000_000
    learning_rate: NotNegative = 2e-4
    warmup_steps: Count = 100
    decay: Literal["constant", "cosine"] = "constant"
    weight_decay: NotNegative = 0.01
    grad_clip: NotNegative = 0.0  # a global norm; 0 leaves gradients as they are
    ema_decay: Share = 0.9999
    accumulate: Positive = 1
    sharding: Literal["replicated", "fsdp"] = "replicated"
    log_every: Count = 500
    eval_every: Count = 20_000
    save_every: Count = 2_000
    keep: Positive = 3

    @property
    def schedule(self) -> Schedule:
        return Schedule(self.num_steps, self.log_every, self.eval_every, self.save_every)


@dataclass(frozen=True, kw_only=True)
class Eval:
    """How the test split is evaluated.

    `volatility` "optimal" adds the bound at u* of training images.
    """

    seed: Seed = 0
    batch_size: Positive = 128
    times_per_image_in_training: Size = 2
    times_per_image: Size = 32
    volatility: Literal["optimal"] | None = None


@dataclass(frozen=True, kw_only=True)
class Sample:
    """How many samples are drawn, and how."""

    seed: Seed = 0
    num: Size = 64
    num_steps: Positive = 1000


@dataclass(frozen=True, kw_only=True)
class Config:
    """A run: one model on one data set, with the published hyper-parameters."""

    seed: Seed = 0
    data: Wanted
    model: Model
    train: Train = Train()
    eval: Eval = Eval()
    sample: Sample = Sample()

    def check(self) -> None:
        """Raises `UserError` for a noise range that is none."""
        low, high = self.model.options.gamma_min, self.model.options.gamma_max
        if low >= high:
            raise UserError(
                f"model.options.gamma_min and gamma_max are {low} and {high}; accepted: two finite "
                "numbers, the first the smaller one"
            )


# Words that change any model of any data set.
VARIANTS: dict[str, Options] = {
    "counterterm-off": {"counterterm": "off"},
    "counterterm-learned": {"counterterm": "learned"},
    "volatility-learned": {"volatility": "learned"},
    "volatility-network": {"volatility": "network"},
    "ends-learned": {"schedule": "learned_linear"},
    "schedule-learned": {"schedule": "monotone"},
}


def diffenc_config(
    arg: str,
    data: str,
    default: str = "diffenc-8-2",
    options: Options | None = None,
    variants: Mapping[str, Options] | None = None,
    *,
    train: Train = Config.train,
    eval: Eval = Config.eval,
    sample: Sample = Config.sample,
) -> ConfigDict:
    """The config of one model on one data set.

    `arg` is "<model>", then any words of `VARIANTS`, of the data set's own `variants` and "smoke",
    each after a colon; models are those of `diffenc.NAMES`. `options` are the data set's options of
    every model; a variant's come on top of them. A variant named "<model>:<word>" has one model.
    """
    known = VARIANTS | dict(variants or {})
    name, chosen, smoke = _words(arg, default, known)
    given = dict(options or {})
    for word in chosen:
        given |= known[word]
    model = Model(name=name, options=ModelOptions(**given))
    config = Config(data=Wanted(name=data, smoke=smoke), model=model)
    if not smoke:
        return as_flags(replace(config, train=train, eval=eval, sample=sample))
    return as_flags(_smoke(config))


def _words(arg: str, default: str, known: Iterable[str]) -> tuple[str, list[str], bool]:
    """The model, its variants as `known` names them, and whether it is a smoke run."""
    name, *words = arg.split(":")
    smoke = [word for word in words if word == "smoke"]
    model, is_smoke = split_arg(":".join([name, *smoke]), models=diffenc.NAMES, default=default)
    accepted = {w.removeprefix(f"{model}:"): w for w in known if w.split(":")[0] in (model, w)}
    chosen = [word for word in words if word != "smoke"]
    for word in chosen:
        if word not in accepted:
            raise nearest(word, [*accepted, "smoke"], f"word for {model}")
    return model, [accepted[word] for word in chosen], is_smoke


def _smoke(config: Config) -> Config:
    """A run of seconds that still logs, evaluates and saves."""
    small = {"width": 8, "num_layers": 1, "encoder_width": 8, "encoder_layers": 1}
    return replace(
        config,
        model=replace(config.model, options=replace(config.model.options, **small)),
        train=Train(
            batch_size=8,
            num_steps=6,
            warmup_steps=2,
            ema_decay=0.5,
            log_every=2,
            eval_every=3,
            save_every=3,
        ),
        eval=Eval(batch_size=16, times_per_image=4),
        sample=Sample(num=4, num_steps=4),
    )
