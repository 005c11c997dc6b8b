"""The keys of a DiffEnc config, at their published values, and its smoke form."""

from ml_collections import ConfigDict
from ml_collections.config_dict import placeholder

import diffenc
from experiments.runtime.cli import split_arg

PUBLISHED_RANGE = (-13.3, 5.0)
UNSET = {
    "learn_endpoints": bool,
    "parametrisation": str,
    "encoder": str,
    "counterterm": bool,
    "width": int,
    "num_layers": int,
    "encoder_width": int,
    "encoder_layers": int,
    "dropout": float,
    "fourier": tuple,
    "dtype": str,
    "remat": bool,
}


def diffenc_config(arg: str, data: str, default: str = "diffenc-8-2") -> ConfigDict:
    """The config of one model on one data set, with the published hyper-parameters.

    `arg` is "<model>" or "<model>:smoke"; models are those of `diffenc.NAMES`.
    """
    model, smoke = split_arg(arg, models=diffenc.NAMES, default=default)
    config = ConfigDict()
    config.seed = 0
    config.data = ConfigDict({"name": data, "path": "", "size": 28, "smoke": smoke})
    config.model = ConfigDict({"name": model, "options": _options()})
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
        }
    )
    config.sample = ConfigDict({"seed": 0, "num": 64, "num_steps": 1000})
    if smoke:
        make_smoke(config)
    return config.lock()


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
