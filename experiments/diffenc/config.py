"""The keys of a DiffEnc config, at their published values, its variants and its smoke form."""

import dataclasses
from collections.abc import Iterable, Mapping
from typing import Any

from ml_collections import ConfigDict
from ml_collections.config_dict import placeholder

import diffenc
from experiments.data import Wanted
from experiments.runtime.cli import split_arg
from experiments.runtime.errors import nearest

Options = Mapping[str, Any]

PUBLISHED_RANGE = (-13.3, 5.0)
UNSET = {
    "learn_endpoints": bool,
    "interior": str,
    "parametrisation": str,
    "encoder": str,
    "counterterm": str,
    "volatility": str,
    "depth": int,
    "step_variance": str,
    "width": int,
    "num_layers": int,
    "encoder_width": int,
    "encoder_layers": int,
    "dropout": float,
    "fourier": tuple,
    "dtype": str,
    "remat": bool,
    "group_channels": int,
}


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
) -> ConfigDict:
    """The config of one model on one data set, with the published hyper-parameters.

    `arg` is "<model>", then any words of `VARIANTS`, of the data set's own `variants` and "smoke",
    each after a colon; models are those of `diffenc.NAMES`. `options` are the data set's options of
    every model; a variant's come on top of them. A variant named "<model>:<word>" has one model.
    """
    known = VARIANTS | dict(variants or {})
    model, chosen, smoke = _words(arg, default, known)
    config = ConfigDict()
    config.seed = 0
    config.data = ConfigDict({"name": data, **dataclasses.asdict(Wanted(smoke=smoke))})
    config.model = ConfigDict({"name": model, "options": _options()})
    for given in (options or {}, *(known[word] for word in chosen)):
        config.model.options.update(given)
    config.train = ConfigDict(
        {
            "batch_size": 128,
            "num_steps": 2_000_000,
            "learning_rate": 2e-4,
            "warmup_steps": 100,
            "decay": "constant",
            "weight_decay": 0.01,
            "grad_clip": 0.0,  # a global norm; 0 leaves gradients as they are
            "ema_decay": 0.9999,
            "accumulate": 1,
            "sharding": "replicated",  # or "fsdp"
            "log_every": 500,
            "eval_every": 20_000,
            "save_every": 2_000,
            "keep": 3,
        }
    )
    config.eval = ConfigDict(
        {
            "seed": 0,
            "batch_size": 128,
            "times_per_image_in_training": 2,
            "times_per_image": 32,
            "volatility": placeholder(str),  # "optimal": also the bound at u* of training images
        }
    )
    config.sample = ConfigDict({"seed": 0, "num": 64, "num_steps": 1000})
    if smoke:
        make_smoke(config)
    return config.lock()


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


def _options() -> ConfigDict:
    """Options of `diffenc.build`; those left None follow from the model's name and the data."""
    unset = {name: placeholder(kind) for name, kind in UNSET.items()}
    low, high = PUBLISHED_RANGE
    given = {"gamma_min": low, "gamma_max": high, "schedule": "fixed", "conditional": False}
    return ConfigDict(unset | given)


def make_smoke(config: ConfigDict) -> None:
    """Shrinks a config in place to a run of seconds that still logs, evaluates and saves."""
    config.train.update(
        {"batch_size": 8, "num_steps": 6, "log_every": 2, "eval_every": 3, "save_every": 3}
    )
    config.train.update({"ema_decay": 0.5, "warmup_steps": 2})
    config.eval.update({"batch_size": 16, "times_per_image": 4})
    config.sample.update({"num": 4, "num_steps": 4})
    config.model.options.update({"width": 8, "num_layers": 1})
    config.model.options.update({"encoder_width": 8, "encoder_layers": 1})
